"""How far a defect stands out from the surface around it, in units of how much that surface varies by itself."""

from flawsmith.gan.region import Mask, Pixels, bounding_box, brightness, grow

NEAR, FAR = 2, 8  # px from the mask: the ring around it, past the blurred rim
LEAST = 2 / 255  # deviation that is assumed at least: two grey levels, also around a mirror


def standout(image: Pixels, mask: Mask, clean: Pixels | None = None) -> float:
    """Mean brightness inside `mask` (h, w) against that of the ring around, in standard deviations of the ring.

    Of a painted defect no more than the paint did to the `clean` part: at a dim edge the part itself stands out. 0
    where there is no ring, or nothing in the mask: what cannot be compared does not stand out.
    """
    if not mask.any():
        return 0.0
    window = bounding_box(mask, FAR + 1).slices
    inside, grey = mask[window], brightness(image[window])
    ring = grow(inside, FAR) & ~grow(inside, NEAR)
    if not ring.any():
        return 0.0
    contrast = abs(grey[inside].mean() - grey[ring].mean())
    if clean is not None:
        contrast = min(contrast, abs((grey - brightness(clean[window]))[inside].mean()))
    return float(contrast / (grey[ring].std() + LEAST))
