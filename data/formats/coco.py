"""COCO instances JSON: masks as compressed RLE with iscrowd 0, which is lossless where polygons are not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.errors import UserError
from flawsmith.data.files import write_json
from flawsmith.data.formats.collect import Collector, Size
from flawsmith.data.formats.document import field as read
from flawsmith.data.formats.document import listed, load_json
from flawsmith.data.formats.picture import Picture, copy_image
from flawsmith.data.formats.reading import Reading
from flawsmith.data.formats.size import size_of
from flawsmith.data.formats.tally import Tally
from flawsmith.data.geometry.patch import Patch
from flawsmith.data.geometry.runs import Runs, coco_runs
from flawsmith.data.geometry.shape import BadShape, Shape, box, polygon, together
from flawsmith.data.listing import Listing
from flawsmith.data.problem import refused

NAME = "coco"
ANNOTATIONS = "annotations.json"
_OF_A_RESULT = ("image_id", "category_id")
_LABELS = ("segmentation", "bbox", "keypoints", "score")  # one of them is in every entry of a list of results

Id = int | float | str
Value = TypeVar("Value")


def matches(document: Any) -> bool:
    """True for a file of instances, captions or key points, and for a bare list of results."""
    if isinstance(document, list):
        first = document[0] if document and isinstance(document[0], dict) else {}
        return all(key in first for key in _OF_A_RESULT) and any(key in first for key in _LABELS)
    if not isinstance(document, dict) or not isinstance(document.get("images"), list):
        return False
    return isinstance(document.get("annotations"), list) or isinstance(document.get("categories"), list)


def scan(root: Path, files: Sequence[Path], reading: Reading) -> Listing:
    """A row an image of all files; ids hold within their own file, an object that two files share is taken once."""
    collector = Collector(root, "COCO", reading)
    taken: set[int] = set()
    for path in files:
        try:
            content = load_json(path)
        except UserError as reason:
            problem = refused("", reason)
            collector.refuse(path, "", problem.what, problem.fix)
            continue
        _File(path, collector, taken).read(content)
    return collector.listing()


@dataclass(eq=False)
class _Image:
    """One entry of images[]: the row that it opened, None where its file was not found."""

    key: str | None
    name: str
    size: Size | None


@dataclass(eq=False)
class _File:
    """What one file says."""

    path: Path
    collector: Collector
    taken: set[int]  # digests of the objects of all files so far
    images: dict[Id, _Image] = field(default_factory=dict)
    classes: dict[Id, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    objects: dict[Id, int] = field(default_factory=dict)  # digest by id
    tally: Tally = field(default_factory=Tally)

    def read(self, content: Any) -> None:
        """All images and objects of the parsed file."""
        if not isinstance(content, dict):
            fix = "give the file with images, categories and annotations"
            self.collector.warn(self.path, "", "is a list of results without their images: left out", fix)
            return
        if not isinstance(content.get("annotations"), list):
            what = "has no annotations: whether its images are good is unknown, so they are left out"
            self.collector.warn(self.path, "", what, 'add "annotations": [] if all of them are good')
            return
        for number, entry in enumerate(listed(content, "images")):
            self._image(entry, number)
        for number, entry in enumerate(listed(content, "categories")):
            self._category(entry, number)
        for number, entry in enumerate(listed(content, "annotations")):
            self._annotation(entry, f"annotation {_said(entry, number)}")
        self.tally.tell(self.collector, self.path)

    def _image(self, entry: Any, number: int) -> None:
        """Opens the row of one entry of images[]."""
        where, identity, name = f"image {_said(entry, number)}", _id(entry, "id"), read(entry, "file_name", str)
        if identity is None or not name:
            self.collector.refuse(self.path, where, "has no id or no file_name", "export the labels again")
            return
        if identity in self.images and self.images[identity].name != name:
            what = f"has the id of {self.images[identity].name[:80]}: whose objects are whose is unknown"
            self.collector.refuse(self.path, f"{where}, {name[:80]}", what, "give every image an id of its own")
            return
        size, group, origin = _size(entry), _text(entry, "group"), _text(entry, "flawsmith_id")
        key = self.collector.image(self.path, name, where, size, group, origin)
        self.images[identity] = _Image(key, name, size)

    def _category(self, entry: Any, number: int) -> None:
        """Notes the name of one entry of categories[]; two ids of one name are one class."""
        where, identity, name = f"category {_said(entry, number)}", _id(entry, "id"), read(entry, "name", str)
        if identity is None or name is None or not name.strip():
            self.collector.refuse(self.path, where, "has no id or no name", "name it; its objects have no class now")
            return
        name = name.strip()
        if self.classes.get(identity, name) != name:
            what = f"is called {self.classes[identity][:80]} and {name[:80]}"
            self.collector.refuse(self.path, where, what, "give every category an id of its own")
            return
        if name in self.names and identity not in self.classes:
            what = f"has the name of another one ({name[:80]}): both are one class"
            self.collector.warn(self.path, where, what, "rename one of them if they are not")
        self.names.add(name)
        self.classes[identity] = name

    def _annotation(self, entry: Any, where: str) -> None:
        """Draws one entry of annotations[], or notes why not."""
        image, defect = _of(self.images, entry, "image_id"), _of(self.classes, entry, "category_id")
        if image is None:
            place = f"{where}, image_id {_shown(entry, 'image_id')}"
            self.tally.refuse(place, "belongs to an image not in images[]", "add the image, or delete it")
            return
        if image.key is None or self._repeated(entry, image.key, defect, where):
            return
        if self._left_out(entry, where):
            self.collector.leave(image.key)
            return
        if defect is None:
            place = f"{where}, category_id {_shown(entry, 'category_id')}"
            self.tally.refuse(place, "has a class that is not in categories[]", "add the category with its name")
            return
        make = self._drawing(entry, image, where)
        if make is None:
            self.collector.leave(image.key, defect)
        else:
            self.collector.draw(image.key, self.path, where, defect, make)

    def _repeated(self, entry: Any, key: str, defect: str | None, where: str) -> bool:
        """True where the same object has been read; an error where its id has been, for another one."""
        identity, digest = _id(entry, "id"), _digest(key, defect, entry.get("segmentation"), entry.get("bbox"))
        if identity is not None and self.objects.setdefault(identity, digest) != digest:
            self.tally.refuse(where, "has the id of another object", "give every annotation an id of its own")
            return True
        if digest in self.taken:
            what = "is the same as one before it, in this file or another: taken once"
            self.tally.warn(where, what, "nothing, or delete one of them")
            return True
        self.taken.add(digest)
        return False

    def _left_out(self, entry: Any, where: str) -> bool:
        """True for what is no object by intent: regions to ignore, key points, captions."""
        if entry.get("iscrowd") in (1, True):
            fix = "set iscrowd to 0 if it is an object: some tools mark all masks so"
            self.tally.warn(where, "is a region to ignore (iscrowd 1): left out", fix)
            return True
        if entry.get("segmentation"):
            return False
        if "keypoints" in entry:
            self.tally.warn(where, "has key points and no segmentation: left out", "outline it")
            return True
        if not entry.get("bbox"):
            self.tally.warn(where, "has neither segmentation nor bbox: left out", "outline it, or delete it")
            return True
        return False

    def _drawing(self, entry: Any, image: _Image, where: str) -> Callable[[], Shape] | None:
        """What makes the shape of an entry; None where there is too little of it."""
        segmentation = entry.get("segmentation")
        if not segmentation:
            return lambda: self._box(entry["bbox"], where)
        if isinstance(segmentation, dict):
            return lambda: self._runs(segmentation, image)
        if not isinstance(segmentation, list):
            kind = type(segmentation).__name__
            self.tally.refuse(where, f"has a segmentation that is no list and no RLE ({kind})", "export it again")
            return None
        rings = segmentation if isinstance(segmentation[0], list | dict) else [segmentation]
        kept = [ring for ring in rings if not _is_short(ring)]
        if len(kept) < len(rings):
            self.tally.warn(where, "has a ring of fewer than 3 points: left out", "draw it again, or delete it")
        return (lambda: together([self._part(ring, image) for ring in kept])) if kept else None

    def _part(self, part: Any, image: _Image) -> Shape:
        """One polygon, or one RLE, of an object of several."""
        if isinstance(part, dict):
            return self._runs(part, image)
        if not isinstance(part, list):
            raise BadShape("has a segmentation that is neither polygons nor RLE")
        return polygon([part])

    def _box(self, bbox: Any, where: str) -> Shape:
        """[x, y, width, height] as a shape, with a warning; raises BadShape."""
        if not isinstance(bbox, list) or len(bbox) != 4:
            raise BadShape("has a bbox that is not [x, y, width, height]")
        shape = box(*bbox)
        self.tally.warn(where, "has a box alone, which is no mask: drawn as a box", "outline it")
        return shape

    def _runs(self, entry: dict[str, Any], image: _Image) -> Runs:
        """An RLE, which must have the size of its image; where the labels do not state that, the image file does."""
        runs = coco_runs(entry.get("size"), entry.get("counts"))
        path = self.collector.images.find(image.name)[0] if image.size is None else None
        if path is not None:
            try:
                image.size = size_of(path)
            except UserError as reason:
                raise BadShape(f"has an image whose size is unknown ({reason.found})") from reason
        if image.size is not None and (runs.height, runs.width) != image.size:
            what = f"has an RLE of {runs.width}×{runs.height} px, its image {image.size[1]}×{image.size[0]} px"
            raise BadShape(what)
        return runs


def _is_short(ring: Any) -> bool:
    """True for a list of fewer than three points, flat or in pairs."""
    return isinstance(ring, list) and len(ring) < (3 if ring and isinstance(ring[0], list) else 6)


def _id(entry: Any, key: str) -> Id | None:
    """The entry's id of that name, None where there is none."""
    value = entry.get(key) if isinstance(entry, dict) else None
    return value if isinstance(value, int | float | str) and not isinstance(value, bool) else None


