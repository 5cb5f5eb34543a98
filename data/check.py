"""Checks a folder: every file opened once, every problem listed, nothing dropped in silence."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from flawsmith.data.errors import UsageError
from flawsmith.data.formats import detect, mvtec
from flawsmith.data.formats.archive import opened
from flawsmith.data.formats.manifest import MANIFEST
from flawsmith.data.formats.origin import with_origins
from flawsmith.data.formats.reading import Data, is_archive, source_of
from flawsmith.data.listing import Listing
from flawsmith.data.problem import Problem, counted, error, ordered, table
from flawsmith.data.record import GOOD, DataSet, Record
from flawsmith.data.resolve import Seen, resolve
from flawsmith.data.rules import depth, whole


@dataclass(frozen=True)
class Count:
    """How much there is of a class: images, groups (parts) and instances (connected pieces of the masks)."""

    images: int
    groups: int
    instances: int


@dataclass(frozen=True)
class Report:
    """What `flawsmith check` tells: the sound records, all problems, the counts by class (good last), the sizes."""

    dataset: DataSet
    layout: str
    problems: tuple[Problem, ...]
    left_out: tuple[str, ...]  # names of listed images that are in no record; a problem tells why
    counts: dict[str, Count]
    widths: tuple[int, int, int]  # px: least, median, most
    heights: tuple[int, int, int]
    depths: dict[str, int]  # images by how they are stored, such as "grey, 8 bit"

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that forbid learning; the exit code is 1 if there are any."""
        return tuple(problem for problem in self.problems if problem.level == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The problems that only limit it."""
        return tuple(problem for problem in self.problems if problem.level == "warning")

    def text(self, sheet: Path | None = None, width: int = 120) -> str:
        """The plain-text tables, `width` columns wide; `sheet` is where the contact sheet was written."""
        lines = []
        if self.problems:
            rows = [(problem.level, problem.file, problem.what, problem.fix) for problem in self.problems]
            lines += [table([("level", "file", "what is wrong", "what to do"), *rows], width), ""]
        lines.append(f"{counted(len(self.errors), 'error')}, {counted(len(self.warnings), 'warning')}")
        if self.counts:
            cells = [(name, *map(str, (one.images, one.groups, one.instances))) for name, one in self.counts.items()]
            lines += ["", table([("class", "images", "groups", "instances"), *cells], width)]
            lines += ["", f"{counted(len(self.dataset.records), 'image')}, {self._sizes()}, {self.layout} layout"]
            lines += [f"{count} {kind}" for kind, count in self.depths.items()]
            if self.left_out:
                lines.append(f"{counted(len(self.left_out), 'image')} left out, as told above")
            if not self.dataset.grouped:
                lines.append("no groups given: each image counts as a part of its own, split looks for near-duplicates")
        if sheet is not None:
            lines.append(f"contact sheet: {sheet}")
        return "\n".join(lines)

    def json(self) -> dict[str, Any]:
        """The same as plain values for JSON."""
        return {
            "root": str(self.dataset.root),
            "layout": self.layout,
            "grouped": self.dataset.grouped,
            "errors": len(self.errors),
            "warnings": len(self.warnings),
            "problems": [vars(problem) for problem in self.problems],
            "images": len(self.dataset.records),
            "left_out": self.left_out,
            "classes": {name: vars(count) for name, count in self.counts.items()},
            "width": self.widths,
            "height": self.heights,
            "depths": self.depths,
        }

    def _sizes(self) -> str:
        (narrow, _, wide), (low, _, high) = self.widths, self.heights
        across = f"{narrow}" if narrow == wide else f"{narrow}–{wide}"
        return f"{across}×{low if low == high else f'{low}–{high}'} px"


def check(data: Data) -> Report:
    """Opens every file of a data set once and tells all that is wrong; raises UsageError where there is none."""
    listing = scan(data)
    dataset, seen, found = resolve(listing)
    problems = ordered([*listing.problems, *found, *whole(listing, dataset, seen)])
    facts = [seen.images[record.image] for record in dataset.records]
    return Report(
        dataset=dataset,
        layout=listing.layout,
        problems=problems,
        left_out=tuple(sorted({row.name for row in listing.rows} - {record.name for record in dataset.records})),
        counts=_counts(dataset, seen),
        widths=_spread([one.width for one in facts]),
        heights=_spread([one.height for one in facts]),
        depths=dict(Counter(map(depth, facts)).most_common()),
    )


def scan(data: Data) -> Listing:
    """The rows of a folder, an archive or a file of labels, in whichever format it is."""
    source = source_of(data)
    if not source.path.exists():
        fix = "give a folder, a zip or a file of labels"
        raise UsageError(source.path, "a data set is needed", "nothing there", fix)
    only = source.path if source.path.is_file() and not is_archive(source.path) else None
    root = source.path.parent if only else opened(source.path)
    only = None if only is not None and only.name == MANIFEST else only  # a folder's own list stands for the folder
    listing = detect.scan(root, only, source.reading)
    if listing is None:
        return Listing(root, "unknown", (), (_unknown(root, only),))
    if listing.rows or any(problem.level == "error" for problem in listing.problems):
        return with_origins(listing)
    nothing = error(".", "holds no image", "put the images in, as PNG, JPEG, TIFF, BMP or WebP")
    return Listing(root, listing.layout, (), (*listing.problems, nothing))


def _unknown(root: Path, only: Path | None) -> Problem:
    """Why the folder, or the file, is in no format that is known."""
    if only is not None:
        return error(only.name, "is no file of labels that is known", f"export it as one of {', '.join(detect.LABELS)}")
    if not any(root.iterdir()):
        return error(".", "is an empty folder", "put images/ and masks/ in it")
    if several := mvtec.products(root):
        return error(".", f"holds whole products ({', '.join(several)})", f"choose one: {root / several[0]}")
    what = "has no labels that are known, nor manifest.csv, images/ or train/good/"
    return error(".", what, "put the images in images/, the masks in masks/ under the same names")


def _counts(dataset: DataSet, seen: Seen) -> dict[str, Count]:
    """The counts of each class, then of the good images; empty where there is no record."""
    if not dataset.records:
        return {}
    counts = {
        name: _count(tuple(one for one in dataset.records if name in one.defects), name, seen)
        for name in dataset.classes
    }
    return {**counts, GOOD: _count(dataset.good, GOOD, seen)}


def _count(records: tuple[Record, ...], defect: str, seen: Seen) -> Count:
    instances = 0
    for label in (label for record in records for label in record.labels if label.defect == defect):
        if not isinstance(label.mask, Path):
            instances += 1
            continue
        pieces = seen.masks[label.mask].instances
        instances += sum(pieces.values()) if label.value is None else pieces.get(label.value, 0)
    return Count(len(records), len({record.group for record in records}), instances)


def _spread(values: list[int]) -> tuple[int, int, int]:
    return (min(values), round(median(values)), max(values)) if values else (0, 0, 0)
