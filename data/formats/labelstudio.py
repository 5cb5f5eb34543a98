"""Label Studio's JSON export: a list of tasks. All geometry in percent of the image, brush masks packed in bits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import radians
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from xml.sax.saxutils import quoteattr

from flawsmith.data.files import write_text
from flawsmith.data.formats.brush import brush, encode
from flawsmith.data.formats.canvas import Canvas, Make, called, loaded, moment, said, side
from flawsmith.data.formats.collect import Collector, Size
from flawsmith.data.formats.document import field as value_of
from flawsmith.data.formats.document import listed
from flawsmith.data.formats.picture import Instance, Picture, copy_image
from flawsmith.data.formats.reading import Reading
from flawsmith.data.geometry.shape import BadShape, Ellipse, Shape, box, number, turned
from flawsmith.data.image import SUFFIXES
from flawsmith.data.listing import Listing
from flawsmith.data.problem import counted

NAME = "labelstudio"
_LAYOUT = "Label Studio"
_OURS = "flawsmith_id"  # in the data of a task that flawsmith wrote
_GROUP = "flawsmith_group"
_RULE = "the one marked as ground truth, else the newest (updated_at), else the last"
_KINDS = ("polygon", "rectangle", "ellipse", "brush", "magicwand")
_POINTS = ("keypoint", "vector")  # no area is filled between the points of either
_TELLING = {"choices", "textarea", "rating", "number", "taxonomy", "datetime", "relation", "pairwise", "ranker"}
_CLASSES = re.compile(r"[a-z]*labels")  # "labels" where it stands in a result of its own


@dataclass(frozen=True)
class _Task:
    """One task, and where it stands."""

    file: Path
    where: str
    content: dict[str, Any]
    data: dict[str, Any]


@dataclass
class _Seen:
    """What is told once for the whole data set."""

    unlabelled: list[str] = field(default_factory=list)
    several: list[str] = field(default_factory=list)  # annotations
    bare: list[str] = field(default_factory=list)  # choices without regions
    owners: dict[tuple[Path, str], tuple[str, str]] = field(default_factory=dict)  # of an image: task, address


def matches(document: Any) -> bool:
    """True for a list of tasks, for one task, and for JSON-MIN, which `scan` refuses with the reason."""
    task = document[0] if isinstance(document, list) and document else document
    if not isinstance(task, dict):
        return False
    labelled = any(isinstance(task.get(key), list) for key in ("annotations", "predictions"))
    return (isinstance(task.get("data"), dict) and labelled) or _is_short(task)


def _is_short(task: Any) -> bool:
    """True for a task of JSON-MIN: what was drawn stands in it under names that the project chose."""
    return isinstance(task, dict) and "data" not in task and {"annotation_id", "annotator"} <= task.keys()


def scan(root: Path, files: Sequence[Path], reading: Reading) -> Listing:
    """A row for each image of which a task has an annotation that was not cancelled."""
    collector, seen = Collector(root, _LAYOUT, reading), _Seen()
    for file in files:
        for task in _tasks(collector, file):
            _read(collector, task, seen)
    for places, what, fix in (
        (seen.unlabelled, "without an annotation: left out", "label them, or nothing: they do not count as good"),
        (seen.several, f"with several annotations: {_RULE} is taken", "check that this is the right one"),
        (seen.bare, "with choices but no regions: taken as good", "outline the defects, or take the images out"),
    ):
        if places:
            collector.warn(files[0], "", f"{counted(len(places), 'task')} (first {places[0]}) {what}", fix)
    return collector.listing()


def _tasks(collector: Collector, file: Path) -> Iterator[_Task]:
    """The tasks of a file; an error for whatever else stands there."""
    for document in loaded(collector, file):
        tasks = document if isinstance(document, list) else [document]
        if any(map(_is_short, tasks)):
            what = "is JSON-MIN, which does not say what was drawn how"
            collector.refuse(file, "", what, "export the project as JSON")
            return
        for place, task in enumerate(tasks, 1):
            data = value_of(task, "data", dict)
            if data is None:
                collector.refuse(file, f"task no. {place}", "is no task with data", "export the project as JSON")
            else:
                yield _Task(file, f"task {called(task.get('id'), place)}", task, data)


def _read(collector: Collector, task: _Task, seen: _Seen) -> None:
    """Opens the row of the image and draws the regions of the annotation that counts."""
    annotation = _annotation(task, seen)
    if annotation is None:
        seen.unlabelled.append(task.where)
        return
    results = listed(annotation, "result")
    size = next((size for size in map(_size, results) if size), None)
    key = _image(collector, task, size, seen)
    if key is None:
        return
    canvas = Canvas(collector, task.file, key)
    classes = _classes(results)
    drawn = False
    for place, one in enumerate(results, 1):
        where = f"{task.where}, result {called(value_of(one, 'id', str), place)}"
        drawn |= _draw(canvas, where, one, classes, size)
    if results and not drawn:
        seen.bare.append(task.where)


def _annotation(task: _Task, seen: _Seen) -> dict[str, Any] | None:
    """The annotation that counts, None where nobody made one.

    Predictions are a model's guess and no labels, except in a task that flawsmith wrote itself.
    """
    found = [one for one in listed(task.content, "annotations") if _counts(one)]
    if not found and _OURS in task.data:
        found = [one for one in listed(task.content, "predictions") if _counts(one)]
    if len(found) > 1:
        seen.several.append(task.where)
    places = range(len(found))
    best = max(places, key=lambda i: (found[i].get("ground_truth") is True, moment(found[i]), i), default=None)
    return None if best is None else found[best]


def _counts(annotation: Any) -> bool:
    """True for what was not cancelled and holds results, be it none."""
    whole = isinstance(annotation, dict) and isinstance(annotation.get("result"), list)
    return whole and not annotation.get("was_cancelled")


def _image(collector: Collector, task: _Task, size: Size | None, seen: _Seen) -> str | None:
    """Opens the row of the task's image; two uploads of one file that are one image here are an error."""
    addresses = list(_addresses(task))
    group, origin = value_of(task.data, _GROUP, str) or None, value_of(task.data, _OURS, str) or None
    for address in addresses:
        path = collector.images.find(address)[0]
        if path is None:
            continue
        key = collector.row(task.file, path, size, group, origin)
        first, other = seen.owners.setdefault((task.file, key), (task.where, addresses[0]))
        if other == addresses[0]:
            return key
        what = f"means the image {key}, and so does {first}, but they name two ({said(other)}, {said(addresses[0])})"
        collector.refuse(
            task.file, task.where, what, "name the images as Label Studio does, with the 8 characters before"
        )
        return None
    return collector.image(task.file, addresses[0] if addresses else "", task.where)


