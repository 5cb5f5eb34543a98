"""One geometry: a pixel belongs to a shape if its centre lies inside, whatever the tool that drew it."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays
from hypothesis.strategies import booleans, floats, integers, lists, tuples
from pycocotools import mask as rle
from skimage.measure import points_in_poly

from flawsmith.data.geometry.patch import Patch
from flawsmith.data.geometry.runs import Runs, coco_counts, coco_runs, lengths, row_runs
from flawsmith.data.geometry.shape import (
    MOST_POINTS,
    BadShape,
    Ellipse,
    Line,
    Polygon,
    Shape,
    Union,
    box,
    number,
    points,
    polygon,
    sticks_out,
    turned,
)

SIDE = 32
coordinates = floats(-10, 42).map(lambda value: round(value, 3))
spots = tuples(coordinates, coordinates).map(lambda one: (one[0] + 1 / 7919, one[1] + 1 / 6007))  # no centre on an edge
rings = lists(spots, min_size=3, max_size=9)
masks = arrays(bool, tuples(integers(1, 12), integers(1, 12)), elements=booleans())
CENTRES = np.stack(np.meshgrid(np.arange(SIDE) + 0.5, np.arange(SIDE) + 0.5), -1).reshape(-1, 2)


def full(shape: Shape) -> np.ndarray:
    """The shape's mask (SIDE, SIDE)."""
    return shape.patch(SIDE, SIDE).full(SIDE, SIDE)


@given(rings)
def test_a_polygon_has_the_pixels_whose_centres_lie_inside(ring: list[tuple[float, float]]) -> None:
    inside = points_in_poly(CENTRES, ring).reshape(SIDE, SIDE)
    assert (full(polygon([ring])) == inside).all()


@given(rings, rings)
def test_a_ring_within_a_ring_is_a_hole(one: list[tuple[float, float]], other: list[tuple[float, float]]) -> None:
    assert (full(polygon([one, other])) == full(polygon([one])) ^ full(polygon([other]))).all()


@given(integers(0, 20), integers(0, 20), integers(0, 11), integers(0, 11))
def test_a_square_of_ten_is_a_hundred_pixels_wherever_it_lies(x: int, y: int, dx: int, dy: int) -> None:
    assert full(box(x + dx / 12, y + dy / 12, 10, 10)).sum() == 100


@given(floats(0, SIDE, exclude_min=True, exclude_max=True), floats(0, SIDE, exclude_min=True, exclude_max=True))
def test_shapes_that_share_an_edge_share_no_pixel_and_leave_none_out(x: float, y: float) -> None:
    corners = [(0, 0), (SIDE, 0), (SIDE, SIDE), (0, SIDE)]
    parts = [
        full(polygon([[(x, y), one, other]])) for one, other in zip(corners, corners[1:] + corners[:1], strict=True)
    ]
    assert (np.sum(parts, axis=0) == 1).all()


def test_areas_are_right_in_the_mean() -> None:
    random = np.random.default_rng(0)
    pixels = area = 0.0
    for _ in range(400):
        angles = np.sort(random.uniform(0, 2 * np.pi, random.integers(4, 16)))
        ring = (
            random.uniform(12, 20, 2) + random.uniform(3, 9, (len(angles), 1)) * np.c_[np.cos(angles), np.sin(angles)]
        )
        pixels += full(Polygon((ring,))).sum()
        area += Polygon((ring,)).area
    assert abs(pixels / area - 1) < 0.01


def test_ellipses_and_turned_boxes_have_their_area() -> None:
    random = np.random.default_rng(1)
    for make, area in (
        (lambda x, y, a: Ellipse(x, y, 6, 3, a), math.pi * 18),
        (lambda x, y, a: turned(box(x - 5, y - 3, 10, 6), a), 60.0),
        (lambda x, y, a: Line(np.array([(x, y), (x + 4, y + 3)]), 3.0), 5 * 3 + math.pi * 1.5**2),
    ):
        found = [full(make(*random.uniform(12, 20, 2), random.uniform(0, 6))).sum() for _ in range(200)]
        assert abs(np.mean(found) / area - 1) < 0.02


def test_turning_is_clockwise_on_the_screen() -> None:
    upright = turned(box(10, 14, 12, 4), math.pi / 2)
    np.testing.assert_allclose(upright.reach, (14, 10, 18, 22), atol=1e-9)
    falling = full(turned(box(4, 15, 24, 2), math.pi / 4))
    assert falling[9, 9] and falling[23, 23] and not falling[23, 9]
    ellipse = full(Ellipse(16, 16, 12, 2, math.pi / 4))
    assert ellipse[9, 9] and ellipse[23, 23] and not ellipse[23, 9]
    corner = turned(box(10, 10, 8, 4), math.pi / 2, about=(10, 10))
    np.testing.assert_allclose(corner.reach, (6, 10, 10, 18), atol=1e-9)


