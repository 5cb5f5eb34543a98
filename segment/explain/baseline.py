"""What a rule that a person can read says of the same places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from flawsmith.data.errors import UserError
from flawsmith.data.geometry.patch import Patch
from flawsmith.data.record import Record
from flawsmith.data.select import Selection
from flawsmith.segment.model import load_model
from flawsmith.segment.models.name import THRESHOLD
from flawsmith.segment.models.objects import Maps
from flawsmith.segment.models.threshold import SETTINGS, Threshold
from flawsmith.segment.models.threshold_fit import fit_threshold
from flawsmith.segment.train import TrainConfig

LEVEL = 0.5  # of the rule's score: there it says defect
TOUCH = 0.1  # of an object's pixels: rules mark the darkest core of what people outline generously


@dataclass(frozen=True)
class Verdict:
    """How much of an object a rule marks too; None where it does not know the class."""

    share: float | None

    @property
    def agrees(self) -> bool | None:
        """Does the rule see a defect there?"""
        return None if self.share is None else self.share >= TOUCH


def load_baseline(path: Path) -> Threshold:
    """A threshold that train wrote; raises UserError where it is another model."""
    model = load_model(path, torch.device("cpu"))
    if not isinstance(model, Threshold):
        raise UserError(path, "a baseline is a threshold", type(model).__name__, "train it with --model threshold")
    return model


def fit_baseline(
    selection: Selection, synthetic: Sequence[Record], output: Path, seed: int
) -> Iterator[dict[str, Any]]:
    """Finds a threshold's parameters on the training part as `train --model threshold` would; writes it to `output`."""
    for event in fit_threshold(selection, synthetic, TrainConfig(model=THRESHOLD), output, seed):
        yield {"task": "baseline", "step": event["step"], "steps": event["steps"]}


def fitted(output: Path) -> Threshold:
    """What `fit_baseline` wrote."""
    return Threshold.load(output / SETTINGS)


def marked(rule: Threshold, maps: Maps, defect: str) -> NDArray[np.bool_] | None:
    """The pixels (H, W) that a rule calls defects of the class, from its maps; None of a class it does not know."""
    return maps[rule.classes.index(defect)] >= LEVEL if defect in rule.classes else None


def judge(marks: NDArray[np.bool_] | None, patch: Patch) -> Verdict:
    """Whether the rule's pixels (H, W) lie on an object."""
    if marks is None:
        return Verdict(None)
    top, left = patch.top, patch.left
    there = marks[top : top + patch.mask.shape[0], left : left + patch.mask.shape[1]]
    return Verdict(float(there[patch.mask].mean()))
