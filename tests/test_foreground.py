import numpy as np
import pytest
from scipy import ndimage

from flawsmith.gan.foreground import Foreground, foreground, opened


def scene(part: float, background: float) -> tuple[np.ndarray, np.ndarray]:
    """A round part on a plain ground."""
    mask = np.hypot(*np.mgrid[-100:100, -130:130]) < 80
    image = np.where(mask, part, background) + np.random.default_rng(0).normal(0, 0.02, mask.shape)
    return image[..., None].clip(0, 1).astype(np.float32), mask


def mask_of(found: Foreground) -> np.ndarray:
    return found.window(0, 0, *found.size)


@pytest.mark.parametrize(("part", "background"), [(0.7, 0.05), (0.3, 0.95)])
def test_a_part_on_a_dark_or_a_bright_ground_is_found(part: float, background: float) -> None:
    image, mask = scene(part, background)
    found = mask_of(foreground(image))
    assert (found & mask).sum() / (found | mask).sum() > 0.95


def test_a_picture_filled_by_the_part_is_all_part() -> None:
    shading = np.linspace(0.3, 0.9, 300)[None, :, None] + np.random.default_rng(0).normal(0, 0.05, (200, 300, 1))
    assert foreground(shading.astype(np.float32)).whole


def test_a_dark_rim_is_not_part_and_a_dark_spot_inside_is() -> None:
    image = np.full((200, 300, 1), 0.6, np.float32)
    image[:9], image[90:110, 140:160] = 0.05, 0.05
    found = mask_of(foreground(image))
    assert not found[:6].any() and found[12:].all()


def test_the_edges_count_the_pixels_up_to_the_part() -> None:
    part = np.zeros((50, 60), bool)
    part[4:45, 7:58] = True
    rims = Foreground(part, 1, part.shape).edges
    assert [int(np.median(rim)) for rim in rims] == [4, 2, 5, 7]


def test_a_black_image_is_survived() -> None:
    assert mask_of(foreground(np.zeros((33, 47, 3), np.float32))).shape == (33, 47)


@pytest.mark.parametrize(("step", "size"), [(1, (20, 30)), (3, (62, 91)), (4, (80, 123))])
def test_windows_box_and_edges_are_those_of_the_full_mask(step: int, size: tuple[int, int]) -> None:
    random = np.random.default_rng(step)
    blocks = np.zeros((size[0] // step, size[1] // step), bool)
    blocks[3:-2, 2:-1] = random.random((blocks.shape[0] - 5, blocks.shape[1] - 3)) < 0.95
    found = Foreground(blocks, step, size)
    rest = [(0, length % step) for length in size]
    full = np.pad(blocks.repeat(step, 0).repeat(step, 1), rest, "edge")
    assert np.array_equal(mask_of(found), full)
    assert np.array_equal(found.window(7, 11, 10, 9), full[7:17, 11:20])
    rows, columns = (np.flatnonzero(full.any(axis)) for axis in (1, 0))
    assert found.room == (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1)
    depths = full.argmax(0), full[:, ::-1].argmax(1), full[::-1].argmax(0), full.argmax(1)
    for rim, depth, length in zip(found.edges, depths, (size[0], size[1]) * 2, strict=True):
        middle = int(np.median(depth))
        assert np.array_equal(rim, np.where(depth > middle + 0.1 * length, middle, depth))


def test_nothing_thinner_than_three_blocks_is_part() -> None:
    """As an independent opening finds it on the image continued at its border."""
    part = np.random.default_rng(0).random((30, 40)) < 0.8
    expected = ndimage.binary_opening(np.pad(part, 2, mode="edge"))[2:-2, 2:-2]
    assert np.array_equal(opened(part), expected) and 0 < expected.sum() < part.sum()
