"""The file counts.npz of an evaluation, and one finished trial as the statistics read it."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, fields
from io import StringIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.errors import UserError
from flawsmith.data.files import atomic, read_json, read_text
from flawsmith.segment.benchmark.layer import Layer

COUNTS = "counts.npz"
_TEXT = ("image", "group", "defects")  # columns of the table of images that are no figures


@dataclass(frozen=True, eq=False)
class Counts:
    """What n test images add to the scores: names and groups (n), a layer for each class, and one of any defect."""

    images: tuple[str, ...]
    groups: tuple[str, ...]
    classes: tuple[str, ...]
    per_class: tuple[Layer, ...]
    overall: Layer

    def layer(self, defect: str | None) -> Layer:
        """Of a class, or of any defect (None)."""
        return self.overall if defect is None else self.per_class[self.classes.index(defect)]

    def save(self, path: Path) -> None:
        """Writes a compressed npz of plain arrays, whole or not at all."""
        arrays: dict[str, Any] = {name: np.array(getattr(self, name), str) for name in ("images", "groups", "classes")}
        for prefix, layer in (("overall", self.overall), *((str(k), one) for k, one in enumerate(self.per_class))):
            arrays |= {f"{prefix}.{field.name}": getattr(layer, field.name) for field in fields(Layer)}
        with atomic(path) as part, part.open("wb") as file:
            np.savez_compressed(file, **arrays)

    @staticmethod
    def load(path: Path) -> Counts:
        """Reads what `save` wrote; raises UserError where the file is missing or damaged."""
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            images, groups, classes = (tuple(arrays[name].tolist()) for name in ("images", "groups", "classes"))
            prefixes = ("overall", *(str(k) for k in range(len(classes))))
            overall, *per_class = (_layer(arrays, prefix, len(images)) for prefix in prefixes)
            if len(groups) != len(images):
                raise ValueError(f"{len(images)} images with {len(groups)} groups")
        except (OSError, EOFError, KeyError, ValueError, TypeError, BadZipFile) as error:
            fix = f"remove the folder {path.parent.name} and run the same command again"
            raise UserError(path, "the counts of an evaluation cannot be read", error, fix) from error
        return Counts(images, groups, classes, tuple(per_class), overall)


def _layer(arrays: Mapping[str, NDArray[Any]], prefix: str, images: int) -> Layer:
    """One layer of a file; raises KeyError or ValueError where it does not fit together."""
    layer = Layer(**{field.name: arrays[f"{prefix}.{field.name}"] for field in fields(Layer)})
    entries = {len(values) for values in (layer.image, layer.bin, layer.inside, layer.outside, layer.region)}
    rows = {len(values) for values in (layer.pixels, layer.regions, layer.score)}
    outside = layer.image.max(initial=0) >= images or layer.bin.max(initial=0) >= len(layer.levels)
    if len(entries) > 1 or rows != {images} or outside:
        raise ValueError(f"{prefix}: the arrays do not fit together")
    return layer


@dataclass(frozen=True, eq=False)
class Trial:
    """One arm's network, trained on `real` images of each class (or "all") with one seed, and how it scored."""

    arm: str
    real: int | str
    seed: int
    metrics: dict[str, Any]  # as evaluate writes them
    images: tuple[dict[str, Any], ...]  # a row for each test image
    counts: Counts
    learned: float | None = None  # real defect images a class that it saw, mean over classes, where `real` is "all"

    @staticmethod
    def load(folder: Path, arm: str, real: int | str, seed: int, learned: float | None = None) -> Trial:
        """Reads a folder that evaluate wrote; raises UserError where a file is missing or damaged."""
        from flawsmith.segment.evaluate import METRICS, TABLE  # which itself writes counts

        metrics = read_json(folder / METRICS)
        rows = tuple(_row(row) for row in csv.DictReader(StringIO(read_text(folder / TABLE))))
        counts = Counts.load(folder / COUNTS)
        if len(rows) != len(counts.images):
            raise UserError(folder / TABLE, f"{COUNTS} beside it knows {len(counts.images)} images", len(rows))
        return Trial(arm, real, seed, metrics, rows, counts, learned)


def _row(row: Mapping[str, str]) -> dict[str, Any]:
    """Texts as they are, figures as numbers, nothing as None."""
    return {name: cell if name in _TEXT else _figure(cell) for name, cell in row.items()}


def _figure(cell: str) -> int | float | None:
    if cell == "":
        return None
    return int(cell) if cell.isdigit() else float(cell)
