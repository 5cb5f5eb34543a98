"""Objects of a large image by tiles: as of the whole, whatever lies across the seams, and each once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from flawsmith.segment.models import joined as module
from flawsmith.segment.models.joined import find_by_tiles
from flawsmith.segment.models.objects import Object
from flawsmith.segment.tiles import Tiling

SMALL = Tiling(size=160, margin=24, ramp=16)  # tiles begin every 96 px


def find(image: np.ndarray) -> tuple[Object, ...]:
    """A model for which each connected area of one grey value is an object; the value is its score and its class."""
    found, grey = [], image[..., 0]
    for value in np.unique(grey[grey > 0]):
        labels, _ = ndimage.label(grey == value, np.ones((3, 3)))
        for number, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
            values = (labels[rows, columns] == number).astype(np.float32)
            found.append(Object(int(value) % 2, value / 255, rows.start, columns.start, values))
    return tuple(sorted(found, key=lambda one: -one.score))


def facts(found: tuple[Object, ...]) -> list[tuple[object, ...]]:
    """All that is known of objects, in an order of their own."""
    return sorted((o.defect, round(o.score, 4), o.top, o.left, o.values.shape, o.values.tobytes()) for o in found)


def scene(*boxes: tuple[int, int, int, int], size: tuple[int, int] = (333, 290)) -> np.ndarray:
    """Rectangles (top, left, height, width), each of a value of its own."""
    image = np.zeros((*size, 1), np.uint8)
    for number, (top, left, height, width) in enumerate(boxes):
        image[top : top + height, left : left + width] = 250 - number
    return image


BOX = st.tuples(st.integers(0, 330), st.integers(0, 287), st.integers(1, 200), st.integers(1, 200))


@given(st.lists(BOX, max_size=8))
def test_tiled_is_untiled(boxes: list[tuple[int, int, int, int]]) -> None:
    image = scene(*boxes)
    assert facts(find_by_tiles(find, image, SMALL)) == facts(find(image))


@pytest.mark.parametrize(
    "box", [(10, 10, 5, 5), (10, 94, 5, 5), (10, 126, 6, 6), (10, 158, 5, 5), (100, 100, 40, 40), (5, 5, 3, 280)]
)
def test_an_object_in_any_place_is_listed_once_and_whole(box: tuple[int, int, int, int]) -> None:
    (one,) = find_by_tiles(find, scene(box), SMALL)
    assert (one.top, one.left, *one.values.shape) == box and one.values.all()


def test_two_that_touch_stay_two_also_across_a_seam() -> None:
    image = scene((100, 80, 20, 60), (100, 140, 20, 60))
    image[image > 0] -= (image[image > 0] % 2).astype(np.uint8)  # 250 and 248: one class
    found = find_by_tiles(find, image, SMALL)
    assert [(one.defect, one.left, one.values.shape) for one in found] == [(0, 80, (20, 60)), (0, 140, (20, 60))]


def test_of_two_views_of_one_object_the_surest_is_kept() -> None:
    def wavering(image: np.ndarray) -> tuple[Object, ...]:
        """Less sure, and a pixel narrower, the farther to the left of its tile an object lies."""
        return tuple(
            Object(one.defect, one.left / 200, one.top, one.left, np.pad(one.values[:, 1:], ((0, 0), (1, 0))))
            for one in find(image)
        )

    image = scene((10, 124, 8, 8), size=(100, 256))  # at 124 of the first tile, at 28 of the second
    (one,) = find_by_tiles(wavering, image, SMALL)
    assert one.score == 124 / 200


@pytest.mark.parametrize("size", [(100, 100), (100, 256)])
def test_of_two_with_nearly_the_same_pixels_the_surest_is_kept(size: tuple[int, int]) -> None:
    def doubling(image: np.ndarray) -> tuple[Object, ...]:
        """Each object twice, less surely a pixel farther; and as another class."""
        return tuple(
            Object((one.defect + other) % 2, one.score - less, one.top + shift, one.left, one.values)
            for one in find(image)
            for other, less, shift in ((0, 0.1, 1), (0, 0.0, 0), (1, 0.2, 0))
        )

    found = find_by_tiles(doubling, scene((10, 40, 20, 30), size=size), SMALL)
    assert [(one.defect, one.top) for one in found] == [(0, 10), (1, 10)]


def test_what_a_tile_claims_in_its_margin_alone_is_left_to_its_neighbour() -> None:
    def fooled(image: np.ndarray) -> tuple[Object, ...]:
        """Sees something along the right edge of whatever it is shown."""
        return (Object(0, 0.9, 20, image.shape[1] - 12, np.ones((8, 10), np.float32)),)

    (one,) = find_by_tiles(fooled, scene(size=(100, 256)), SMALL)
    assert one.left == 256 - 12


def test_the_two_halves_of_a_cut_object_differ_and_are_still_one() -> None:
    """What a network says of the rest of an object that its tile cuts is rough."""

    def rough(image: np.ndarray) -> tuple[Object, ...]:
        return tuple(
            Object(o.defect, o.score, o.top, o.left, o.values * (np.arange(o.values.shape[1]) % 7 > 1))
            for o in find(image)
        )

    assert len(find_by_tiles(rough, scene((50, 3, 9, 240)), SMALL)) == 1


def test_a_faint_object_without_a_pixel_of_its_own_is_kept_for_the_maps() -> None:
    def faint(image: np.ndarray) -> tuple[Object, ...]:
        return tuple(Object(o.defect, o.score, o.top, o.left, o.values * np.float32(0.3)) for o in find(image))

    image = scene((10, 124, 8, 8), (150, 20, 8, 8))
    assert facts(find_by_tiles(faint, image, SMALL)) == facts(faint(image))


def test_the_model_never_sees_more_than_a_tile_and_a_small_image_whole() -> None:
    sizes: list[tuple[int, ...]] = []

    def noting(image: np.ndarray) -> tuple[Object, ...]:
        sizes.append(image.shape[:2])
        return find(image)

    find_by_tiles(noting, scene(), SMALL)
    assert len(sizes) == 9 and max(max(size) for size in sizes) <= SMALL.size
    sizes.clear()
    find_by_tiles(noting, scene(size=(160, 31)), SMALL)
    assert sizes == [(160, 31)]


def test_without_the_joining_objects_would_be_listed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_same", lambda *_: False)
    assert len(find_by_tiles(find, scene((100, 100, 40, 40)), SMALL)) > 1
