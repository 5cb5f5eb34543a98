import tracemalloc

import numpy as np
import pytest

from flawsmith.gan.context import LEAST, Likeness, survey

RNG = np.random.default_rng(0)


def test_the_mean_over_a_box_is_that_of_its_pixels() -> None:
    image = RNG.random((60, 80, 3)).astype(np.float32)
    part = survey(image)
    boxes = np.array([[0, 0, 60, 80], [10, 20, 30, 25], [50, 70, 70, 95]])
    expected = [image.mean(), image[10:30, 20:25].mean(), image[50:, 70:].mean()]
    assert part.sums.means(part.sums.looks[0], boxes) == pytest.approx(expected, abs=1e-5)


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
    weights = Likeness.of(seen).weights(places)
    assert weights.sum() == pytest.approx(1) and weights @ places[:, :2] == pytest.approx([0.3, 0.7], abs=0.05)


def test_a_slanted_band_stays_a_band() -> None:
    """Row and column of the real ones are tied together: a place with the right row and the wrong column is unlike."""
    along = RNG.random(40)
    seen = np.stack([along, 1 - along, *np.full((4, 40), 0.1)], 1)
    places = np.full((200, 6), 0.1)
    places[:, :2] = RNG.random((200, 2))
    places[0, :2], places[1, :2] = (0.3, 0.7), (0.3, 0.2)
    weights = Likeness.of(seen).weights(places)
    assert weights[0] > 50 * weights[1]


def test_nothing_seen_means_anywhere() -> None:
    assert np.array_equal(Likeness.of(np.zeros((0, len(LEAST)))).weights(RNG.random((5, 6))), np.full(5, 0.2))


def test_a_single_defect_and_a_flat_image_are_survived() -> None:
    flat = survey(np.full((40, 40, 1), 0.5, np.float32))
    found = flat.features(np.array([[5, 5, 10, 10], [20, 20, 30, 30]]))
    assert np.isfinite(found).all() and np.isfinite(Likeness.of(found[:1]).weights(found)).all()


def plain_features(image: np.ndarray, part: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """What `features` promises, pixel by pixel, for an image (H, W) whose blocks are single pixels."""
    height, width = image.shape
    slope = np.zeros_like(image)
    slope[:-1] += np.abs(image[1:] - image[:-1])
    slope[:, :-1] += np.abs(image[:, 1:] - image[:, :-1])
    mean, mean_slope = image[part].mean(), slope[part].mean()
    deviation = ((image[part] ** 2).mean() - mean**2) ** 0.5
    rows = []
    for top, left, bottom, right in boxes:
        wide = np.s_[max(top - 4, 0) : bottom + 4, max(left - 4, 0) : right + 4]
        away = min(top, left, height - bottom, width - right) / min(height, width)
        grey = (image[wide].mean() - mean) / (deviation + 1e-3)
        rough = np.log((slope[wide].mean() + 1e-3) / (mean_slope + 1e-3))
        uneven = np.log((image[wide].std() + 1e-3) / (deviation + 1e-3))
        middle = (top + bottom) / 2 / height, (left + right) / 2 / width
        rows.append([*middle, float(np.clip(away, 0, 0.2)), grey, rough, uneven])
    return np.array(rows)


@pytest.mark.parametrize("rim", [0, 9])
def test_a_survey_of_single_pixels_is_the_plain_one(rim: int) -> None:
    image = RNG.integers(120, 160, (90, 110, 1)).astype(np.uint8)
    image[:rim] = 3
    part = survey(image)
    allowed = part.allowed_in(0, 0, 90, 110)
    assert part.sums.step == 1 and (rim == 0) == bool(allowed.all())
    boxes = np.array([[0, 0, 9, 8], [20, 30, 41, 52], [70, 90, 90, 110], [0, 0, 90, 110]])
    expected = plain_features(image[..., 0] / 255, allowed, boxes)
    assert part.features(boxes) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("size", [(90, 110), (260, 300), (700, 140)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pixels_of_8_and_16_bits_look_as_their_floats(size: tuple[int, int], channels: int) -> None:
    image = RNG.integers(60, 200, (*size, channels)).astype(np.uint8)
    boxes = np.array([[5, 5, 15, 20], [30, 40, 50, 60]])
    colours = image[..., :3]  # alpha does not count
    expected = survey((colours / 255).astype(np.float32)).features(boxes)
    assert survey(image).features(boxes) == pytest.approx(expected, abs=1e-4)
    assert survey(image.astype(np.uint16) * 257).features(boxes) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("shape", [(257, 301), (150, 900)])
def test_blocks_follow_the_plain_means(shape: tuple[int, int]) -> None:
    image = RNG.random((*shape, 1)).astype(np.float32)
    part = survey(image)
    step = part.sums.step
    box = np.array([[2 * step, 3 * step, 9 * step, 20 * step]])
    top, left, bottom, right = box[0]
    assert part.sums.means(part.sums.looks[0], box) == pytest.approx(image[top:bottom, left:right].mean(), abs=1e-5)


def dark_edged() -> np.ndarray:
    image = np.full((300, 400, 1), 150, np.uint8) + RNG.integers(0, 20, (300, 400, 1)).astype(np.uint8)
    image[:30], image[:, -44:] = 5, 5
    return image


def test_what_is_allowed_is_the_part_and_the_region_in_any_window() -> None:
    roi = np.zeros((300, 400), bool)
    roi[10:200, 50:390] = True
    part, whole = survey(dark_edged(), roi), survey(dark_edged()).allowed_in(0, 0, 300, 400)
    assert not whole[:26].any() and not whole[:, -40:].any() and whole[34:, :-48].all()
    for top, left, height, width in ((0, 0, 300, 400), (17, 33, 50, 60), (250, 340, 50, 60)):
        cut = np.s_[top : top + height, left : left + width]
        assert np.array_equal(part.allowed_in(top, left, height, width), whole[cut] & roi[cut])
    rows, columns = (np.flatnonzero((whole & roi).any(axis)) for axis in (1, 0))
    assert part.room == (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1)
    box = np.array([[0, 0, 100, 100]])
    assert part.share_allowed(box) == pytest.approx((whole & roi)[:100, :100].mean(), abs=0.03)


def test_a_region_off_the_part_leaves_no_room() -> None:
    roi = np.zeros((300, 400), bool)
    roi[:10, :10] = True
    assert survey(dark_edged(), roi).room is None


@pytest.mark.parametrize(("dtype", "channels"), [(np.uint8, 3), (np.uint16, 1)])
def test_a_large_image_is_looked_at_without_a_copy(dtype: type, channels: int) -> None:
    image = np.zeros((3000, 4000, channels), dtype)
    image[::2, 500:] = np.iinfo(dtype).max // 2
    tracemalloc.start()
    survey(image)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16e6 < image.nbytes
