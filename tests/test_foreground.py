import numpy as np
import pytest

from flawsmith.gan.foreground import edges, foreground


def scene(part: float, background: float) -> tuple[np.ndarray, np.ndarray]:
    """A round part on a plain ground."""
    mask = np.hypot(*np.mgrid[-100:100, -130:130]) < 80
    image = np.where(mask, part, background) + np.random.default_rng(0).normal(0, 0.02, mask.shape)
    return image[..., None].clip(0, 1).astype(np.float32), mask


@pytest.mark.parametrize(("part", "background"), [(0.7, 0.05), (0.3, 0.95)])
def test_a_part_on_a_dark_or_a_bright_ground_is_found(part: float, background: float) -> None:
    image, mask = scene(part, background)
    found = foreground(image)
    assert (found & mask).sum() / (found | mask).sum() > 0.95


def test_a_picture_filled_by_the_part_is_all_part() -> None:
    shading = np.linspace(0.3, 0.9, 300)[None, :, None] + np.random.default_rng(0).normal(0, 0.05, (200, 300, 1))
    assert foreground(shading.astype(np.float32)).all()


def test_a_dark_rim_is_not_part_and_a_dark_spot_inside_is() -> None:
    image = np.full((200, 300, 1), 0.6, np.float32)
    image[:9], image[90:110, 140:160] = 0.05, 0.05
    found = foreground(image)
    assert not found[:6].any() and found[12:].all()


def test_the_edges_count_the_pixels_up_to_the_part() -> None:
    part = np.zeros((50, 60), bool)
    part[4:45, 7:58] = True
    rims = edges(part)
    assert [int(np.median(rim)) for rim in rims] == [4, 2, 5, 7]


def test_a_black_image_is_survived() -> None:
    assert foreground(np.zeros((33, 47, 3), np.float32)).shape == (33, 47)
