from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.draw import line, polygon2mask

from flawsmith.data.geometry.contour import inset, rings
from flawsmith.data.geometry.seam import outlines
from flawsmith.data.geometry.shape import Polygon

SIDES = st.tuples(st.integers(1, 12), st.integers(1, 12))
MASKS = arrays(bool, SIDES, elements=st.booleans())
CORNERS = np.ones((3, 3), int)


def filled(shapes: list[np.ndarray], size: tuple[int, ...]) -> np.ndarray:
    """The pixels by their centres, even-odd."""
    return Polygon(tuple(shapes)).patch(*size).full(*size) if shapes else np.zeros(size, bool)


def edge(ring: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """The pixels along a ring that is cut to whole numbers."""
    mask, corners = np.zeros(size, bool), ring.astype(np.int32)
    for one, other in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        mask[line(one[1], one[0], other[1], other[0])] = True
    return mask


def filled_with_edge(ring: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """What cv2.fillPoly does with a ring that is cut to whole numbers: the pixels inside, and those on its edge."""
    return polygon2mask(size, ring.astype(np.int32)[:, ::-1]) | edge(ring, size)


def crossed(mask: np.ndarray) -> np.ndarray:
    """The vertices of the pixels at which opposite ones of the four around belong together."""
    around = np.pad(mask, 1)
    a, b, c, d = around[:-1, :-1], around[:-1, 1:], around[1:, :-1], around[1:, 1:]
    return (a == d) & (b == c) & (a != b)


def test_the_ring_of_one_pixel_is_its_square() -> None:
    (ring,) = rings(np.array([[False, False], [False, True]]))
    assert ring.points.tolist() == [[1, 1], [2, 1], [2, 2], [1, 2]] and ring.outer is None
    assert inset(ring.points).tolist() == [[1.25, 1.25], [1.75, 1.25], [1.75, 1.75], [1.25, 1.75]]


def test_an_empty_mask_has_no_ring() -> None:
    assert rings(np.zeros((3, 4), bool)) == [] and outlines(np.zeros((3, 4), bool)) == []


@given(MASKS)
def test_the_rings_give_the_mask_back_where_they_are_and_inset(mask: np.ndarray) -> None:
    found = rings(mask)
    assert np.array_equal(filled([ring.points for ring in found], mask.shape), mask)
    assert np.array_equal(filled([inset(ring.points) for ring in found], mask.shape), mask)


@given(MASKS)
def test_one_outer_ring_a_piece_and_one_ring_a_hole(mask: np.ndarray) -> None:
    found = rings(mask)
    pieces, count = ndimage.label(mask)
    holes = ndimage.label(np.pad(~mask, 1, constant_values=True), CORNERS)[1] - 1
    assert sum(ring.outer is None for ring in found) == count
    assert sum(ring.outer is not None for ring in found) == holes
    for ring in found:
        owner = ring if ring.outer is None else found[ring.outer]
        along = (pieces[edge(inset(one.points), mask.shape)] for one in (ring, owner))
        assert owner.outer is None and len(set(np.concatenate(list(along)))) == 1  # of one piece, and not off the mask


@given(MASKS)
def test_no_collinear_point_and_the_mask_on_the_right(mask: np.ndarray) -> None:
    for ring in rings(mask):
        way = np.roll(ring.points, -1, axis=0) - ring.points
        assert ((way != 0).sum(1) == 1).all() and ((way * np.roll(way, 1, axis=0)).sum(1) == 0).all()
        x, y = ring.points.T
        area = (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2
        assert (area > 0) == (ring.outer is None)


@given(MASKS)
def test_an_inset_ring_touches_neither_itself_nor_others(mask: np.ndarray) -> None:
    places = [tuple(point) for ring in rings(mask) for point in inset(ring.points)]
    assert len(set(places)) == len(places)
    corners = crossed(mask)
    assert sum(len(ring.points) for ring in rings(mask)) - corners.sum() == len(
        {tuple(point) for ring in rings(mask) for point in ring.points}
    )


@given(MASKS)
def test_the_outlines_are_the_mask_for_both_ways_of_filling(mask: np.ndarray) -> None:
    found = outlines(mask)
    assert len(found) == ndimage.label(mask, CORNERS)[1]
    parts = [filled([ring], mask.shape) for ring in found]
    assert np.array_equal(np.sum(parts, axis=0) if parts else np.zeros(mask.shape), mask)  # none twice
    for ring, part in zip(found, parts, strict=True):
        assert np.array_equal(filled_with_edge(ring, mask.shape), part)


@given(MASKS)
def test_one_bridged_outline_is_the_mask(mask: np.ndarray) -> None:
    found = outlines(mask, bridged=True)
    assert len(found) == mask.any()
    assert np.array_equal(filled(found, mask.shape), mask)
    for ring in found:
        assert (filled_with_edge(ring, mask.shape) >= mask).all()


@given(MASKS, st.sampled_from([(61, 47), (1000, 1000), (99_999, 70_001)]))
def test_an_outline_survives_six_decimals(mask: np.ndarray, size: tuple[int, int]) -> None:
    for ring in outlines(mask):
        again = np.round(ring / size, 6) * size
        assert np.array_equal(filled([again], mask.shape), filled([ring], mask.shape))
        assert np.array_equal(again.astype(np.int32), ring.astype(np.int32))


def maze(size: int) -> np.ndarray:
    """Smooth noise: many pieces, some with holes, as untidy as real masks get."""
    return ndimage.gaussian_filter(np.random.default_rng(3).normal(size=(size, size)), 4) > 0


@pytest.mark.parametrize("draw", [rings, outlines, lambda mask: outlines(mask, True)], ids=["rings", "outlines", "one"])
def test_a_large_mask_is_drawn_exactly(draw: Callable[[np.ndarray], list]) -> None:
    mask = maze(600)
    found = [getattr(ring, "points", ring) for ring in draw(mask)]
    assert np.array_equal(filled(found, mask.shape), mask)


@settings(max_examples=20)
@given(MASKS)
def test_holes_follow_their_outer_ring(mask: np.ndarray) -> None:
    for number, ring in enumerate(rings(mask)):
        assert ring.outer is None or ring.outer < number
