"""Drawing a shape: a real mask's signed distance, moved by an affine and an elastic map, cut at the right level."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from flawsmith.gan.bank import Bank
from flawsmith.gan.instance import Distance, Instance
from flawsmith.gan.region import EIGHT, Mask, bounding_box

Field = NDArray[np.float32]

PAD = 6  # px around a drawn mask for which coordinates are known too: room for feathering
KNOTS = 4  # control points a side of the elastic displacement


@dataclass(frozen=True)
class ShapeParams:
    """Everything that makes a shape, given a bank; plain numbers, so that they can be written down and drawn again."""

    defect: int
    first: int  # index of the real defect
    second: int  # another one to blend with; the same: none
    weight: float  # of the second, 0 to 0.5
    scale: float
    stretch: float  # height over width, changed by this factor
    turn: float  # radians
    shear: float
    bend: float  # px, standard deviation of the elastic displacement
    seed: int  # of the elastic displacement
    flip_rows: bool  # mirrored upside down, last
    flip_columns: bool
    crop: tuple[int, int, int, int] | None = None  # top, left, height, width of what is kept of the drawn mask

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "ShapeParams":
        """The inverse of dataclasses.asdict after a trip through JSON."""
        crop = values.get("crop")
        return cls(**{**values, "crop": None if crop is None else tuple(crop)})


@dataclass(frozen=True, eq=False)
class Canvas:
    """A drawn shape, PAD px around it or more: signed distance, mask, coordinates in the source, the mask's box."""

    values: Field
    mask: Mask
    source: Field
    box: tuple[slice, slice]


def draw_canvas(params: ShapeParams, bank: Bank) -> Canvas:
    """Draws a shape before it is mirrored and cropped."""
    one, other = bank.instances[params.first], bank.instances[params.second]
    matrix = _matrix(params)
    size, centre, cuts = _frame(one, matrix, params.bend)
    grid = np.indices(size, dtype=np.float32) - centre[:, None, None]
    grid += _bend(params, size)
    back = np.linalg.inv(matrix).astype(np.float32)
    source = np.tensordot(back, grid, 1) + _middle(one)[:, None, None]
    values = sample_field(one.distance.values, one.distance, source) * np.float32(params.scale)
    if params.weight > 0:
        ratio = np.float32((other.area / one.area) ** 0.5)
        second = np.tensordot(back * ratio, grid, 1) + _middle(other)[:, None, None]
        second_values = sample_field(other.distance.values, other.distance, second) * np.float32(params.scale) / ratio
        values = (1 - np.float32(params.weight)) * values + np.float32(params.weight) * second_values
    level, mask = _level(values, cuts, one.area * params.scale**2, one.pieces)
    return Canvas(values - level, mask, source, bounding_box(mask).slices)


def _matrix(params: ShapeParams) -> NDArray[np.float64]:
    """Shape ← source, (row, column)."""
    cos, sin = np.cos(params.turn), np.sin(params.turn)
    turn = np.array([[cos, -sin], [sin, cos]])
    stretch = np.diag([params.stretch**0.5, params.stretch**-0.5])
    matrix: NDArray[np.float64] = params.scale * turn @ np.array([[1, 0], [params.shear, 1]]) @ stretch
    return matrix


def _middle(one: Instance) -> Field:
    """The centre of the mask's box in its window (row, column)."""
    box = bounding_box(one.mask)
    return np.array([(box.top + box.bottom - 1) / 2, (box.left + box.right - 1) / 2], np.float32)


def _frame(
    one: Instance, matrix: NDArray[np.float64], bend: float
) -> tuple[tuple[int, int], Field, tuple[slice, slice]]:
    """The canvas: its size, where the source's middle lies on it, and the window inside the touched borders.

    The border runs where the middle of the contact with it is carried to.
    """
    box = bounding_box(one.mask)
    half = np.array(box.size) / 2
    corners = matrix @ (np.array([[-1, -1, 1, 1], [-1, 1, -1, 1]]) * half[:, None])
    pad = PAD + 2 + int(np.ceil(3 * bend))
    reach = np.ceil(corners.max(1)).astype(int) + pad
    size = (2 * int(reach[0]) + 1, 2 * int(reach[1]) + 1)
    centre = reach - 0.5 * (half % 1 == 0)  # the middle of an even number of pixels lies between two
    mask = one.mask[box.slices]
    low, high = [PAD, PAD], [size[0] - PAD, size[1] - PAD]
    contacts = ((0, -1, mask[0]), (1, 1, mask[:, -1]), (0, 1, mask[-1]), (1, -1, mask[:, 0]))
    for touched, (axis, sign, line) in zip(one.touches, contacts, strict=True):
        if not touched:
            continue
        point = np.zeros(2)
        point[axis] = sign * half[axis]
        point[1 - axis] = np.flatnonzero(line).mean() + 0.5 - half[1 - axis]
        at = int(np.round((matrix @ point)[axis] + centre[axis] + 0.5))
        if sign < 0:
            low[axis] = max(at, PAD)
        else:
            high[axis] = min(at, size[axis] - PAD)
    return size, centre.astype(np.float32), (slice(low[0], high[0]), slice(low[1], high[1]))


def _bend(params: ShapeParams, size: tuple[int, int]) -> Field:
    """A smooth random displacement (2, h, w) in px: cubic B-splines on KNOTS² points (Rueckert et al. 1999)."""
    random = np.random.default_rng(params.seed)
    points = random.standard_normal((2, KNOTS + 3, KNOTS + 3)).astype(np.float32) * np.float32(1.6 * params.bend)
    rows, columns = _splines(size[0]), _splines(size[1])
    return np.asarray(rows @ points @ columns.T, np.float32)


@lru_cache(maxsize=256)
def _splines(length: int) -> Field:
    """Cubic B-spline weights (length, KNOTS + 3) of control points that span `length` px."""
    place = np.linspace(0, KNOTS - 1e-6, length)
    first = place.astype(int)
    t = place - first
    parts = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], 1) / 6
    weights = np.zeros((length, KNOTS + 3), np.float32)
    for k in range(4):
        weights[np.arange(length), first + k] = parts[:, k]
    weights.flags.writeable = False  # kept for the next shape
    return weights


def sample_field(values: Field, distance: Distance, source: Field) -> Field:
    """`values`, laid out as `distance`, at window coordinates (2, h, w), linear between pixels."""
    origin = np.array([distance.row, distance.column], np.float32)[:, None, None]
    return np.asarray(ndimage.map_coordinates(values, source - origin, order=1, mode="nearest"), np.float32)


def _level(values: Field, cuts: tuple[slice, slice], area: float, pieces: int) -> tuple[np.float32, Mask]:
    """The level of `values` below which the mask has the wanted area: small and thin masks neither fade nor swell.

    The area is raised by up to 40 % while the mask is in more pieces than the real one was.
    """
    inside = values[cuts].ravel()
    mask = np.zeros(values.shape, bool)
    level = np.float32(0)
    for factor in (1.0, 1.1, 1.2, 1.3, 1.4):
        count = int(np.clip(round(factor * area), 1, inside.size))
        level = np.float32(np.partition(inside, count - 1)[count - 1])
        mask[cuts] = values[cuts] <= level
        if ndimage.label(mask[bounding_box(mask).slices], EIGHT)[1] <= pieces:
            break
    return level, mask
