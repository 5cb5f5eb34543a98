"""VGG Image Annotator 1 and 2: the JSON and CSV of exported regions, and project files.

VIA knows attributes, no classes: one of them is the class, the only one there is or the one that is asked for. It keeps
no folders, so two images of one name are told apart by their size in bytes, which stands beside the name.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import isfinite
from pathlib import Path
from shlex import quote
from typing import Any

from flawsmith.data.errors import UserError
from flawsmith.data.formats.collect import Collector
from flawsmith.data.formats.document import field, load_json, parse_json, text_of
from flawsmith.data.formats.reading import Reading
from flawsmith.data.geometry.shape import BadShape, Ellipse, Line, Polygon, Shape, box, number, points
from flawsmith.data.listing import Listing
from flawsmith.data.problem import counted, refused
from flawsmith.data.record import GOOD

NAME = "via"
LAYOUT = "VIA"
_LINE = "polyline"
_PROJECT = "_via_img_metadata"
_COLUMNS = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
_LOOK = 100  # entries of a file, to know its format


def matches(document: Any) -> bool:
    """True for a project, and for the exported regions of images."""
    if not isinstance(document, dict):
        return False
    if isinstance(document.get(_PROJECT), dict):
        return True
    entries = islice(document.values(), _LOOK)
    return any(isinstance(entry, dict) and {"filename", "regions"} <= entry.keys() for entry in entries)


def matches_csv(head: str) -> bool:
    """True for a table with VIA's columns; version 1.0 writes a # before them."""
    return head.lstrip("\ufeff").partition("\n")[0].strip().replace('"', "").removeprefix("#") == _COLUMNS


def scan(root: Path, files: Sequence[Path], reading: Reading) -> Listing:
    """A row for each image; without regions it is good. Regions that several files repeat count once."""
    reader = _Reader(Collector(root, LAYOUT, reading))
    for file in files:
        reader.read(file)
    return reader.listing()


@dataclass(frozen=True)
class _Region:
    """One region as its file has it, of the image `key`; `where` names it in the file."""

    file: Path
    key: str
    where: str
    shape: Mapping[str, Any]
    attributes: Mapping[str, Any]


