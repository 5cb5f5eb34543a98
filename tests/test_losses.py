"""The segmenter's loss: tables worked out by hand."""

import math

import pytest
import torch

from flawsmith.segment.losses import log_dice_loss, segmentation_loss


def test_dice_by_hand() -> None:
    probability = torch.tensor([[[[0.5, 1.0], [0.0, 0.0]]]])
    truth = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    assert log_dice_loss(probability, truth).item() == pytest.approx(-math.log((2 * 1.5 + 1) / (1.5 + 2 + 1)))


def test_a_class_that_the_batch_does_not_show_is_left_out() -> None:
    truth = torch.zeros(2, 2, 4, 4)
    truth[0, 0, 1:3, 1:3] = 1
    probability = truth.clone()
    probability[:, 1] = 0.9
    assert log_dice_loss(probability, truth).item() == pytest.approx(0, abs=1e-6)
    assert log_dice_loss(probability, torch.zeros_like(truth)).item() == 0


def test_small_defects_pull_as_hard_as_large_ones() -> None:
    """The gradient over all true pixels together is alike for 4 px and for 400 px, at the first step of a training."""
    pulls = []
    for side in (2, 20):
        truth = torch.zeros(4, 1, 64, 64)
        truth[0, 0, 20 : 20 + side, 20 : 20 + side] = 1
        probability = torch.full_like(truth, 0.02, requires_grad=True)
        log_dice_loss(probability, truth).backward()
        assert probability.grad is not None
        pulls.append(float((probability.grad * truth).sum()))
    assert 0.05 < pulls[0] / pulls[1] < 20


def test_a_certain_right_answer_costs_nothing_and_a_wrong_one_much() -> None:
    truth = torch.zeros(1, 1, 8, 8)
    truth[..., 2:5, 2:5] = 1
    right = (truth * 2 - 1) * 30
    assert segmentation_loss(right, truth).item() == pytest.approx(0, abs=1e-6)
    assert segmentation_loss(-right, truth).item() > 25


def test_a_batch_of_good_parts_still_teaches() -> None:
    logits = torch.zeros(1, 1, 8, 8, requires_grad=True)
    segmentation_loss(logits, torch.zeros(1, 1, 8, 8)).backward()
    assert logits.grad is not None and (logits.grad > 0).all()