@given(masks, integers(-5, 30), integers(-5, 30))
def test_a_patch_is_the_box_of_its_pixels(mask: np.ndarray, top: int, left: int) -> None:
    patch = Patch.of(mask, top, left)
    assert patch.area == mask.sum()
    whole = np.pad(mask, ((top + 5, SIDE + 5), (left + 5, SIDE + 5)))[5 : 5 + SIDE, 5 : 5 + SIDE]
    assert (patch.full(SIDE, SIDE) == whole).all()
    if mask.any():
        assert patch.mask.any(1)[[0, -1]].all() and patch.mask.any(0)[[0, -1]].all()


@given(masks)
def test_coco_runs_are_those_of_pycocotools(mask: np.ndarray) -> None:
    height, width = mask.shape
    packed = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
    runs = coco_runs([height, width], packed["counts"].decode())
    assert (runs.patch(height, width).full(height, width) == mask).all()
    assert coco_counts(mask).encode() == packed["counts"]
    plain = coco_runs([height, width], runs.counts.tolist())
    assert (plain.patch(height, width).full(height, width) == mask).all()


@given(masks, integers(-4, 28), integers(-4, 28))
def test_row_runs_lie_in_their_box(mask: np.ndarray, left: int, top: int) -> None:
    height, width = mask.shape
    runs = Runs(row_runs(mask), left, top, width, height, columns=False)
    assert (full(runs) == Patch.of(mask, top, left).full(SIDE, SIDE)).all()


def test_runs_of_a_large_image_take_the_memory_of_their_object_alone() -> None:
    runs = coco_runs([20_000, 20_000], [20_000 * 15_000 + 7, 5, 20_000 * 5_000 - 12])
    patch = runs.patch(20_000, 20_000)
    assert (patch.left, patch.top, patch.mask.shape) == (15_000, 7, (5, 1))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: points([[0, 0], [1, float("nan")], [1, 1]]), "not finite"),
        (lambda: points([0, 0, float("inf"), 1, 1, 1]), "not finite"),
        (lambda: points([[0, 0], [1e9, 1], [1, 1]]), "beyond"),
        (lambda: points([[0, 0], [10**400, 1], [1, 1]]), "no numbers"),
        (lambda: points([[0, 0], ["x", 1], [1, 1]]), "no numbers"),
        (lambda: points([[0, 0], [1, 1, 1], [1, 1]]), "no numbers"),
        (lambda: points([0, 1, 2]), "no pairs"),
        (lambda: points([[0, 0], [1, 1]]), "needs 3"),
        (lambda: points(np.zeros((MOST_POINTS + 1, 2))), "more than"),
        (lambda: polygon([]), "no points"),
        (lambda: polygon([[(i, (i % 2) * 1e5) for i in range(60)]]), "up and down"),
        (lambda: box(0, 0, -1, 4), "width of -1"),
        (lambda: number("NaN", "radius"), "radius of nan"),
        (lambda: Ellipse(0, 0, -1, 2), "radius of -1"),
        (lambda: Line(points([(0, 0), (1, 9e5), (2, 0)], least=2), 500.0), "px wide"),
        (lambda: Union(()), "no parts"),
        (lambda: coco_runs([2, 2], [1, 2]), "3 px in all"),
        (lambda: coco_runs([2, 2], [5, -1]), "negative"),
        (lambda: coco_runs([2, 2], [1.5, 2.5]), "whole numbers"),
        (lambda: coco_runs([10**6, 10**6], [10**12]), "longer than"),
        (lambda: coco_runs([10**6, 10**6], "0"), "impossible size"),
        (lambda: coco_runs("22", "0"), "size"),
        (lambda: coco_runs([2, 2], "\x7f"), "characters"),
        (lambda: coco_runs([2, 2], "PPPPPPPPPPPPPP0"), "longer than"),
        (lambda: coco_runs([2, 2], "P"), "cut off"),
        (lambda: coco_runs([2, 2], None), "neither"),
        (lambda: lengths([None]), "no whole numbers"),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], object], why: str) -> None:
    with pytest.raises(BadShape, match=why):
        make()


def test_what_sticks_out_is_measured_and_cut() -> None:
    shape = box(-3, 4, 10, 10)
    assert sticks_out(shape, SIDE, SIDE) == 3 and full(shape).sum() == 70
    assert sticks_out(box(28, 0, 5.5, 5), SIDE, SIDE) == 1.5
    assert full(box(100, 100, 5, 5)).sum() == 0
