"""The pictures of a benchmark: painted defects beside their nearest real one, hits and misses on real parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.files import read_json
from flawsmith.data.image import read_image
from flawsmith.gan.bank import Bank
from flawsmith.segment.benchmark.cell import Cell
from flawsmith.segment.overlay import COLOURS, GAP, to_rgb
from flawsmith.segment.picture import Picture

PAIRS = 4  # of each class: a row on a screen
SCENES = 28  # of two arms: all of four classes
LEAST, MARGIN = 64, 16  # px: least side of a crop, and what is shown about a defect
VIEW = 192  # px: least side of a scene on a large part
PANELS = ("part", "truth outlined", "prediction")
KINDS = {"median": "Middling", "worst": "Worst", "best": "Best"}

Pixels = NDArray[np.uint8]
Box = tuple[int, int, int, int]  # top, left, bottom, right


@dataclass(frozen=True)
class Pair:
    """A painted defect, the real defect of the training that it resembles most, and how much, -1..1."""

    defect: str
    painted: Picture
    nearest: Picture
    similarity: float | None


@dataclass(frozen=True)
class Scene:
    """One test part as an arm sees it: the part, the truth, the prediction."""

    arm: str
    kind: str  # why it was chosen
    defect: str
    panels: tuple[Picture, ...]


def cell_folder(folder: Path, seed: int, real: int | str) -> Path:
    """Where a trial of a benchmark lies."""
    return folder / Cell(seed, "all" if isinstance(real, str) else real, ()).folder


def pairs(cell: Path) -> list[Pair]:
    """Those that judged.json lists, at most PAIRS a class; none where it, the bank or the pictures are missing."""
    judged, banks = cell / "judged.json", [cell / name / "bank.safetensors" for name in ("fit", "bank")]
    bank = next((path for path in banks if path.exists()), None)
    if bank is None or not judged.exists():
        return []
    listed = [one for one in read_json(judged).get("gallery") or () if (cell / one["painted"]).exists()]
    loaded, seen, found = Bank.load(bank), Counter[str](), []
    for one in listed:
        nearest = one.get("nearest")
        seen[one["defect"]] += 1
        if nearest and nearest["instance"] < len(loaded.instances) and seen[one["defect"]] <= PAIRS:
            found.append(_pair(one, to_rgb(read_image(cell / one["painted"])), loaded))
    return found


def _pair(one: Mapping[str, Any], painted: Pixels, bank: Bank) -> Pair:
    """Both crops have the same size in pixels, so that a copy looks like one."""
    instance = bank.instances[one["nearest"]["instance"]]
    rows, columns = np.nonzero(instance.mask)
    real = np.repeat(instance.image, 3 // instance.image.shape[2], axis=2)
    boxes = tuple(one["box"]), (int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1)
    side = max(LEAST, *(max(box[2] - box[0], box[3] - box[1]) + 2 * MARGIN for box in boxes))
    similarity = one["nearest"].get("similarity")
    return Pair(
        one["defect"],
        Picture(crop(painted, boxes[0], side), f"{one['defect']}, painted"),
        Picture(crop(np.rint(real * 255).astype(np.uint8), boxes[1], side), f"{one['defect']}, nearest real one"),
        similarity,
    )


def crop(picture: Pixels, box: Sequence[int], side: int) -> Pixels:
    """The `side` px about the middle of a box, moved to lie inside (H, W, C); all of it where it is smaller."""
    middles = (box[0] + box[2]) // 2, (box[1] + box[3]) // 2
    top, left = (
        min(max(middle - side // 2, 0), max(length - side, 0))
        for middle, length in zip(middles, picture.shape[:2], strict=True)
    )
    return picture[top : top + side, left : left + side]


def scenes(cell: Path, arms: Sequence[str]) -> list[Scene]:
    """What evaluate drew for the arms, one beside the other: middling parts first, good ones last, at most SCENES."""
    order = {kind: place for place, kind in enumerate(KINDS)}
    found = [(arm, path, *_named(path.stem)) for arm in arms for path in _overlays(cell, arm)]
    found.sort(key=lambda one: (one[2] == "good", order.get(one[3], 0), one[1].name))
    return [_scene(*one) for one in found[:SCENES]]


def _overlays(cell: Path, arm: str) -> list[Path]:
    return sorted((cell / "arms" / arm / "eval" / "overlays").glob("*.png"))


def _named(stem: str) -> tuple[str, str]:
    """Class and kind of an overlay's name: 1-pit-best is (pit, best), good-worst is (good, worst)."""
    start, _, kind = stem.rpartition("-")
    number, _, defect = start.partition("-")
    return (defect if number.isdigit() else start), kind


def _scene(arm: str, path: Path, defect: str, kind: str) -> Scene:
    shown = part_of_interest(split(to_rgb(read_image(path))))
    panels = tuple(
        Picture(panel, f"{arm}, {defect}, {kind}: {name}") for panel, name in zip(shown, PANELS, strict=False)
    )
    return Scene(arm, "Good part, most suspected" if defect == "good" else KINDS.get(kind, kind), defect, panels)


def split(picture: Pixels) -> tuple[Pixels, ...]:
    """The three panels of a triptych (H, 3 W + gaps, 3); the whole picture where it is none."""
    width, rest = divmod(picture.shape[1] - 2 * GAP, 3)
    if rest or width < 1:
        return (picture,)
    return tuple(picture[:, start : start + width] for start in range(0, 3 * width + 2 * GAP, width + GAP))


def part_of_interest(panels: tuple[Pixels, ...]) -> tuple[Pixels, ...]:
    """The square that holds every outline, at least VIEW px: a small defect on a large part would not be seen."""
    if len(panels) != 3:
        return panels
    plain = panels[0]
    drawn = np.logical_or.reduce(
        [(panel == colour).all(-1) & (panel != plain).any(-1) for panel in panels[1:] for colour in COLOURS]
    )
    if not drawn.any():
        return panels
    rows, columns = np.nonzero(drawn)
    box = (int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1)
    side = max(VIEW, box[2] - box[0] + 2 * MARGIN, box[3] - box[1] + 2 * MARGIN)
    return tuple(crop(panel, box, side) for panel in panels)