class _Reader:
    """All files of one data set; regions are drawn after the last is read: all of them tell which attribute to use."""

    def __init__(self, collector: Collector) -> None:
        self.collector, self.images = collector, collector.images
        self._named: dict[str, list[Path]] = defaultdict(list)
        for path in self.images.paths:
            self._named[path.name].append(path)
        self._keys: dict[tuple[Path, str, int], str | None] = {}  # of images, by file, name and size in bytes
        self._bytes: dict[str, int] = {}  # of an image, as the labels say
        self._regions: list[_Region] = []

    def read(self, file: Path) -> None:
        """Reads one file, CSV or JSON; what is wrong with an entry is noted."""
        try:
            if file.suffix.lower() == ".csv":
                self._table(file)
            else:
                self._document(file, load_json(file))
        except UserError as reason:
            self._refused(file, "", reason)

    def listing(self) -> Listing:
        """All rows, with their regions drawn; an image whose only regions have no area is not good."""
        attribute = self._attribute()
        bare = self._defects(attribute) if attribute is not None else {}
        found = self.collector.listing()
        rows = (replace(row, defect=None if row.drawn else bare.get(row.name)) for row in found.rows)
        return replace(found, rows=tuple(rows))

    def _defects(self, attribute: str) -> dict[str, str]:
        """Draws all regions; a class of each image that has some, drawn or left out."""
        defects: dict[str, str] = {}
        again: dict[Path, list[str]] = defaultdict(list)
        seen: set[tuple[str, str, str]] = set()
        for region in self._regions:
            place = f"{region.key}, {region.where}"
            try:
                defect = _class(region.attributes.get(attribute), attribute)
            except BadShape as reason:
                self.collector.refuse(region.file, place, str(reason), "give the region its class in VIA")
                continue
            same = region.key, defect, _text(region.shape)
            if same in seen:
                again[region.file].append(place)
                continue
            seen.add(same)
            if defect.casefold() != GOOD:
                defects.setdefault(region.key, defect)
            self._draw(region, defect)
        for file, places in again.items():
            what = f"{counted(len(places), 'region')} repeated, first {places[0]}: counted once"
            self.collector.warn(file, "", what, "leave one export in the folder")
        return defects

    def _document(self, file: Path, document: Any) -> None:
        """Reads exported JSON, or a project."""
        entries = document.get(_PROJECT, document) if isinstance(document, dict) else None
        if not isinstance(entries, dict):
            self.collector.refuse(file, "", "has no images by their names", "export the annotations as JSON again")
            return
        for name, entry in entries.items():
            filename = field(entry, "filename", str)
            regions = entry.get("regions") if isinstance(entry, dict) else None
            if filename is None or not isinstance(regions, dict | list):
                what = f"entry {name[:80]} has no file name, or no regions"
                self.collector.refuse(file, "", what, "export the annotations as JSON again")
                continue
            key = self._image(file, filename, field(entry, "size", int) or 0)
            for index, region in enumerate(regions.values() if isinstance(regions, dict) else regions, 1):
                shape, attributes = (field(region, f"{part}_attributes", dict) for part in ("shape", "region"))
                self._region(file, key, f"region {index}", shape, attributes)

    def _table(self, file: Path) -> None:
        """Reads exported CSV, a region a line."""
        for index, line in enumerate(text_of(file).split("\n")):
            line, where = line.rstrip("\r"), f"line {index + 1}"
            if index == 0 or not line:
                continue
            cells = _cells(line)
            if cells is None:
                fix = "export the annotations as CSV again"
                self.collector.refuse(file, where, f"has not the columns {_COLUMNS}", fix)
                continue
            filename, size, shape, attributes = cells
            key = self._image(file, filename, int(size) if re.fullmatch("[0-9]{1,18}", size) else 0)
            try:
                parts = parse_json(where, shape), parse_json(where, attributes)
            except UserError as reason:
                self._refused(file, where, reason)
                continue
            if parts != ({}, {}):  # so stand images without regions there
                self._region(file, key, where, *parts)

    def _image(self, file: Path, name: str, size: int) -> str | None:
        """Opens the row of an image, by its size in bytes where several have the name: its key, None if not found."""
        if (file, name, size) not in self._keys:
            self._keys[file, name, size] = self._found(file, name, size)
        return self._keys[file, name, size]

    def _found(self, file: Path, name: str, size: int) -> str | None:
        """As above; a size of 0 or less, as that of images from the web, says nothing."""
        same = self._named.get(name, [])
        exact = [path for path in same if _bytes_of(path) == size] if size > 0 and len(same) > 1 else []
        key = self.collector.row(file, exact[0]) if len(exact) == 1 else self.collector.image(file, name, "")
        if key is None or size <= 0 or self._bytes.setdefault(key, size) == size:
            return key
        what = f"has two images called {name[:80]}, of {self._bytes[key]} and {size} bytes, and one is there"
        self.collector.refuse(file, "", what, "put both images into folders of their own")
        return None

    def _region(self, file: Path, key: str | None, where: str, shape: Any, attributes: Any) -> None:
        """Keeps a region until its class is known."""
        if key is None:
            return
        if isinstance(shape, dict) and isinstance(attributes, dict):
            self._regions.append(_Region(file, key, where, shape, attributes))
        else:
            what = "has no shape_attributes, or no region_attributes"
            self.collector.refuse(file, f"{key}, {where}", what, "draw the region again, or delete it")

    def _attribute(self) -> str | None:
        """The attribute that is the class, None where that is unknown, which is an error."""
        values: dict[str, Counter[str]] = defaultdict(Counter)
        for region in self._regions:
            for name, value in region.attributes.items():
                if value not in ("", None, {}):
                    values[name][_shown(value)] += 1
        wanted = self.collector.reading.label_attribute
        if wanted in values or not self._regions:
            return wanted or ""
        if wanted is None and len(values) == 1:
            return next(iter(values))
        found = "; ".join(_counts(name, counts) for name, counts in islice(sorted(values.items()), 12)) or "none"
        file, example = self._regions[0].file, quote(min(values, default="defect")[:40])
        if wanted is not None:
            what, fix = f"no region has the attribute {wanted!r}, only: {found}", f"say --label-attribute {example}"
        elif values:
            what = f"regions have {len(values)} attributes: {found}"
            fix = f"say which is the class: --label-attribute {example}"
        else:
            what, fix = "no region has an attribute, so none has a class", "add one in VIA, such as defect"
        self.collector.refuse(file, "", what, fix)
        return None

    def _draw(self, region: _Region, defect: str) -> None:
        """Adds the region to its image; that one has no area is told."""
        kind, width = region.shape.get("name"), self.collector.reading.line_width
        place, fix = f"{region.key}, {region.where}, {defect}", "draw it again, or delete it"
        least = {"polygon": 3, _LINE: 2}.get(str(kind), 0)
        if kind == "point":
            self.collector.leave(region.key, defect)
            self.collector.warn(region.file, place, "is a point, without an area: left out", fix)
        elif kind == _LINE and width is None:
            what = "is an open line, without a width"
            self.collector.refuse(region.file, place, what, "give it with --line-width, in px")
        elif isinstance(xs := region.shape.get("all_points_x"), list) and len(xs) < least:
            self.collector.leave(region.key, defect)
            self.collector.warn(region.file, place, f"has fewer than {least} points: left out", fix)
        else:
            self.collector.draw(region.key, region.file, region.where, defect, lambda: _shape(region.shape, width))

    def _refused(self, file: Path, where: str, reason: UserError) -> None:
        problem = refused("", reason)
        self.collector.refuse(file, where, problem.what, problem.fix)


