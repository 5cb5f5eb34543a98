"""Taking a defect away: the same place as it would look on a good part, with real texture and no halo."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from flawsmith.data.geometry.box import Box
from flawsmith.gan.blend import poisson
from flawsmith.gan.region import Mask, Pixels, bounding_box, fragments, grow

HALO = 4.0  # px around the mask that are replaced too: shadows and soft rims of the defect
RING = 10  # px around the replaced region in which a donor has to agree
REACH = 256  # px around the same relative place in which donors are searched: bounds the cost on large images
BEST = 6  # places of each donor that are compared in detail
FRAGMENT_GAP = 8.0  # px: closer pieces are healed together


@dataclass(frozen=True)
class Gap:
    """The pixels to replace, in a window around them, and the ring whose look a donor has to share."""

    box: Box
    window: Pixels  # (h, w, C)
    region: Mask  # (h, w) to replace
    ring: Mask  # (h, w) known pixels around it
    sides: tuple[bool, bool, bool, bool]  # the region meets the image's top, right, bottom, left border


@dataclass(frozen=True)
class Candidate:
    """A window of a donor and how badly it fits (0: exactly)."""

    pixels: Pixels
    misfit: float


def heal(image: Pixels, mask: Mask, donors: Sequence[Pixels], rng: np.random.Generator) -> Pixels:
    """`image` (H, W, C) float32 without the defects in `mask` (H, W); pixels over 4 px away from them are unchanged.

    Each defect is replaced by the window of a donor (good parts, and the image itself elsewhere) that best fits the
    pixels around it, joined by exact Poisson blending. Where none fits in size: a membrane with the ring's noise.
    """
    healed = image.copy()
    taken = grow(mask, HALO)
    for part in fragments(mask, FRAGMENT_GAP):
        gap = _gap(healed, part, taken)
        found = [*_search(gap, healed, taken), *(one for donor in donors for one in _search(gap, donor, None))]
        patch = min(found, key=lambda one: one.misfit).pixels if found else _noise(gap, rng)
        healed[gap.box.slices] = np.clip(poisson(patch, gap.window, gap.region), 0, 1)
        taken = taken & ~grow(part, HALO)
    return healed


def _gap(image: Pixels, part: Mask, taken: Mask) -> Gap:
    region = grow(part, HALO)
    box = bounding_box(region, RING)
    window = box.slices
    near = grow(region[window], RING)
    sides = (region[0].any(), region[:, -1].any(), region[-1].any(), region[:, 0].any())
    ring = near & ~taken[window] & ~region[window]
    top, right, bottom, left = (bool(side) for side in sides)
    return Gap(box, image[window].copy(), region[window], ring, (top, right, bottom, left))


def _search(gap: Gap, donor: Pixels, taken: Mask | None) -> Iterator[Candidate]:
    """The places of `donor` (H, W, C) that fit best; none may overlap `taken` (H, W), the defects of the donor."""
    height, width = gap.region.shape
    if donor.shape[0] < height or donor.shape[1] < width or not gap.ring.any():
        return
    area = _area(gap, donor.shape[:2])
    donor = donor[area.slices]
    misfit = _misfit(gap, donor)
    if taken is not None:
        blocked = _correlate(taken[area.slices].astype(np.float32), (gap.region | gap.ring).astype(np.float32))
        misfit = np.where(blocked > 0.5, np.inf, misfit)
    misfit = misfit * _border_factor(gap, misfit.shape, area)
    detail = _detail(gap.window, gap.ring)
    for _ in range(BEST):
        best = int(np.argmin(misfit))
        top, left = divmod(best, misfit.shape[1])
        if not np.isfinite(misfit[top, left]):
            return
        pixels = donor[top : top + height, left : left + width]
        ratio = np.log((_detail(pixels, gap.region) + 1e-3) / (detail + 1e-3))
        yield Candidate(pixels, float(misfit[top, left] * np.exp(2 * abs(ratio))))
        misfit[max(top - 2, 0) : top + 3, max(left - 2, 0) : left + 3] = np.inf


def _area(gap: Gap, size: tuple[int, int]) -> Box:
    """The part of a donor of `size` (H, W) that is searched: all of it, or what lies near the same place."""
    sides = []
    for start, extent, length in zip((gap.box.top, gap.box.left), gap.region.shape, size, strict=True):
        low = min(max(start - REACH, 0), max(length - extent - 2 * REACH, 0))
        sides.append((low, min(low + extent + 2 * REACH, length)))
    (top, bottom), (left, right) = sides
    return Box(top, left, bottom, right)


def _misfit(gap: Gap, donor: Pixels) -> NDArray[np.float32]:
    """Mean squared difference over the ring at every place of `donor` (H, W, C): (H-h+1, W-w+1).

    A constant offset counts a tenth only, since the blending takes it away.
    """
    weight = gap.ring.astype(np.float32)
    count = weight.sum()
    level = gap.window[gap.ring].mean(0)
    total = np.zeros((), np.float32)
    for channel, centre in enumerate(level):
        known = (gap.window[..., channel] - centre) * weight
        other = donor[..., channel] - centre
        sums, squares = _correlate(other, weight), _correlate(other * other, weight)
        offset = (sums - known.sum()) / count
        squared = (squares - 2 * _correlate(other, known) + (known * known).sum()) / count
        total = total + np.maximum(squared - 0.9 * offset * offset, 0)
    return np.asarray(total / level.size + 1e-6, np.float32)


def _correlate(image: NDArray[np.float32], kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cross-correlation of `image` (H, W) with `kernel` (h, w) where it fits wholly: (H-h+1, W-w+1)."""
    size = [fft.next_fast_len(length, real=True) for length in image.shape]
    spectrum = fft.rfft2(image, size) * np.conj(fft.rfft2(kernel, size))
    full = fft.irfft2(spectrum, size)
    return np.asarray(full[: image.shape[0] - kernel.shape[0] + 1, : image.shape[1] - kernel.shape[1] + 1], np.float32)


def _border_factor(gap: Gap, shape: tuple[int, ...], area: Box) -> NDArray[np.float32]:
    """1 where a place meets the same borders of its image as the gap does, more elsewhere (a part's rim differs)."""
    factor = np.ones(shape, np.float32)
    top, right, bottom, left = gap.sides
    penalty = np.float32(2)
    if top:
        factor[1 if area.top == 0 else 0 :] *= penalty
    if bottom:
        factor[:-1] *= penalty
    if left:
        factor[:, 1 if area.left == 0 else 0 :] *= penalty
    if right:
        factor[:, :-1] *= penalty
    return factor


def _detail(pixels: Pixels, where: Mask) -> float:
    """How strong the fine texture of `pixels` (h, w, C) is in `where` (h, w): mean step between neighbours."""
    grey = pixels.mean(2)
    down, across = np.abs(np.diff(grey, axis=0))[:, :-1], np.abs(np.diff(grey, axis=1))[:-1]
    inside = where[:-1, :-1]
    return float((down + across)[inside].mean()) if inside.any() else 0.0


def _noise(gap: Gap, rng: np.random.Generator) -> Pixels:
    """Gradients of nothing but the ring's fine noise: what a membrane is given where no donor is large enough."""
    smooth = ndimage.gaussian_filter(gap.window, (1.5, 1.5, 0))
    grain = (gap.window - smooth)[gap.ring]
    if not len(grain):
        return np.zeros_like(gap.window)
    return np.asarray(grain[rng.integers(len(grain), size=gap.region.shape)], np.float32)
