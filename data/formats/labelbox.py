"""Labelbox's export v2: NDJSON with one data row a line, or these as a JSON array; the masks are files beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.formats.canvas import Canvas, Make, called, moment, said, side
from flawsmith.data.formats.collect import Collector
from flawsmith.data.formats.document import field as value_of
from flawsmith.data.formats.document import listed, parse_json, text_of
from flawsmith.data.formats.reading import Reading
from flawsmith.data.geometry.shape import BadShape, Shape, box
from flawsmith.data.geometry.stencil import Colour, Stencil
from flawsmith.data.listing import Listing
from flawsmith.data.problem import counted, refused

NAME = "labelbox"
_LAYOUT = "Labelbox"
_ID = re.compile(r"[\w-]{1,100}", re.ASCII)  # what may become the name of a file
_COMPOSITE = re.compile(r"/masks/([^/?#]+)")
_SHOWN = 20  # mask files that the list of missing ones names
_RULE = "the benchmark or consensus label where one is marked, else the newest, else the last"


@dataclass(frozen=True)
class _Entry:
    """One data row, and where it stands."""

    file: Path
    where: str
    row: dict[str, Any]


@dataclass
class _Seen:
    """What is told once for the whole data set."""

    unlabelled: list[str] = field(default_factory=list)
    several: list[str] = field(default_factory=list)  # labels
    bare: list[str] = field(default_factory=list)  # classifications without objects
    missing: list[str] = field(default_factory=list)  # mask files
    owners: dict[str, tuple[str, Any]] = field(default_factory=dict)  # of an image: its data row


def matches(document: Any) -> bool:
    """True for a data row of such an export, or a list of them."""
    row = document[0] if isinstance(document, list) and document else document
    return isinstance(row, dict) and isinstance(row.get("data_row"), dict) and "projects" in row


def scan(root: Path, files: Sequence[Path], reading: Reading) -> Listing:
    """A row for each image that has a label in the chosen project; raises UsageError where none can be chosen."""
    collector, seen = Collector(root, _LAYOUT, reading), _Seen()
    entries = [entry for file in files for entry in _entries(collector, file)]
    project = _project(entries, reading.project)
    for entry in entries:
        _read(collector, entry, project, seen)
    _tell(collector, seen, files[0] if files else root)
    return collector.listing()


def _entries(collector: Collector, file: Path) -> Iterator[_Entry]:
    """The data rows of a file; an error for whatever else stands there."""
    for where, row in _rows(collector, file):
        if matches(row) and isinstance(row, dict):
            yield _Entry(file, where, row)
        else:
            collector.refuse(file, where, "is no data row of an export v2", "export the project again")


def _rows(collector: Collector, file: Path) -> Iterator[tuple[str, Any]]:
    """The rows of an array, or the lines; an error where one is no JSON."""
    try:
        text = text_of(file)
        whole = parse_json(file, text) if text.lstrip()[:1] == "[" else None
    except UserError as reason:
        collector.refuse(file, "", refused("", reason).what, "export it again")
        return
    if isinstance(whole, list):
        yield from ((f"row {number}", row) for number, row in enumerate(whole, 1))
        return
    for number, line in enumerate(text.split("\n"), 1):  # not splitlines: a text may hold other ends of lines
        try:
            if line.strip():
                yield f"line {number}", parse_json(file, line)
        except UserError as reason:
            collector.refuse(file, f"line {number}", refused("", reason).what, "export it again")


def _labels(entry: _Entry, project: str) -> list[dict[str, Any]]:
    """The labels of a row in a project, without those of annotators who skipped it."""
    labels = listed(value_of(value_of(entry.row, "projects", dict), project, dict), "labels")
    return [
        label
        for label in labels
        if isinstance(label, dict) and not value_of(label.get("performance_details"), "skipped", bool)
    ]


def _project(entries: Sequence[_Entry], wanted: str | None) -> str:
    """The id of the project to read: the wanted one, by id or name, or the only one with labels."""
    names = {
        str(key): value_of(project, "name", str) or str(key)
        for entry in entries
        for key, project in (value_of(entry.row, "projects", dict) or {}).items()
        if _labels(entry, key)
    }
    if wanted in names:
        return wanted
    found = [key for key, name in names.items() if wanted in (None, name)]
    if len(found) == 1 or not names:
        return found[0] if found else ""
    options = ", ".join(f"{said(name)} ({said(key)})" for key, name in list(names.items())[:_SHOWN])
    if wanted is None:
        raise UsageError("--project", "the labels of one project are read", options, "name one of these")
    rule = (
        f"several projects are called {said(wanted)}" if found else f"no project with labels is called {said(wanted)}"
    )
    raise UsageError("--project", rule, options, "name one of these by its id")


def _read(collector: Collector, entry: _Entry, project: str, seen: _Seen) -> None:
    """Opens the row of the image and draws the objects of the label that counts."""
    data, media = entry.row["data_row"], entry.row.get("media_attributes")
    place = f"{entry.where}, data row {called(data.get('id'), 1)}"
    kind = value_of(media, "mime_type", str) or value_of(media, "asset_type", str) or "image"
    if not kind.startswith("image"):
        collector.warn(entry.file, place, f"is no image but {said(kind)}: left out", "nothing, if that is meant")
        return
    labels = _labels(entry, project)
    if not labels:
        seen.unlabelled.append(place)
        return
    if len(labels) > 1:
        seen.several.append(place)
    label = _choice(labels, value_of(entry.row["projects"], project, dict))
    annotations = value_of(label, "annotations", dict)
    if annotations is None or "frames" in annotations:
        collector.warn(entry.file, place, "has no annotations of an image: left out", "nothing, if that is meant")
        return
    key = _image(collector, entry, data, media, place)
    if key is None or not _first(collector, entry, key, place, seen):
        return
    objects = listed(annotations, "objects")
    if not objects and listed(annotations, "classifications"):
        seen.bare.append(place)
    canvas = Canvas(collector, entry.file, key)
    for number, one in enumerate(objects, 1):
        _draw(canvas, f"{entry.where}, object {called(value_of(one, 'feature_id', str), number)}", one, seen)


def _choice(labels: Sequence[dict[str, Any]], project: Any) -> dict[str, Any]:
    """The label that counts: see _RULE."""
    winner = value_of(value_of(project, "project_details", dict), "selected_label_id", str)
    marked = [label for label in labels if _marked(label) or (winner is not None and label.get("id") == winner)]
    pool = marked or labels
    when = [moment(value_of(label, "label_details", dict) or {}) for label in pool]
    return pool[max(range(len(pool)), key=lambda place: (when[place], place))]


def _marked(label: dict[str, Any]) -> bool:
    """True for a benchmark, or what consensus was found on."""
    kind, details = value_of(label, "label_kind", str) or "", value_of(label, "label_details", dict)
    return kind.casefold() in ("benchmark", "consensus") or bool(value_of(details, "is_benchmark_reference", bool))


def _image(collector: Collector, entry: _Entry, data: dict[str, Any], media: Any, place: str) -> str | None:
    """Opens the row of the image that the data row calls by one of its three names."""
    address = value_of(data, "row_data", str) or ""
    last = address.partition("?")[0].rsplit("/", 1)[-1]
    names = [name for name in (value_of(data, "external_id", str), value_of(data, "global_key", str), last) if name]
    try:
        size = side(media["height"], "height"), side(media["width"], "width")
    except (BadShape, KeyError, TypeError):
        size = None  # the file is measured anyway
    for name in names:
        path = collector.images.find(name)[0]
        if path is not None:
            return collector.row(entry.file, path, size)
    return collector.image(entry.file, names[0] if names else "", place)


def _first(collector: Collector, entry: _Entry, key: str, place: str, seen: _Seen) -> bool:
    """True for the first data row of an image; another one is an error, the same one again a warning."""
    first, row = seen.owners.setdefault(key, (place, entry.row))
    if row is entry.row:
        return True
    if row == entry.row:
        collector.warn(entry.file, place, f"is the same as {first}: left out", "take it out")
    else:
        what = f"means the image {key}, and so does {first}"
        collector.refuse(entry.file, place, what, "rename the images: each data row has one of its own")
    return False


def _draw(canvas: Canvas, where: str, one: Any, seen: _Seen) -> None:
    """Draws one object; nested classifications say nothing about its pixels."""
    if not isinstance(one, dict):
        canvas.refuse(where, f"is no object but {said(one)}", "export the project again")
        return
    kind, defect = one.get("annotation_kind"), one.get("name") or one.get("value")
    if kind == "ImagePolygon":
        canvas.draw(where, defect, canvas.polygon(where, _corners(one.get("polygon"))))
    elif kind == "ImageBoundingBox":
        canvas.draw(where, defect, lambda: _box(one.get("bounding_box")))
    elif kind == "ImagePolyline":
        canvas.draw(where, defect, canvas.line(where, _corners(one.get("line"))))
    elif kind == "ImageSegmentationMask":
        canvas.draw(where, defect, _stencil(canvas, where, one, seen))
    else:
        canvas.leave(where, f"is of the kind {said(kind)}")


def _corners(values: Any) -> Any:
    """Points {x, y} as pairs; what is no such list is left to the checks of the shape."""
    if not isinstance(values, list):
        return None
    return [[point.get("x"), point.get("y")] if isinstance(point, dict) else None for point in values]


def _box(values: Any) -> Shape:
    if not isinstance(values, dict):
        raise BadShape("has no bounding box")
    return box(*(values.get(name) for name in ("left", "top", "width", "height")))


def _stencil(canvas: Canvas, where: str, one: dict[str, Any], seen: _Seen) -> Make | None:
    """How to read a mask's file; None where it is missing, which is told for all of them together."""
    try:
        names, colour = _names(one)
    except BadShape as reason:
        canvas.refuse(where, str(reason), "export the project again")
        return None
    folder = canvas.collector.reading.labelbox_masks
    for name in names if folder else ():
        path = Path(folder or "") / name
        if path.is_file():
            return lambda: Stencil(path, colour)
    seen.missing.append(names[0])
    return None


