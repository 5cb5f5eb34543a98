"""Where such defects occur: what the surroundings of real ones look like, and which places on a part resemble them."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flawsmith.gan.foreground import foreground_of
from flawsmith.gan.region import Box, Mask, Pixels, bounding_box, brightness, reduced

Features = NDArray[np.float64]  # (n, 6)

AROUND = 4  # px around a defect's box that count as its surroundings
# Least kernel widths, of row, column, way to the border (in image lengths), then brightness, texture and unevenness (in
# the part's own units): they keep a few look-alike defects from pinning all new ones to one spot.
LEAST = np.array([0.02, 0.02, 0.02, 0.25, 0.2, 0.2])
FEW = np.array([0.25, 0.25, 0.1, 0.5, 0.5, 0.5])  # added to them, divided by the number of defects seen
INNER = 0.2  # of the image's shorter side: farther from the border, the way to it does not matter
SIDE = 128  # px: the shorter side of what is summed up; finer blocks would only cost time
TINY = 1e-3  # about a quarter of a grey level: the noise floor of the logarithms


class Sums(NamedTuple):
    """Integral images of brightness, its square, the gradient and the places allowed, over blocks of `step` px."""

    grey: NDArray[np.float64]
    square: NDArray[np.float64]
    slope: NDArray[np.float64]
    allowed: NDArray[np.float64]
    step: int


@dataclass(frozen=True, eq=False)
class Survey:
    """A clean part, looked at once: its pixels, those where defects may lie, sums over boxes, overall figures."""

    part: Mask  # (H, W)
    allowed: Mask  # (H, W): on the part, and in the region of interest where one is given
    sums: Sums
    mean: float
    deviation: float
    slope: float

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.part.shape[0], self.part.shape[1]

    @cached_property
    def room(self) -> Box:
        """The box around all places where defects may lie; there must be some."""
        return bounding_box(self.allowed)

    def boxes(self, kind: NDArray[np.float64], boxes: NDArray[np.int64]) -> NDArray[np.float64]:
        """The mean of one of the sums over each box (n, 4) of top, left, bottom, right, to the nearest whole block."""
        height, width = kind.shape[0] - 1, kind.shape[1] - 1
        near = (boxes + self.sums.step // 2) // self.sums.step
        top, left = near[:, 0].clip(0, height - 1), near[:, 1].clip(0, width - 1)
        bottom, right = near[:, 2].clip(top + 1, height), near[:, 3].clip(left + 1, width)
        total = kind[bottom, right] - kind[top, right] - kind[bottom, left] + kind[top, left]
        return np.asarray(total / ((bottom - top) * (right - left)))

    def features(self, boxes: NDArray[np.int64]) -> Features:
        """What defects in `boxes` (n, 4) would see around them: (n, 6), in the order of LEAST."""
        wide = boxes + np.array([-AROUND, -AROUND, AROUND, AROUND])
        grey = self.boxes(self.sums.grey, wide)
        spread = np.sqrt(np.maximum(self.boxes(self.sums.square, wide) - grey**2, 0))
        slope = self.boxes(self.sums.slope, wide)
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


def survey(clean: Pixels, roi: Mask | None = None) -> Survey:
    """Looks at a clean part (H, W, C); `roi` (H, W) limits where defects may lie."""
    grey = brightness(clean)
    part = foreground_of(grey)
    allowed = part if roi is None else part & roi
    slope = np.zeros_like(grey)
    slope[:-1] = np.abs(np.diff(grey, axis=0))
    slope[:, :-1] += np.abs(np.diff(grey, axis=1))
    step = max(1, min(grey.shape) // SIDE)
    blocks = [reduced(values, step) for values in (grey, grey * grey, slope, allowed.astype(np.float32))]
    on = reduced(part.astype(np.float32), step)
    mean, square, mean_slope = (float((block * on).sum() / max(on.sum(), 1)) for block in blocks[:3])
    grey_sum, square_sum, slope_sum, allowed_sum = (_integral(block) for block in blocks)
    sums = Sums(grey_sum, square_sum, slope_sum, allowed_sum, step)
    return Survey(part, allowed, sums, mean, max(square - mean**2, 0.0) ** 0.5, mean_slope)


def likeness(places: Features, seen: Features) -> NDArray[np.float64]:
    """For each of `places` (n, 6), drawn evenly, the weight (n,) that makes chosen ones spread as those `seen` (m, 6).

    The ratio of two kernel densities with the same kernel: that of real defects over that of the places offered. The
    kernel is as oblong as the cloud of real defects is, so that a slanted band of them stays a band (Scott's rule).
    """
    count, axes = seen.shape
    if count == 0:
        return np.full(len(places), 1 / len(places))
    spread = np.atleast_2d(np.cov(seen, rowvar=False, bias=True)) * count ** (-2 / (axes + 4))
    kernel = np.linalg.cholesky(spread + np.diag((LEAST + FEW / count) ** 2))
    whitened, points = (np.asarray(np.linalg.solve(kernel, cloud.T).T, float) for cloud in (places, seen))
    weight = _density(whitened, points) / _density(whitened, whitened)
    return np.asarray(weight / weight.sum())


def _density(at: Features, points: Features) -> NDArray[np.float64]:
    apart = (at * at).sum(1)[:, None] + (points * points).sum(1) - 2 * at @ points.T
    return np.asarray(np.exp(-0.5 * apart.clip(0, 80)).mean(1))


def _integral(values: NDArray[np.float32]) -> NDArray[np.float64]:
    total = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    total[1:, 1:] = values.astype(np.float64).cumsum(1).cumsum(0)
    return total
