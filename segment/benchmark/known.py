"""Known again: how far a network that learned from real defects alone sees the painted ones.

What such a network takes for the bare part teaches another one that bare parts are defects: painted breaks of which it
saw a twentieth raised the false alarms on good parts by half (docs/experiments.md, 14 and 16).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from flawsmith.gan.integrity.figure import Figure
from flawsmith.gan.integrity.painted import Picture
from flawsmith.segment.model import Model

LEAST = 0.3  # of 1; pasted defects have 0.6 to 0.85, and held-out real ones are not seen wholly either


def seen(model: Model, picture: Picture) -> list[float]:
    """Of each painted defect the mean probability of its class inside its shape."""
    heat = model.predict(picture.after)[picture.defect]
    return [float(heat[mask].mean()) for mask in picture.masks if mask.any()]


def known_again(found: Mapping[str, Sequence[float]]) -> Figure:
    """The mean over the GAN's defects; those of the other painters in the detail."""
    means = {painter: float(np.mean(values)) for painter, values in found.items() if len(values)}
    return Figure(
        "known again",
        means.pop("gan", None),
        LEAST,
        "min",
        "Mean probability inside painted defects of a network that was trained without any: are they like real ones?",
        means,
    )