def _of(table: dict[Id, Value], entry: Any, key: str) -> Value | None:
    """What the entry's id of that name stands for, None where it is unknown."""
    identity = _id(entry, key)
    return table.get(identity) if identity is not None else None


def _digest(*parts: Any) -> int:
    """A number that differs where the parts do."""
    try:
        return hash(repr(parts))
    except RecursionError:  # lists within lists by the hundred, which are no shape anyway
        return id(parts[-1])


def _shown(entry: Any, key: str) -> str:
    """The entry's id as it is told."""
    identity = _id(entry, key)
    return repr(identity)[:40] if identity is not None else "none"


def _said(entry: Any, number: int) -> str:
    """What an entry is called: its id, else its place in the list."""
    identity = _id(entry, "id")
    return str(identity)[:40] if identity is not None else f"at place {number}"


def _text(entry: Any, key: str) -> str | None:
    """A text, or a whole number as text; None where there is none."""
    value = _id(entry, key)
    return str(value) if value not in (None, "") else None


def _size(entry: Any) -> Size | None:
    """(H, W) where both are stated."""
    height, width = read(entry, "height", int), read(entry, "width", int)
    return (height, width) if height and width and height > 0 and width > 0 else None


@dataclass(frozen=True)
class CocoImage:
    """One image's entry and its instances, each a class name and an encoded mask."""

    name: str
    width: int
    height: int
    instances: tuple[dict[str, Any], ...]
    group: str | None = None
    origin: str | None = None  # provenance id of a painted image