def _addresses(task: _Task) -> Iterator[str]:
    """What may be the name of the image: `data.image`, any other data that ends like one, the uploaded file."""
    texts = [value for key, value in task.data.items() if isinstance(value, str) and key not in (_OURS, _GROUP)]
    chosen = [value_of(task.data, "image", str)]
    chosen += [text for text in texts if _plain(text).lower().endswith(SUFFIXES)]
    chosen.append(value_of(task.content, "file_upload", str))
    yield from dict.fromkeys(_plain(text) for text in chosen if text)


def _plain(address: str) -> str:
    """The path in an address: of a file in Label Studio's local storage it stands behind ?d=."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    if parts.path.rstrip("/").endswith("/data/local-files"):
        return parse_qs(parts.query).get("d", [""])[-1]
    return address


def _classes(results: Sequence[Any]) -> dict[str, list[Any]]:
    """The classes that stand in a result of their own (`labels`), by the id of the region that they belong to."""
    found: dict[str, list[Any]] = {}
    for one in results:
        if isinstance(one, dict) and one.get("type") == "labels" and isinstance(one.get("id"), str):
            found.setdefault(one["id"], []).extend(listed(one.get("value"), "labels"))
    return found


def _draw(canvas: Canvas, where: str, one: Any, classes: dict[str, list[Any]], size: Size | None) -> bool:
    """Draws one region of an image (H, W); False for results that are none, such as choices."""
    kind = value_of(one, "type", str)
    if kind in _TELLING:
        return False
    if kind is None:
        canvas.refuse(where, "is no result with a type", "export the project again")
    elif kind.removesuffix("labels") in _POINTS:
        canvas.leave(where, f"is a {kind.removesuffix('labels')}")
    elif kind.removesuffix("labels") in _KINDS:
        _region(canvas, where, one, classes, size)
    elif kind != "labels":
        canvas.refuse(where, f"is of the type {said(kind)}, which is not known", "draw it with the brush")
    return True


def _region(canvas: Canvas, where: str, one: dict[str, Any], classes: dict[str, list[Any]], size: Size | None) -> None:
    """Draws what has an area, if it has one class and fits the image (H, W)."""
    value, turn = value_of(one, "value", dict) or {}, one.get("image_rotation")
    own = [name for key in value if _CLASSES.fullmatch(key) for name in listed(value, key)]
    names = own or classes.get(value_of(one, "id", str) or "", [])
    distinct = [name for place, name in enumerate(names) if name not in names[:place]]
    if len(distinct) > 1:
        shown = ", ".join(map(said, distinct[:5]))
        canvas.refuse(where, f"has {len(distinct)} classes ({shown})", "leave it one")
    elif turn not in (None, 0, 360):
        what = f"was drawn in an image turned by {said(turn)} degrees"
        canvas.refuse(where, what, "turn the image file itself, and label it upright")
    elif size is None or _size(one) != size:
        what = "has no original_width and original_height, or others than the results before"
        canvas.refuse(where, what, "export the project again")
    else:
        canvas.draw(where, distinct[0] if distinct else None, _make(canvas, where, one["type"], value, size))


def _size(one: Any) -> Size | None:
    """(H, W) for which a result was made, None where it does not say."""
    try:
        return side(one["original_height"], "original_height"), side(one["original_width"], "original_width")
    except (BadShape, KeyError, TypeError):
        return None


def _make(canvas: Canvas, where: str, kind: str, value: dict[str, Any], size: Size) -> Make | None:
    """How to make a region of an image (H, W), None where it has no area, which is a problem by then."""
    height, width = size
    scale = width / 100, height / 100
    if kind.startswith("polygon"):
        return canvas.polygon(where, value.get("points"), scale)
    if kind.startswith("rectangle"):
        return lambda: _rectangle(value, scale)
    if kind.startswith("ellipse"):
        return lambda: _ellipse(value, scale)
    if value.get("format", "rle") != "rle":
        canvas.refuse(where, f"has a brush mask in the format {said(value['format'])}", "export the project again")
        return None
    return lambda: brush(value.get("rle"), height, width)


def _numbers(value: dict[str, Any], scale: tuple[float, float], sides: tuple[str, str]) -> list[float]:
    """x, y and two sizes, of percent in pixels, and the rotation in radians; raises BadShape."""
    found = [number(value.get(name), name) * scale[place % 2] for place, name in enumerate(("x", "y", *sides))]
    return [*found, radians(number(value.get("rotation") or 0, "rotation"))]


def _rectangle(value: dict[str, Any], scale: tuple[float, float]) -> Shape:
    """A rectangle turned about its upper left corner."""
    left, top, wide, high, angle = _numbers(value, scale, ("width", "height"))
    return turned(box(left, top, wide, high), angle, about=(left, top))


def _ellipse(value: dict[str, Any], scale: tuple[float, float]) -> Shape:
    """An ellipse turned about its middle."""
    return Ellipse(*_numbers(value, scale, ("radiusX", "radiusY")))


class LabelStudioWriter:
    """images/, tasks.json with the masks as predictions (pre-annotations) and label_config.xml.

    The provenance id stands in the data of a task, which Label Studio shows as a column and exports again.
    """

    lossless = True

    def __init__(self, output: Path, classes: Sequence[str]) -> None:
        self._output, self._classes = output, tuple(classes)
        self._tasks: list[str] = []

    def add(self, picture: Picture) -> list[float]:
        """Writes the image and notes its task; masks are kept exactly."""
        copy_image(picture, self._output / "images" / picture.name)
        result = [_result(place, one, picture) for place, one in enumerate(picture.instances, 1)]
        task = {
            "id": len(self._tasks) + 1,
            "data": {
                "image": f"/data/local-files/?d=images/{quote(picture.name)}",
                _OURS: picture.origin or "",
                _GROUP: picture.group,
            },
            "predictions": [{"model_version": "flawsmith", "result": result}],
        }
        self._tasks.append(json.dumps(task, sort_keys=True, ensure_ascii=False, separators=(",", ":")))
        return [1.0] * len(picture.instances)

    def close(self) -> None:
        """Writes the tasks, a line each, and the interface that shows them."""
        write_text(self._output / "tasks.json", "[\n" + ",\n".join(self._tasks) + "\n]\n")
        labels = "".join(f"    <Label value={quoteattr(name)}/>\n" for name in self._classes)
        brush_tag = f'  <BrushLabels name="label" toName="image">\n{labels}  </BrushLabels>\n'
        image_tag = '  <Image name="image" value="$image" zoom="true"/>\n'
        write_text(self._output / "label_config.xml", f"<View>\n{image_tag}{brush_tag}</View>\n")


def _result(place: int, instance: Instance, picture: Picture) -> dict[str, Any]:
    """One object as a region of the brush."""
    mask = instance.patch.full(picture.height, picture.width)
    return {
        "id": f"object{place}",
        "type": "brushlabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": picture.width,
        "original_height": picture.height,
        "image_rotation": 0,
        "value": {"format": "rle", "rle": list(encode(mask)), "brushlabels": [instance.defect]},
    }