def _bytes_of(path: Path) -> int:
    """The size of a file, -1 where it cannot be opened."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _cells(line: str) -> tuple[str, str, str, str] | None:
    """File name, size, shape and attributes of a line, None where it has others.

    VIA quotes all but the name, which may have commas in it: the line is taken apart from its end. Within quotes every
    quote is doubled, so that only a cell begins with comma, quote, brace. Other programs quote as they need.
    """
    parts = line.rsplit(',"{', 3)
    if len(parts) == 4 and parts[3].endswith('"') and parts[2].endswith('"'):
        name, _, size = parts[0].rpartition(",")
        if len(name) > 1 and name[0] == name[-1] == '"':
            name = name[1:-1].replace('""', '"')
        shape, attributes = ("{" + part[:-1].replace('""', '"') for part in parts[2:])
        return name, size, shape, attributes
    try:
        cells = next(csv.reader([line], strict=True))
    except (csv.Error, StopIteration):
        return None
    return (cells[0], cells[1], cells[5], cells[6]) if len(cells) == 7 else None


def _class(value: Any, attribute: str) -> str:
    """The class that an attribute's value means; raises BadShape where it means none, or several."""
    if isinstance(value, dict):  # of a checkbox
        chosen = [option for option, on in value.items() if on is True]
        if len(chosen) > 1:
            raise BadShape(f"has several of {attribute}: {', '.join(chosen)[:80]}")
        value = chosen[0] if chosen else ""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, float) and isfinite(value):
        value = f"{value:.15g}"
    if value is None or value == "":
        raise BadShape(f"has no {attribute}")
    if not isinstance(value, str):
        raise BadShape(f"has a {attribute} that is no class ({_shown(value)})")
    return value.strip()


def _shown(value: Any) -> str:
    """An attribute's value as it can be shown."""
    if isinstance(value, dict):
        return "+".join(option for option, on in value.items() if on is True)[:40] or "nothing"
    return (value if isinstance(value, str) else _text(value))[:40]


def _text(value: Any) -> str:
    """JSON again, the same for equal values."""
    try:
        return json.dumps(value, sort_keys=True)
    except RecursionError:
        return "nested too deeply"


def _counts(name: str, counts: Counter[str]) -> str:
    """An attribute with its most frequent values, such as "defect (pit ×3, scratch ×2)"."""
    most = ", ".join(f"{value} ×{count}" for value, count in counts.most_common(5))
    return f"{name[:40]} ({most}{', …' if len(counts) > 5 else ''})"


def _points(shape: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """The x and y of a shape's points; raises BadShape where they are no lists of one length."""
    x, y = shape.get("all_points_x"), shape.get("all_points_y")
    if not isinstance(x, list) or not isinstance(y, list) or len(x) != len(y):
        raise BadShape("has not as many all_points_x as all_points_y")
    return list(zip(x, y, strict=True))


def _circle(shape: Mapping[str, Any], _: float) -> Shape:
    x, y, radius = (number(shape.get(name), name) for name in ("cx", "cy", "r"))
    return Ellipse(x, y, radius, radius)


def _ellipse(shape: Mapping[str, Any], _: float) -> Shape:
    x, y, across, down = (number(shape.get(name), name) for name in ("cx", "cy", "rx", "ry"))
    return Ellipse(x, y, across, down, number(shape.get("theta", 0.0), "theta"))  # version 1 does not turn them


_SHAPES: dict[str, Callable[[Mapping[str, Any], float], Shape]] = {
    "rect": lambda shape, _: box(*(shape.get(name) for name in ("x", "y", "width", "height"))),
    "circle": _circle,
    "ellipse": _ellipse,
    "polygon": lambda shape, _: Polygon((points(_points(shape)),)),
    _LINE: lambda shape, width: Line(points(_points(shape), 2), width),
}


def _shape(shape: Mapping[str, Any], width: float | None) -> Shape:
    """A region's shape; raises BadShape."""
    kind = shape.get("name")
    if not isinstance(kind, str) or kind not in _SHAPES:
        raise BadShape(f"has a shape that VIA does not know ({_shown(kind)})")
    return _SHAPES[kind](shape, width or 0.0)
