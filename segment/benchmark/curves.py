"""Precision over recall, mean over seeds, overall and by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.segment.benchmark.counts import Trial
from flawsmith.segment.benchmark.layer import Layer
from flawsmith.segment.benchmark.outcome import HEADLINE, score
from flawsmith.segment.benchmark.weighted import Weighted

RECALL = np.linspace(0, 1, 101)


def all_curves(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """As results.json holds them: one row an arm, budget and class (None: any defect) that some test part shows.

    A model that knows no places has none.
    """
    found: dict[tuple[str, int | str, str | None], list[NDArray[np.float64]]] = {}
    for one in trials:
        for defect in (None, *one.counts.classes):
            layer = one.counts.layer(defect)
            if layer.shown.any() and score(one.metrics, HEADLINE, defect) is not None:
                found.setdefault((one.arm, one.real, defect), []).append(precision(layer))
    return [
        {
            "arm": arm,
            "real": real,
            "class": defect,
            "recall": RECALL.round(2).tolist(),
            "precision": np.mean(curves, axis=0).round(4).tolist(),
        }
        for (arm, real, defect), curves in found.items()
    ]


def precision(layer: Layer) -> NDArray[np.float64]:
    """Precision (101,) at the first threshold that reaches each recall of RECALL; the layer must show a defect."""
    everyone = Weighted(layer, [""] * len(layer.regions), np.ones((1, 1)))
    true, false = everyone.pixels(layer.inside)[0], everyone.pixels(layer.outside)[0]
    at = np.searchsorted(true / true[-1], RECALL - 1e-12)  # recall 0 is the first threshold at all
    found: NDArray[np.float64] = true[at] / (true + false)[at]
    return found
