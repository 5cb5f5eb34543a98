import numpy as np
import pytest

from flawsmith.gan.bank import Bank
from flawsmith.gan.context import survey
from flawsmith.gan.instance import Healed
from flawsmith.gan.placement import GAP, OVER_EDGE, Place, place_on, sample_place
from flawsmith.gan.shapes import draw_shape, sample_shape

SIZE = (160, 200)


def grain(size: tuple[int, int] = SIZE, seed: int = 0) -> np.ndarray:
    return (0.5 + np.random.default_rng(seed).normal(0, 0.03, (*size, 1))).astype(np.float32)


def box(top: int, left: int, height: int, width: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[top : top + height, left : left + width] = True
    return mask


def bank_of(*masks: np.ndarray, part: np.ndarray | None = None) -> Bank:
    image = grain() if part is None else part
    found = [one for mask in masks for one in Healed(image, image, "a.png", "a").instances(mask, 0)]
    return Bank(tuple(found), ("pit",), 1, 255)


def place(bank: Bank, clean: np.ndarray, seed: int, roi: np.ndarray | None = None) -> Place | None:
    random = np.random.default_rng(seed)
    return sample_place(clean, draw_shape(sample_shape(bank, 0, random), bank), bank, roi, random)


def placed(bank: Bank, clean: np.ndarray, seed: int, roi: np.ndarray | None = None) -> np.ndarray:
    found = place(bank, clean, seed, roi)
    assert found is not None
    assert np.array_equal(draw_shape(found.shape.params, bank).mask, found.shape.mask)
    return found.mask(clean.shape)


INNER = bank_of(box(60, 80, 12, 14), box(90, 30, 10, 10), box(30, 150, 9, 16))


@pytest.mark.parametrize("seed", range(8))
def test_an_inner_defect_stays_off_the_border(seed: int) -> None:
    mask = placed(INNER, grain(seed=1), seed)
    assert mask.any() and not (mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())


@pytest.mark.parametrize("seed", range(8))
def test_a_defect_lies_on_the_part(seed: int) -> None:
    part = np.hypot(*np.mgrid[-80:80, -100:100]) < 60
    clean = np.where(part[..., None], grain(seed=1), 0.02).astype(np.float32)
    assert not (placed(INNER, clean, seed) & ~part).any()


@pytest.mark.parametrize("seed", range(8))
def test_the_region_of_interest_is_kept_to(seed: int) -> None:
    roi = box(100, 20, 40, 60)
    assert not (placed(INNER, grain(seed=1), seed, roi) & ~roi).any()


@pytest.mark.parametrize("seed", range(8))
def test_a_defect_from_the_upper_border_lies_at_the_upper_or_lower_one(seed: int) -> None:
    mask = placed(bank_of(box(0, 80, 30, 12)), grain(seed=1), seed)
    assert mask[0].any() != mask[-1].any() and not (mask[:, 0].any() or mask[:, -1].any())


@pytest.mark.parametrize("seed", range(4))
def test_a_corner_stays_a_corner(seed: int) -> None:
    mask = placed(bank_of(box(0, 0, 20, 20)), grain(seed=1), seed)
    assert (mask[0].any() or mask[-1].any()) and (mask[:, 0].any() or mask[:, -1].any())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("height", [130, 160, 200])
def test_a_defect_across_the_whole_part_crosses_a_part_of_another_size(seed: int, height: int) -> None:
    mask = placed(bank_of(box(0, 80, 160, 12)), grain((height, 200), seed=1), seed)
    assert mask[0].any() and mask[-1].any()


@pytest.mark.parametrize("seed", range(6))
def test_a_defect_at_the_border_follows_the_edge_of_the_part(seed: int) -> None:
    clean = grain(seed=1)
    clean[:14] = clean[-14:] = 0.01
    mask = placed(bank_of(box(0, 80, 30, 12)), clean, seed)
    rows = np.flatnonzero(mask.any(1))
    assert 10 <= rows[0] <= 16 or 10 <= 159 - rows[-1] <= 16
    assert (mask & (clean[..., 0] < 0.1)).sum() <= OVER_EDGE * mask.sum()


@pytest.mark.parametrize(
    ("clean", "roi"),
    [
        (grain((20, 20)), np.ones((20, 20), bool)),
        (grain(), box(10, 10, 4, 4)),
        (grain(), np.zeros(SIZE, bool)),
    ],
)
def test_no_room_is_said_and_not_searched_forever(clean: np.ndarray, roi: np.ndarray) -> None:
    bank = bank_of(box(60, 80, 40, 40))
    assert place(bank, clean, 0, roi) is None


def test_defects_on_the_bright_half_are_placed_on_the_bright_half() -> None:
    part = grain()
    part[:, :100] -= 0.25
    bank = bank_of(*(box(row, column, 10, 10) for row in (20, 60, 100, 130) for column in (110, 150, 180)), part=part)
    turned = part[:, ::-1].copy()  # bright on the left here: the surroundings count, not the place alone
    middles = [np.nonzero(placed(bank, part, seed))[1].mean() for seed in range(20)]
    assert np.mean([middle > 100 for middle in middles]) > 0.9
    bright = [turned[placed(bank, turned, seed)].mean() > 0.4 for seed in range(20)]
    assert np.mean(bright) > 0.5


def test_the_same_generator_gives_the_same_place() -> None:
    first, second = (placed(INNER, grain(seed=1), 3) for _ in range(2))
    assert np.array_equal(first, second) and not np.array_equal(first, placed(INNER, grain(seed=1), 4))


def test_anywhere_takes_the_likeness_out_and_leaves_the_rest() -> None:
    part = grain()
    part[:, :100] -= 0.25
    bank = bank_of(*(box(row, column, 10, 10) for row in (20, 60, 100, 130) for column in (110, 150, 180)), part=part)
    look = survey(part)
    places = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        place = place_on(look, draw_shape(sample_shape(bank, 0, random), bank), bank, random, anywhere=True)
        assert place is not None
        places.append((place.top, place.left))
    rows, columns = np.array(places).T
    assert 0.3 < (columns > 95).mean() < 0.7 and 0.3 < (rows > 75).mean() < 0.7
    assert rows.min() >= GAP and columns.min() >= GAP


def test_a_place_in_a_window_is_a_cut_of_its_mask() -> None:
    found = place(INNER, grain(seed=1), 2)
    assert found is not None
    whole = found.mask(SIZE)
    height = found.shape.mask.shape[0]
    around = [(0, 0, *SIZE), (found.top + 3, found.left + 2, 40, 30), (found.top - 5, found.left - 4, 9, 8)]
    for top, left, tall, wide in [*around, (found.top + height, found.left, 5, 5), (found.top, found.left - 9, 5, 9)]:
        assert np.array_equal(found.window(top, left, tall, wide), whole[top : top + tall, left : left + wide])


def test_a_shape_off_a_dark_rim_meets_the_parts_edge_on_every_side() -> None:
    clean = grain(seed=1)
    clean[:, :14] = clean[:, -14:] = 0.01
    bank = bank_of(box(70, 0, 12, 30))
    for seed in range(6):
        columns = np.flatnonzero(placed(bank, clean, seed).any(0))
        assert 10 <= columns[0] <= 16 or 10 <= 199 - columns[-1] <= 16
