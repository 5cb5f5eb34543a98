import numpy as np
import pytest

from flawsmith.gan.context import LEAST, likeness, survey

RNG = np.random.default_rng(0)


def test_the_mean_over_a_box_is_that_of_its_pixels() -> None:
    image = RNG.random((60, 80, 3)).astype(np.float32)
    part = survey(image)
    boxes = np.array([[0, 0, 60, 80], [10, 20, 30, 25], [50, 70, 70, 95]])
    expected = [image.mean(), image[10:30, 20:25].mean(), image[50:, 70:].mean()]
    assert part.boxes(part.sums.grey, boxes) == pytest.approx(expected, abs=1e-5)


def test_features_do_not_depend_on_the_light() -> None:
    image = RNG.random((60, 80, 1)).astype(np.float32) * 0.5 + 0.2
    boxes = np.array([[5, 5, 15, 20], [30, 40, 50, 60]])
    assert np.allclose(survey(image).features(boxes), survey(image * 0.6).features(boxes), atol=0.05)


def test_bright_rough_places_are_told_from_dark_smooth_ones() -> None:
    image = np.full((60, 80, 1), 0.3, np.float32)
    image[:, 40:] = 0.6 + RNG.normal(0, 0.05, (60, 40, 1))
    dark, bright = survey(image).features(np.array([[20, 10, 30, 20], [20, 60, 30, 70]]))
    assert (bright[3:] > dark[3:] + 1).all()


def test_chosen_places_spread_as_the_real_ones() -> None:
    places = RNG.random((1500, 6))
    seen = np.tile(np.array([0.3, 0.7, 0.5, 0.5, 0.5, 0.5]), (50, 1)) + RNG.normal(0, 0.03, (50, 6))
    weights = likeness(places, seen)
    assert weights.sum() == pytest.approx(1) and weights @ places[:, :2] == pytest.approx([0.3, 0.7], abs=0.05)


def test_a_slanted_band_stays_a_band() -> None:
    """Row and column of the real ones are tied together: a place with the right row and the wrong column is unlike."""
    along = RNG.random(40)
    seen = np.stack([along, 1 - along, *np.full((4, 40), 0.1)], 1)
    places = np.full((200, 6), 0.1)
    places[:, :2] = RNG.random((200, 2))
    places[0, :2], places[1, :2] = (0.3, 0.7), (0.3, 0.2)
    weights = likeness(places, seen)
    assert weights[0] > 50 * weights[1]


def test_nothing_seen_means_anywhere() -> None:
    assert np.array_equal(likeness(RNG.random((5, 6)), np.zeros((0, len(LEAST)))), np.full(5, 0.2))


def test_a_single_defect_and_a_flat_image_are_survived() -> None:
    flat = survey(np.full((40, 40, 1), 0.5, np.float32))
    found = flat.features(np.array([[5, 5, 10, 10], [20, 20, 30, 30]]))
    assert np.isfinite(found).all() and np.isfinite(likeness(found, found[:1])).all()
