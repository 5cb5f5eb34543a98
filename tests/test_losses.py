"""The segmenter's loss: tables worked out by hand."""

import pytest
import torch

from flawsmith.segment.losses import segmentation_loss, soft_dice_loss


def test_dice_by_hand() -> None:
    probability = torch.tensor([[[[0.5, 1.0], [0.0, 0.0]]]])
    truth = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    assert soft_dice_loss(probability, truth).item() == pytest.approx(1 - (2 * 1.5 + 1) / (1.5 + 2 + 1))


def test_a_class_that_the_batch_does_not_show_is_left_out() -> None:
    truth = torch.zeros(2, 2, 4, 4)
    truth[0, 0, 1:3, 1:3] = 1
    probability = truth.clone()
    probability[:, 1] = 0.9
    assert soft_dice_loss(probability, truth).item() == pytest.approx(0)
    assert soft_dice_loss(probability, torch.zeros_like(truth)).item() == 0


def test_a_certain_right_answer_costs_nothing_and_a_wrong_one_much() -> None:
    truth = torch.zeros(1, 1, 8, 8)
    truth[..., 2:5, 2:5] = 1
    right = (truth * 2 - 1) * 30
    assert segmentation_loss(right, truth).item() == pytest.approx(0, abs=1e-6)
    assert segmentation_loss(-right, truth).item() > 25


def test_a_batch_of_good_parts_still_teaches() -> None:
    logits = torch.zeros(1, 1, 8, 8, requires_grad=True)
    segmentation_loss(logits, torch.zeros(1, 1, 8, 8)).backward()
    assert (logits.grad > 0).all()
