"""Which predictions are worth an explanation: of labelled images the errors, of others what was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from flawsmith.data.geometry.patch import Mask, Patch
from flawsmith.data.record import Record
from flawsmith.segment.instances import Found
from flawsmith.segment.models.objects import Maps

MISSED, ALARM, MASK, FOUND = "missed defect", "false alarm", "worst mask", "found"
KINDS = (MISSED, ALARM, MASK, FOUND)
_TOUCHING = np.ones((3, 3), bool)  # by edge or corner, as the scores count regions


@dataclass(frozen=True, eq=False)
class Case:
    """One object to be explained: the index of its class, its pixels, and the labelled ones where they are known."""

    kind: str
    record: Record
    defect: int
    patch: Patch
    score: float  # the highest probability in it
    truth: Patch | None = None
    overlap: float | None = None  # intersection over union with the truth
    labelled: tuple[str, ...] = ()  # other classes that are labelled there
    order: int = 0  # among the objects of its image, the surest first

    @property
    def rank(self) -> tuple[float, ...]:
        """What comes first of its kind has the least: large misses, sure alarms, bad masks; else each image's first."""
        if self.kind == MISSED:
            return (-self.patch.area,)
        if self.kind == ALARM:
            return (-self.score, -self.patch.area)
        return (self.overlap or 0.0,) if self.kind == MASK else (self.order,)


@dataclass
class Chosen:
    """At most `rows` cases of each kind, those that come first, and how many there were."""

    rows: int
    cases: dict[str, list[Case]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, cases: Sequence[Case]) -> None:
        """Takes those of an image; what cannot come among the first is let go."""
        for case in cases:
            self.cases.setdefault(case.kind, []).append(case)
            self.counts[case.kind] = self.counts.get(case.kind, 0) + 1
        for kind, kept in self.cases.items():
            self.cases[kind] = sorted(kept, key=lambda one: one.rank)[: self.rows]

    def all(self) -> list[Case]:
        """Those that were kept, kind by kind."""
        return [case for kind in KINDS for case in self.cases.get(kind, ())]


def errors(
    record: Record, maps: Maps, found: Sequence[Found], truth: NDArray[np.bool_], classes: Sequence[str]
) -> Iterator[Case]:
    """The cases of a labelled image, truth (K, H, W) bool: each connected piece of what is labelled or found.

    A piece that is only labelled is missed, one that is only found a false alarm; of others the overlap counts.
    """
    for k, name in enumerate(classes):
        called = np.zeros(truth.shape[1:], bool)
        for one in found:
            if one.defect == name:
                one.patch.onto(called)
        labels, _ = ndimage.label(called | truth[k], _TOUCHING)
        for number, box in enumerate(ndimage.find_objects(labels), 1):
            piece = labels[box] == number
            others = tuple(classes[n] for n, mask in enumerate(truth) if n != k and (mask[box] & piece).any())
            top, left = box[0].start, box[1].start
            case = _case(record, k, maps[k][box], piece & called[box], piece & truth[k][box], top, left)
            yield replace(case, labelled=others)


def graded(record: Record, maps: Maps, truth: NDArray[np.bool_] | None, threshold: float) -> Iterator[Case]:
    """The cases of a model that grades whole images: where it does not say what is labelled, or all that it says."""
    whole = Patch(0, 0, np.ones(maps.shape[1:], bool))
    for k, probability in enumerate(maps):
        score = float(probability.flat[0])
        shown = truth is not None and bool(truth[k].any())
        if truth is None and score >= threshold:
            yield Case(FOUND, record, k, whole, score)
        if truth is not None and score >= threshold and not shown:
            yield Case(ALARM, record, k, whole, score)
        if truth is not None and score < threshold and shown:
            labelled = Patch.of(truth[k])
            yield Case(MISSED, record, k, labelled, score, labelled, 0.0)


def seen(record: Record, found: Sequence[Found], classes: Sequence[str]) -> Iterator[Case]:
    """The cases of an image without labels: its objects, the surest first."""
    for order, one in enumerate(sorted(found, key=lambda one: -one.score)):
        yield Case(FOUND, record, classes.index(one.defect), one.patch, one.score, order=order)


def _case(
    record: Record, defect: int, map_: NDArray[np.float32], called: Mask, true: Mask, top: int, left: int
) -> Case:
    """The case of a piece, of which `called` is found and `true` labelled, both (h, w)."""
    kind = MASK if called.any() and true.any() else MISSED if true.any() else ALARM
    pixels = true if kind == MISSED else called
    truth = Patch.of(true, top, left) if true.any() else None
    overlap = float((called & true).sum() / (called | true).sum())
    return Case(kind, record, defect, Patch.of(pixels, top, left), float(map_[pixels].max()), truth, overlap)
