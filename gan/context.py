"""Where such defects occur: what the surroundings of real ones look like, and which places on a part resemble them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from flawsmith.data.geometry.box import Box
from flawsmith.gan.foreground import SIDE as REDUCED
from flawsmith.gan.foreground import Edges, Foreground, all_of, foreground_of
from flawsmith.gan.region import Mask, brightness, reduced

Features = NDArray[np.float64]  # (n, 6)

AROUND = 4  # px around a defect's box that count as its surroundings
# Least kernel widths, of row, column, way to the border (in image lengths), then brightness, texture and unevenness (in
# the part's own units): they keep a few look-alike defects from pinning all new ones to one spot.
LEAST = np.array([0.02, 0.02, 0.02, 0.25, 0.2, 0.2])
FEW = np.array([0.25, 0.25, 0.1, 0.5, 0.5, 0.5])  # added to them, divided by the number of defects seen
INNER = 0.2  # of the image's shorter side: farther from the border, the way to it does not matter
SIDE = 128  # blocks along the shorter side, in which a part is looked at; finer ones would only cost time
SUMMED = 64  # blocks along the shorter side that are summed up
TINY = 1e-3  # about a quarter of a grey level: the noise floor of the logarithms
BAND = 1 << 15  # px looked at together: what is made of them stays in the processor's cache


@dataclass(frozen=True, eq=False)
class Sums:
    """Integral images over blocks of `step` px."""

    looks: NDArray[np.float64]  # (3, h + 1, w + 1): brightness, its square and the gradient
    allowed: NDArray[np.float64] | None  # (h + 1, w + 1): the share where defects may lie; None: all of it
    step: int

    def means(self, kinds: NDArray[np.float64], boxes: NDArray[np.int64]) -> NDArray[np.float64]:
        """The means (…, n) of sums (…, h + 1, w + 1) over boxes (n, 4) of top, left, bottom, right.

        To the nearest whole block.
        """
        height, width = kinds.shape[-2] - 1, kinds.shape[-1] - 1
        near = (boxes + self.step // 2) // self.step
        top, left = near[:, 0].clip(0, height - 1), near[:, 1].clip(0, width - 1)
        bottom, right = np.clip(near[:, 2], top + 1, height), np.clip(near[:, 3], left + 1, width)
        total = kinds[..., bottom, right] - kinds[..., top, right] - kinds[..., bottom, left] + kinds[..., top, left]
        return np.asarray(total / ((bottom - top) * (right - left)))


@dataclass(frozen=True, eq=False)
class Survey:
    """A clean part, looked at once: where defects may lie, sums over boxes, overall figures. No copy of its pixels."""

    ground: Foreground
    roi: Mask | None  # (H, W): the region of interest, where one is given
    sums: Sums
    mean: float
    deviation: float
    slope: float

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.ground.size

    @property
    def edges(self) -> Edges:
        """How far the part lies from the image's borders."""
        return self.ground.edges

    def allowed_in(self, top: int, left: int, height: int, width: int) -> Mask:
        """Where defects may lie in a window (height, width) of the image: on the part, in the region of interest."""
        part = self.ground.window(top, left, height, width)
        return part if self.roi is None else part & self.roi[top : top + height, left : left + width]

    @cached_property
    def room(self) -> Box | None:
        """The box around all places where defects may lie; None where there is none."""
        if self.roi is None or self.ground.room is None:
            return self.ground.room
        height, width = self.size
        rows, columns = np.zeros(height, bool), np.zeros(width, bool)
        for start, stop in _bands(height, width, 1):
            allowed = self.allowed_in(start, 0, stop - start, width)
            rows[start:stop] = allowed.any(1)
            columns |= allowed.any(0)
        if not rows.any():
            return None
        (top, bottom), (left, right) = (np.flatnonzero(one)[[0, -1]].tolist() for one in (rows, columns))
        return Box(top, left, bottom + 1, right + 1)

    def share_allowed(self, boxes: NDArray[np.int64]) -> NDArray[np.float64]:
        """The share (n,) of each box (n, 4) where defects may lie, to the nearest whole block."""
        return np.ones(len(boxes)) if self.sums.allowed is None else self.sums.means(self.sums.allowed, boxes)

    def features(self, boxes: NDArray[np.int64]) -> Features:
        """What defects in `boxes` (n, 4) would see around them: (n, 6), in the order of LEAST."""
        grey, square, slope = self.sums.means(self.sums.looks, boxes + np.array([-AROUND, -AROUND, AROUND, AROUND]))
        spread = np.sqrt(np.maximum(square - grey**2, 0))
        height, width = self.size
        away = np.minimum(boxes[:, :2].min(1), (np.array([height, width]) - boxes[:, 2:]).min(1)) / min(height, width)
        return np.stack(
            [
                (boxes[:, 0] + boxes[:, 2]) / (2 * height),
                (boxes[:, 1] + boxes[:, 3]) / (2 * width),
                away.clip(0, INNER),
                (grey - self.mean) / (self.deviation + TINY),
                np.log((slope + TINY) / (self.slope + TINY)),
                np.log((spread + TINY) / (self.deviation + TINY)),
            ],
            axis=1,
        )


