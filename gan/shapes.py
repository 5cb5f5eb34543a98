"""Shapes of new defects: real masks, moved within what was seen. Sampling draws parameters, drawing applies them."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flawsmith.gan.bank import Bank
from flawsmith.gan.canvas import PAD, ShapeParams, draw_canvas, sample_field
from flawsmith.gan.draft import stirred
from flawsmith.gan.instance import Distance, Instance, Sides
from flawsmith.gan.region import Mask, bounding_box

SMALLEST, LARGEST = 0.7, 1.4  # times the class's smallest and largest area: the range of new areas


@dataclass(frozen=True, eq=False)
class Shape:
    """A mask (h, w) bool without empty margins, the sides on which it meets the part's border, and its parameters."""

    mask: Mask
    touches: Sides
    params: ShapeParams


def sample_shape(bank: Bank, defect: int, rng: np.random.Generator) -> ShapeParams:
    """Draw a new shape of class `defect` (index) near one or two real ones of it."""
    members = bank.members[defect]
    first = bank.sample(defect, rng)
    one = bank.instances[first]
    scale = float(np.exp(rng.uniform(-0.2, 0.2)))
    areas = [bank.instances[i].area for i in members]
    scale = float(np.clip(scale, (SMALLEST * min(areas) / one.area) ** 0.5, (LARGEST * max(areas) / one.area) ** 0.5))
    partners = [i for i in members if _blendable(one, bank.instances[i])]
    partner = int(partners[rng.integers(len(partners))]) if partners else first
    blended = rng.random() < 0.4 and partner != first
    weight = float(rng.uniform(0.2, 0.5))
    longest = max(bounding_box(one.mask).size)
    aligned = bank.aligned[defect]
    turned = _most_turned(bank, one)
    flips = rng.random(2) < 0.5
    return ShapeParams(
        defect=defect,
        first=first,
        second=partner if blended else first,
        weight=weight if blended else 0.0,
        scale=scale,
        stretch=float(np.exp(rng.uniform(-0.15, 0.15))),
        turn=float(rng.uniform(-turned, turned)),
        shear=float(rng.uniform(-0.12, 0.12)) * (turned > 0),
        bend=float(min(rng.uniform(0.01, 0.05) * longest, 6.0)),
        seed=int(rng.integers(2**31)),
        flip_rows=bool(flips[0]) and not aligned[0],
        flip_columns=bool(flips[1]) and not aligned[1],
    )


def flip(shape: Shape, rows: bool, columns: bool) -> Shape:
    """The same shape mirrored upside down and/or left to right."""
    top, right, bottom, left = shape.touches
    if rows:
        top, bottom = bottom, top
    if columns:
        right, left = left, right
    mask = np.ascontiguousarray(shape.mask[:: -1 if rows else 1, :: -1 if columns else 1])
    params = shape.params
    if params.crop is not None:
        raise ValueError("a shape is mirrored before it is cropped")
    params = replace(params, flip_rows=params.flip_rows ^ rows, flip_columns=params.flip_columns ^ columns)
    return Shape(mask, (top, right, bottom, left), params)


def crop(shape: Shape, top: int, left: int, height: int, width: int) -> Shape:
    """What lies of a shape in one window of it; the caller sees to it that this is not empty."""
    row, column = (shape.params.crop or (0, 0))[:2]
    params = replace(shape.params, crop=(row + top, column + left, height, width))
    return Shape(shape.mask[top : top + height, left : left + width], shape.touches, params)


def draw_shape(params: ShapeParams, bank: Bank) -> Shape:
    """The shape that `params` describe; the same mask every time."""
    canvas = draw_canvas(params, bank)
    plain = replace(params, flip_rows=False, flip_columns=False, crop=None)
    shape = Shape(canvas.mask[canvas.box], bank.instances[params.first].touches, plain)
    shape = flip(shape, params.flip_rows, params.flip_columns)
    return shape if params.crop is None else crop(shape, *params.crop)


def source_coordinates(params: ShapeParams, bank: Bank, stir: np.random.Generator | None = None) -> NDArray[np.float32]:
    """Where in the first defect's window each pixel of the shape, and PAD px around it, comes from.

    (2, h + 2 PAD, w + 2 PAD) rows and columns. Pixels keep their depth: the shape's rim comes from the defect's rim.
    With `stir` they are moved about within that.
    """
    canvas = draw_canvas(params, bank)
    rows, columns = canvas.box
    window = slice(rows.start - PAD, rows.stop + PAD), slice(columns.start - PAD, columns.stop + PAD)
    source = canvas.source[:, window[0], window[1]]
    distance = bank.instances[params.first].distance
    if stir is not None:
        depth = float(-canvas.values[canvas.mask].mean())
        source = source + stirred(_slopes(distance, source), int(canvas.mask.sum()), depth, stir)
    own = sample_field(distance.values, distance, source)
    wanted = canvas.values[window] / np.float32(params.scale)
    source = source + (wanted - own) * _slopes(distance, source)
    source = source[:, :: -1 if params.flip_rows else 1, :: -1 if params.flip_columns else 1]
    if params.crop is not None:
        top, left, height, width = params.crop
        source = source[:, top : top + height + 2 * PAD, left : left + width + 2 * PAD]
    return np.ascontiguousarray(source, np.float32)


def _most_turned(bank: Bank, one: Instance) -> float:
    """How far a new defect may be turned from how `one` lies, in radians both ways.

    At the border it would meet another border, and where parts have structure its edges would meet none. A quarter turn
    and both mirrors make all directions.
    """
    if bank.structured and not bank.free[one.defect]:
        return 0.0
    if any(one.touches) or any(bank.aligned[one.defect]):
        return 0.12
    if bank.free[one.defect]:
        return np.pi / 2
    return 0.3 if one.compact else 0.12


def _slopes(distance: Distance, source: NDArray[np.float32]) -> NDArray[np.float32]:
    """The gradient of a distance at the points (2, h, w): (2, h, w)."""
    return np.stack([sample_field(np.asarray(one), distance, source) for one in np.gradient(distance.values)])


def _blendable(one: Instance, other: Instance) -> bool:
    """Two blobs of like size away from the border; cracks would vanish where they do not meet."""
    alike = 0.5 <= one.area / other.area <= 2
    return one is not other and alike and one.compact and other.compact and not any(one.touches + other.touches)
