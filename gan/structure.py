"""Whether parts have structure: places that look alike are rare, and where a defect goes is no matter of taste."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from flawsmith.data.image import read_image
from flawsmith.data.record import Record
from flawsmith.data.seeds import rng
from flawsmith.gan.bank import Bank
from flawsmith.gan.context import survey
from flawsmith.gan.placement import matches
from flawsmith.gan.shapes import draw_shape, sample_shape

PARTS, SHAPES = 12, 36  # good parts that are looked at, and shapes that a place is looked for
SHARE = 0.25  # of the shapes must find surroundings like their own
GAIN = 9.0  # times more alike than the place in the middle: where nothing but light and texture differ, 2 to 7


def has_structure(bank: Bank, good: Sequence[Record], seed: int) -> bool:
    """Whether good parts have places that look far more as it does around real defects than their other places."""
    bank, gains = replace(bank, structured=True), list[float]()
    for number, record in enumerate(good[:: max(1, len(good) // PARTS)][:PARTS]):
        pixels = read_image(record.image)
        part = survey(pixels, whole=bank.whole)
        for index in range(number, SHAPES, PARTS):
            random = rng(seed, "structure", index)
            shape = draw_shape(sample_shape(bank, _class(bank, index // PARTS + number), random), bank)
            found = matches(part, shape, bank, random, pixels)
            gains += [] if found is None else [found[1].gain]
    return bool(gains) and float(np.quantile(gains, 1 - SHARE)) >= GAIN


def _class(bank: Bank, number: int) -> int:
    """The classes in turn, of those that there are defects of."""
    present = sorted({one.defect for one in bank.instances})
    return present[number % len(present)]