def encode(defect: str, mask: NDArray[np.bool_]) -> dict[str, Any]:
    """One instance: its class, RLE, area in pixels and box [x, y, w, h], from a mask (H, W) with a pixel or more."""
    return encode_patch(defect, Patch.of(mask), *mask.shape)


def encode_patch(defect: str, patch: Patch, height: int, width: int) -> dict[str, Any]:
    """The same from the pixels of an object in an image of that size."""
    patch = Patch.of(patch.mask, patch.top, patch.left)
    return {
        "defect": defect,
        "segmentation": {"size": [int(height), int(width)], "counts": _counts(patch, height, width)},
        "area": patch.area,
        "bbox": list(patch.box),
    }


def _counts(patch: Patch, height: int, width: int) -> str:
    """COCO's compressed text of a patch in an image of that size, without the image's empty rest in memory."""
    from pycocotools import mask as rle

    columns = np.pad(patch.mask.T, ((0, 0), (1, 1))).astype(np.int8)
    turns = np.diff(columns, axis=1)  # (w, h + 1): 1 where a run of ones begins, -1 after its end
    line, row = np.nonzero(turns)
    places = (patch.left + line) * height + patch.top + row
    # Where a run reaches the foot of its column and the next begins at the head of the one after, they are one run.
    seams = np.flatnonzero(np.diff(places) == 0)
    places = np.delete(places, np.concatenate([seams, seams + 1]))
    counts = np.diff(places, prepend=0, append=height * width)
    kept = counts if counts[-1] else counts[:-1]
    packed = rle.frPyObjects({"size": [height, width], "counts": kept.tolist()}, height, width)
    text: bytes = packed["counts"]
    return text.decode("ascii")


def document(images: Iterable[CocoImage], classes: Sequence[str]) -> dict[str, Any]:
    """The whole file: dense ids from 1, images sorted by name, categories in the given order."""
    identity = {name: number for number, name in enumerate(classes, 1)}
    content: dict[str, Any] = {
        "info": {"description": "written by flawsmith"},
        "licenses": [],
        "images": [],
        "annotations": [],
        "categories": [{"id": identity[name], "name": name, "supercategory": "defect"} for name in classes],
    }
    for number, image in enumerate(sorted(images, key=lambda image: image.name), 1):
        about = {"id": number, "file_name": image.name, "width": image.width, "height": image.height}
        extra = {"group": image.group, "flawsmith_id": image.origin}
        content["images"].append(about | {key: value for key, value in extra.items() if value})
        for instance in image.instances:
            entry = {key: value for key, value in instance.items() if key != "defect"}
            entry |= {"id": len(content["annotations"]) + 1, "image_id": number, "iscrowd": 0}
            content["annotations"].append(entry | {"category_id": identity[instance["defect"]]})
    return content


class CocoWriter:
    """Writes images/<name> and annotations.json, whose file names begin with images/."""

    lossless = True

    def __init__(self, output: Path, classes: Sequence[str]) -> None:
        self.output, self.classes = output, classes
        self._images: list[CocoImage] = []

    def add(self, picture: Picture) -> list[float]:
        """Copies the image and encodes its objects, all exactly."""
        name = f"images/{picture.name}"
        copy_image(picture, self.output / name)
        found = tuple(encode_patch(one.defect, one.patch, picture.height, picture.width) for one in picture.instances)
        about = picture.group or None, picture.origin
        self._images.append(CocoImage(name, picture.width, picture.height, found, *about))
        return [1.0] * len(found)

    def close(self) -> None:
        """Writes annotations.json."""
        write_json(self.output / ANNOTATIONS, document(self._images, self.classes))
