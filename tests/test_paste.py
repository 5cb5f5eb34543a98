"""Small masks stretched over boxes between pixels: as torch samples them, and nothing jumps."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torchvision.models.detection.roi_heads import paste_masks_in_image, project_masks_on_boxes

from flawsmith.segment.models.objects import drawn
from flawsmith.segment.models.paste import LOOKED_AT, pasted

SIZE = (30, 40)


def _whole(box: list[float], mask: np.ndarray) -> np.ndarray:
    """One object drawn onto its image."""
    values = np.array([box], np.float32), np.array([1]), np.array([1.0], np.float32), mask[None, None]
    return drawn(pasted(*values, SIZE), 1, *SIZE)[0]


def _sampled(box: list[float], mask: np.ndarray) -> np.ndarray:
    """The same by torch: within each pixel, nothing beyond the mask."""
    y = (torch.arange(SIZE[0]) + LOOKED_AT - box[1]) / (box[3] - box[1]) * 2 - 1
    x = (torch.arange(SIZE[1]) + LOOKED_AT - box[0]) / (box[2] - box[0]) * 2 - 1
    grid = torch.stack([x[None].expand(*SIZE), y[:, None].expand(*SIZE)], -1)[None]
    return F.grid_sample(torch.from_numpy(mask)[None, None], grid, align_corners=False)[0, 0].numpy()


@given(
    st.floats(-20, 45),
    st.floats(-20, 35),
    st.floats(1, 60),
    st.floats(1, 60),
    st.integers(0, 9),
    st.sampled_from([5, 28]),
)
def test_masks_are_sampled_as_torch_samples(
    x: float, y: float, width: float, height: float, seed: int, cells: int
) -> None:
    mask = np.random.default_rng(seed).random((cells, cells), np.float32)
    box = [x, y, x + width, y + height]
    np.testing.assert_allclose(_whole(box, mask), _sampled(box, mask), atol=2e-4)


@pytest.mark.parametrize("edge", [12.0, 12.5, 13.0])
def test_a_box_that_moves_a_little_changes_its_object_as_little(edge: float) -> None:
    mask = np.ones((28, 28), np.float32)
    before, after = (_whole([3, 4, edge + shift, 20], mask) for shift in (-1e-5, 1e-5))
    assert abs(before - after).max() < 1e-4


def test_a_box_between_pixels_still_has_one() -> None:
    assert (_whole([7.6, 8.6, 7.7, 8.8], np.ones((28, 28), np.float32)) >= 0.5).sum() == 1


def test_what_lies_outside_is_no_object() -> None:
    boxes = np.array([[-30, 0, -10, 9], [50, 0, 70, 9], [0, 0, 5, 5]], np.float32)
    found = pasted(boxes, np.array([1, 2, 2]), np.array([0.9, 0.8, 0.7], np.float32), np.ones((3, 1, 28, 28)), SIZE)
    assert [(one.defect, round(one.score, 1), one.top, one.left) for one in found] == [(1, 0.7, 0, 0)]
    nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros((0, 1, 28, 28))
    assert pasted(*nothing, SIZE) == []


def test_what_training_cuts_out_of_true_masks_comes_back_better_than_torchvision_brings_it() -> None:
    random, ours, theirs = np.random.default_rng(0), [], []
    for _ in range(60):
        truth = np.zeros(SIZE, bool)
        (height, width) = random.integers(2, 28, 2)
        top, left = random.integers(0, SIZE[0] - height + 1), random.integers(0, SIZE[1] - width + 1)
        truth[top : top + height, left : left + width] = True
        box = torch.tensor([[left, top, left + width, top + height]], dtype=torch.float32)
        cut = project_masks_on_boxes(torch.from_numpy(truth)[None].byte(), box, torch.tensor([0]), 28)
        back = paste_masks_in_image(cut[None], box, SIZE)[0, 0].numpy()
        for found, shares in ((_whole(box[0].tolist(), cut[0].numpy()), ours), (back, theirs)):
            shares.append(((found >= 0.5) & truth).sum() / ((found >= 0.5) | truth).sum())
    assert np.mean(ours) > 0.98 and np.mean(theirs) < 0.9
