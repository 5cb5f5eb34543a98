"""The pictures: sizes, what is left alone, and that nothing of the defect is hidden."""

import numpy as np

from flawsmith.segment.overlay import COLOURS, GAP, glow, outline, to_rgb, triptych


def _scene() -> tuple[np.ndarray, np.ndarray]:
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 1)).astype(np.uint8)
    truth = np.zeros((2, 20, 30), bool)
    truth[1, 5:9, 6:12] = True
    return image, truth


def test_three_panels_side_by_side() -> None:
    image, truth = _scene()
    picture = triptych(image, truth, truth.astype(np.float32), 0.5)
    assert picture.shape == (20, 3 * 30 + 2 * GAP, 3) and picture.dtype == np.uint8
    assert np.array_equal(picture[:, :30], np.repeat(image, 3, axis=2))


def test_an_outline_lies_outside_the_mask_and_one_pixel_wide() -> None:
    image, truth = _scene()
    plain = to_rgb(image)
    drawn = outline(plain, truth)
    changed = (drawn != plain).any(-1)
    assert np.array_equal(drawn[truth[1]], plain[truth[1]])
    assert changed.sum() == 6 * 8 - 4 * 6
    assert (drawn[changed] == COLOURS[1]).all()


def test_no_probability_no_glow() -> None:
    plain = to_rgb(_scene()[0])
    assert np.array_equal(glow(plain, np.zeros((3, 20, 30), np.float32)), plain)
    assert np.abs(glow(plain, np.ones((1, 20, 30), np.float32)).astype(int) - COLOURS[0]).max() <= 0.3 * 255 + 1


def test_colour_and_16_bit_come_out_as_8_bit_rgb() -> None:
    deep = np.full((4, 4, 1), 65535, np.uint16)
    assert (to_rgb(deep) == 255).all() and to_rgb(np.zeros((4, 4, 4), np.uint8)).shape == (4, 4, 3)


def test_more_classes_than_colours() -> None:
    plain, masks = to_rgb(_scene()[0]), np.zeros((20, 20, 30), bool)
    masks[:, 3:5, 3:5] = True
    assert outline(plain, masks).shape == plain.shape
