"""Finding a threshold's few parameters on the training images alone: by pixel average precision, the level by Dice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.image import to_float
from flawsmith.data.record import Record
from flawsmith.data.sample import load
from flawsmith.data.seeds import rng
from flawsmith.data.select import Selection
from flawsmith.segment.batches import plan
from flawsmith.segment.metrics import LEVELS, Histogram, average_precision, histograms
from flawsmith.segment.models.margins import Base, Grey, Margins, Polarity, margins, tidied
from flawsmith.segment.models.threshold import SETTINGS, Setting, Threshold

if TYPE_CHECKING:
    from flawsmith.segment.train import TrainConfig

BASES = (
    Base("otsu"),
    *(Base("sauvola", window) for window in (15, 45)),
    *(Base("median", window) for window in (15, 45, 91)),
    *(Base("gaussian", window) for window in (15, 45, 91)),
)
TIDY = ((0, 0), (1, 0), (2, 0), (0, 2), (1, 2))  # px: opening, closing
IMAGES = 36  # that are looked at: more changed no choice on the real parts, and the work grows with them
KEPT = 3  # settings of a class that are tried with each of TIDY
COARSE = 4.0  # level at which scores are compared; average precision does not depend on it


@dataclass(frozen=True, eq=False)
class Seen:
    """A training image (H, W) in [0, 1] and its masks (K, H, W) bool."""

    grey: Grey
    truth: NDArray[np.bool_]


def fit_threshold(
    selection: Selection, synthetic: Sequence[Record], config: TrainConfig, output: Path, seed: int
) -> Iterator[dict[str, Any]]:
    """Writes output/model.json; yields {"step", "steps"} and, of each class, a "note" that says what was chosen."""
    classes = selection.classes
    seen = [Seen(to_float(one.image, 1)[0], one.masks) for one in _samples(selection, synthetic, config, seed)]
    tried: list[list[tuple[float, Setting]]] = [[] for _ in classes]
    steps, step = len(BASES) + len(classes), 0
    for base in BASES:
        known = [margins(one.grey, base) for one in seen]
        for k in range(len(classes)):
            tried[k] += [_judged(known, seen, k, setting) for setting in _settings(base)]
        step += 1
        yield {"step": step, "steps": steps}
    settings = []
    for k, name in enumerate(classes):
        found, dice, score = _best(seen, k, tried[k])
        settings.append(found)
        step += 1
        said = f"{name}: {found}; pixel AP {score:.3f}, Dice {dice:.3f} on {len(seen)} training images"
        yield {"step": step, "steps": steps, "note": said}
    Threshold(classes, tuple(settings)).save(output / SETTINGS, {"seed": seed, **asdict(config)})


def _samples(selection: Selection, synthetic: Sequence[Record], config: TrainConfig, seed: int) -> Iterator[Any]:
    """The images in the shares of real, painted and good ones that a network would be shown, each once."""
    pools = (selection.defects, synthetic, selection.good)
    kinds = plan(IMAGES, config.defect_share, config.painted_share, *map(len, pools))
    for records, kind in zip(pools, ("real", "synthetic", "good"), strict=True):
        random = rng(seed, f"threshold {kind}")
        mixed = [records[index] for index in random.permutation(len(records))]
        yield from (load(record, selection.classes) for record in _in_turn(mixed)[: kinds.count(kind)])


def _in_turn(records: Sequence[Record]) -> list[Record]:
    """The records so that each class comes first in turn."""
    by_class: dict[str, list[Record]] = {}
    for record in records:
        by_class.setdefault(record.defects[0] if record.defects else "", []).append(record)
    return [one for row in zip_longest(*by_class.values()) for one in row if one is not None]


def _settings(base: Base) -> Iterator[Setting]:
    """Every polarity; a pixel is always on one side of Otsu's threshold, so that either would mean nothing."""
    polarities: tuple[Polarity, ...] = ("dark", "bright") if base.method == "otsu" else ("dark", "bright", "either")
    return (Setting(base, polarity, COARSE) for polarity in polarities)


def _best(seen: Sequence[Seen], k: int, tried: Sequence[tuple[float, Setting]]) -> tuple[Setting, float, float]:
    """The best setting of a class with its own level, its Dice and its average precision."""
    ranked = sorted(tried, key=lambda one: -one[0])[:KEPT]
    tidy = []
    for _, setting in ranked:
        known = [margins(one.grey, setting.base) for one in seen]
        tidy += [_judged(known, seen, k, replace(setting, opening=a, closing=b)) for a, b in TIDY]
    score, best = max(tidy, key=lambda one: one[0])
    inside, outside = _counted([margins(one.grey, best.base) for one in seen], seen, k, best)
    level, dice = best_level(inside, outside)
    return replace(best, level=level), dice, score


def _judged(known: Sequence[Margins], seen: Sequence[Seen], k: int, setting: Setting) -> tuple[float, Setting]:
    """The pixel average precision of a setting, 0 where no image shows the class."""
    return average_precision(*_counted(known, seen, k, setting)) or 0.0, setting


def _counted(known: Sequence[Margins], seen: Sequence[Seen], k: int, setting: Setting) -> tuple[Histogram, Histogram]:
    """Pixels inside and outside the truth at each level of the score, over all images."""
    inside, outside = np.zeros(LEVELS), np.zeros(LEVELS)
    for by_side, one in zip(known, seen, strict=True):
        tidy = tidied(by_side[setting.polarity], setting.opening, setting.closing)
        found = histograms(setting.score(tidy), one.truth[k])
        inside += found[0]
        outside += found[1]
    return inside, outside


def best_level(inside: Histogram, outside: Histogram) -> tuple[float, float]:
    """The level, in times the noise, of the highest Dice of scores at the level COARSE; and that Dice."""
    hit, false = np.cumsum(inside[::-1])[::-1], np.cumsum(outside[::-1])[::-1]
    dice = 2 * hit / np.maximum(hit + false + inside.sum(), 1)
    at = int(dice[1:-1].argmax()) + 1  # 0 would call everything
    score = at / (LEVELS - 1)
    return float(COARSE * score / (1 - score)), float(dice[at])