def _names(one: dict[str, Any]) -> tuple[list[str], Colour | None]:
    """The files in which a mask may be, and its colour in a picture of several; raises BadShape."""
    feature, composite = one.get("feature_id"), one.get("composite_mask")
    found, colour = [], None
    if isinstance(composite, dict):
        address = _COMPOSITE.search(value_of(composite, "url", str) or "")
        found += [address[1]] if address else []
        colour = _colour(composite.get("color_rgb"))
    elif not isinstance(one.get("mask"), dict):
        raise BadShape("has no mask")
    found += [feature] if isinstance(feature, str) else []
    names = [f"{name}.png" for name in found if _ID.fullmatch(name)]
    if not names:
        raise BadShape(f"has a mask without a plain id ({said(feature)})")
    return names, colour


def _colour(values: Any) -> Colour:
    plain = isinstance(values, list) and len(values) == 3 and all(type(value) is int for value in values)
    if not plain or not all(0 <= value <= 255 for value in values) or not any(values):
        raise BadShape("has a color_rgb that is no colour")
    return tuple(values)


def _tell(collector: Collector, seen: _Seen, file: Path) -> None:
    """The problems that are told once."""
    if seen.unlabelled:
        what = f"{_first_of(seen.unlabelled, 'data row')} without a label: left out"
        collector.warn(file, "", what, "label them, or nothing: they do not count as good")
    if seen.several:
        what = f"{_first_of(seen.several, 'data row')} with several labels: {_RULE} is taken"
        collector.warn(file, "", what, "check that this is the right one")
    if seen.bare:
        what = f"{_first_of(seen.bare, 'data row')} with classifications but no objects: taken as good"
        collector.warn(file, "", what, "outline the defects, or take the images out")
    if seen.missing:
        names = list(dict.fromkeys(seen.missing))
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        what = f"{counted(len(names), 'mask file')} missing: {', '.join(names[:_SHOWN])}{more}"
        fix = "download them (docs/from-labelbox.md) and name their folder: --labelbox-masks masks"
        collector.refuse(file, "", what, fix)


def _first_of(places: Sequence[str], noun: str) -> str:
    return f"{counted(len(places), noun)} (first {places[0]})"