def survey(pixels: NDArray[Any], roi: Mask | None = None, whole: bool = False) -> Survey:
    """Looks at a clean part (H, W, C), uint8, uint16 or float32 in [0, 1]; `roi` (H, W) limits where defects may lie.

    `whole`: all of the image is part, as where real defects lie beside what looks like one. Colours count alike, the
    alpha channel does not. The pixels are read in bands and not kept.
    """
    height, width = pixels.shape[:2]
    step = max(1, min(height, width) // SIDE)
    blocks = _looks(pixels, step)
    times = max(1, min(round(max(height, width) / REDUCED / step), *blocks.shape[1:]))
    size = height, width
    ground = all_of(size) if whole else foreground_of(reduced(blocks[0], times), times * step, size)
    on = None if ground.whole else _part(ground, step, blocks.shape[1:])
    allowed = on if roi is None else _allowed(ground, roi, step, blocks.shape[1:])
    coarser = max(1, min(blocks.shape[1:]) // SUMMED)
    mean, square, slope = (float(one.mean() if on is None else (one * on).sum() / max(on.sum(), 1)) for one in blocks)
    looks = _integral(np.stack([reduced(one, coarser) for one in blocks]))
    sums = Sums(looks, None if allowed is None else _integral(reduced(allowed, coarser)), coarser * step)
    return Survey(ground, roi, sums, mean, max(square - mean**2, 0.0) ** 0.5, slope)


def _looks(pixels: NDArray[Any], step: int) -> NDArray[np.float32]:
    """Brightness, its square and the gradient, (3, h, w), as means over blocks of `step` px of (H, W, C)."""
    height, width = (length // step for length in pixels.shape[:2])
    blocks = np.empty((3, height, width), np.float32)
    for start, stop in _bands(height * step, pixels.shape[1], step):
        grey = brightness(pixels[start : stop + 1])
        own = grey[: stop - start]
        slope = np.zeros_like(own)
        down = slope[: len(grey) - 1]
        np.abs(np.subtract(grey[1:], grey[:-1], out=down), out=down)
        across = own[:, 1:] - own[:, :-1]
        slope[:, :-1] += np.abs(across, out=across)
        for block, values in zip(blocks, (own, own * own, slope), strict=True):
            block[start // step : stop // step] = reduced(values, step)
    return blocks


def _part(ground: Foreground, step: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The share of the part in blocks (h, w) of `step` px, of which those of the foreground are a multiple."""
    height, width = shape
    blocks = Foreground(ground.blocks, ground.step // step, (height, width)).window(0, 0, height, width)
    return blocks.astype(np.float32)


def _allowed(ground: Foreground, roi: Mask, step: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The share of blocks (h, w) of `step` px where defects may lie."""
    blocks, width = np.empty(shape, np.float32), roi.shape[1]
    for start, stop in _bands(shape[0] * step, width, step):
        allowed = ground.window(start, 0, stop - start, width) & roi[start:stop]
        blocks[start // step : stop // step] = reduced(allowed.astype(np.float32), step)
    return blocks


def _bands(height: int, width: int, step: int) -> Iterator[tuple[int, int]]:
    """First and last row (excluded) of bands of about BAND px, multiples of `step` rows high."""
    rows = max(1, BAND // (width * step)) * step
    return ((start, min(start + rows, height)) for start in range(0, height, rows))


def _integral(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """The sums (…, h + 1, w + 1) of all that lies above and to the left."""
    total = np.zeros((*values.shape[:-2], values.shape[-2] + 1, values.shape[-1] + 1))
    inside = total[..., 1:, 1:]
    np.cumsum(values, -1, out=inside)
    np.cumsum(inside, -2, out=inside)
    return total


@dataclass(frozen=True, eq=False)
class Likeness:
    """Surroundings seen (m, 6), made ready to weigh places: whitened by a kernel as oblong as their cloud is.

    So a slanted band of them stays a band (Scott's rule).
    """

    points: Features
    whiten: NDArray[np.float64]  # (6, 6)

    @classmethod
    def of(cls, seen: Features) -> "Likeness":
        """Of the surroundings (m, 6), of which there may be none."""
        count, axes = seen.shape
        if count == 0:
            return cls(seen, np.eye(axes))
        spread = np.atleast_2d(np.cov(seen, rowvar=False, bias=True)) * count ** (-2 / (axes + 4))
        kernel = np.linalg.cholesky(spread + np.diag((LEAST + FEW / count) ** 2))
        whiten = solve_triangular(kernel, np.eye(axes), lower=True).T
        return cls(seen @ whiten, whiten)

    def weights(self, places: Features) -> NDArray[np.float64]:
        """For each of `places` (n, 6), drawn evenly, the weight (n,) that makes chosen ones spread as those seen.

        The ratio of two kernel densities with the same kernel: that of real defects over that of the places offered.
        """
        if not len(self.points):
            return np.full(len(places), 1 / len(places))
        whitened = places @ self.whiten
        weight = _density(whitened, self.points) / _density(whitened, whitened)
        return np.asarray(weight / weight.sum())


def _density(at: Features, points: Features) -> NDArray[np.float64]:
    apart = (at * at).sum(1)[:, None] + (points * points).sum(1) - 2 * at @ points.T
    return np.asarray(np.exp(-0.5 * apart.clip(0, 80)).mean(1))
