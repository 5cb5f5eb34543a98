import numpy as np
import pytest

from flawsmith.gan.instance import CONTEXT, WINDOW, Healed, Instance

SIZE = (200, 260)


def image(seed: int = 0) -> np.ndarray:
    return (0.5 + np.random.default_rng(seed).normal(0, 0.02, (*SIZE, 1))).astype(np.float32)


def square(top: int, left: int, height: int = 20, width: int = 20) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[top : top + height, left : left + width] = True
    return mask


def instances(mask: np.ndarray) -> tuple[Instance, ...]:
    return Healed(image(1), image(0), "a.png", "a").instances(mask, 0)


def test_a_window_holds_the_defect_its_context_and_where_it_was() -> None:
    (one,) = instances(square(90, 100))
    window = np.s_[one.top : one.top + one.mask.shape[0], one.left : one.left + one.mask.shape[1]]
    assert np.array_equal(square(90, 100)[window], one.mask) and one.area == 400
    assert np.array_equal(image(0)[window], one.healed)
    assert min(one.mask.shape) >= WINDOW and one.mask[:CONTEXT].sum() == 0


def test_only_this_defect_is_in_the_image_of_the_window() -> None:
    first, second = instances(square(90, 100) | square(90, 150))
    assert np.array_equal(first.image[first.mask], second_pixels(first, image(1)))
    other = square(90, 150)[first.top : first.top + first.mask.shape[0], first.left : first.left + first.mask.shape[1]]
    assert other.any() and np.array_equal(first.image[other], first.healed[other])
    assert second.area == 400


def second_pixels(one: Instance, whole: np.ndarray) -> np.ndarray:
    height, width = one.mask.shape
    return np.asarray(whole[one.top : one.top + height, one.left : one.left + width][one.mask])


def test_fragments_near_each_other_are_one_defect_and_specks_none() -> None:
    (one,) = instances(square(90, 100) | square(90, 124, 5, 5) | square(10, 10, 1, 2))
    assert one.pieces == 2 and one.area == 425


@pytest.mark.parametrize(
    ("top", "left", "touches"),
    [
        (90, 100, (False, False, False, False)),
        (1, 100, (True, False, False, False)),
        (0, 0, (True, False, False, True)),
        (180, 240, (False, True, True, False)),
    ],
)
def test_the_sides_that_are_touched(top: int, left: int, touches: tuple[bool, ...]) -> None:
    assert instances(square(top, left))[0].touches == touches


def test_a_dark_rim_is_not_the_part_whose_edge_is_touched_behind_it() -> None:
    whole = image()
    whole[:10] = 0.02
    (one,) = Healed(whole, whole, "a.png", "a").instances(square(10, 100), 0)
    assert one.touches == (True, False, False, False)


def test_a_defect_as_large_as_the_image_is_kept_whole() -> None:
    (one,) = instances(np.ones(SIZE, bool))
    assert one.mask.shape == SIZE and one.touches == (True, True, True, True)


def test_the_signed_distance_is_negative_inside_and_goes_on_beyond_the_border() -> None:
    one = instances(square(0, 100))[0]
    distance = one.distance
    inside = distance.values[-distance.row : -distance.row + 20, one_left(one) : one_left(one) + 20]
    assert (inside < 0).all() and (distance.values[0, one_left(one) + 5 : one_left(one) + 15] < 0).all()
    assert ((distance.values < 0).sum(0) > 0).sum() == 20


def one_left(one: Instance) -> int:
    return int(np.flatnonzero(one.mask.any(0))[0]) - one.distance.column


def test_blobs_are_compact_and_lines_are_not() -> None:
    assert instances(square(90, 100))[0].compact
    assert not instances(square(90, 60, 4, 90))[0].compact


def test_mirroring_negates_the_lean() -> None:
    triangle = np.zeros(SIZE, bool)
    for row in range(30):
        triangle[90 + row, 100 : 100 + row + 1] = True
    slant, rows, columns = instances(triangle)[0].lean
    mirrored_slant, mirrored_rows, mirrored_columns = instances(triangle[:, ::-1])[0].lean
    assert slant > 0.1 and rows < -0.1
    assert (mirrored_slant, mirrored_rows, mirrored_columns) == pytest.approx((-slant, rows, -columns))
