"""YOLO segmentation trees: a text file an image, a line an object, one closed ring of normalised points.

A line knows no hole and no second part, and trainers cut coordinates to whole pixels and fill with the edge included.
So the rings that are written lie a quarter pixel inside and go along seams of no width: either way of filling gives
the mask to the pixel.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.files import write_text
from flawsmith.data.formats.classnames import is_names, read_names
from flawsmith.data.formats.collect import Collector, Size
from flawsmith.data.formats.document import text_of
from flawsmith.data.formats.picture import Instance, Picture, copy_image
from flawsmith.data.formats.reading import Reading
from flawsmith.data.formats.size import size_of
from flawsmith.data.formats.tally import Tally
from flawsmith.data.geometry.patch import Patch
from flawsmith.data.geometry.seam import outlines
from flawsmith.data.geometry.shape import MOST_POINTS, Polygon, box, points, together
from flawsmith.data.listing import Listing
from flawsmith.data.problem import counted, refused

NAME = "yolo"
IMAGES, LABELS = "images", "labels"
PARTS = ("split", "bridge")
_DEEP = 4  # folders below the root in which labels are looked for
_FURTHEST = 0.5  # of the side by which a point may lie outside; further out it is no normalised coordinate
_SQUARE = 0.5  # px by which the corners of a turned box miss a rectangle, by rounding

Values = NDArray[np.float64]


def find(root: Path) -> list[Path]:
    """The files of class names and of labels, if the folder is such a tree; none otherwise. Never raises."""
    labels, names = [], [path for path in _files(root, 0) if is_names(path)]
    for folder in _label_folders(root):
        for path in _files(folder, _DEEP):
            if is_names(path):
                names.append(path)
            elif path.suffix.lower() == ".txt":
                labels.append(path)
    if labels and (names or any((path.parent.parent / IMAGES).is_dir() for path in labels)):
        return [*names, *labels]
    return []


def _label_folders(root: Path) -> Iterator[Path]:
    """The folders called labels, none within another."""
    for folder, below, _ in os.walk(root):
        depth = len(Path(folder).relative_to(root).parts)
        if LABELS in below:
            yield Path(folder) / LABELS
        below[:] = sorted(name for name in below if not name.startswith(".") and name != LABELS and depth < _DEEP)


def _files(root: Path, deep: int) -> Iterator[Path]:
    """The files of a folder and those below it, `deep` levels down, sorted; hidden ones not."""
    for folder, below, names in os.walk(root):
        depth = len(Path(folder).relative_to(root).parts)
        below[:] = sorted(name for name in below if not name.startswith(".") and depth < deep)
        yield from (Path(folder) / name for name in sorted(names) if not name.startswith("."))


def scan(root: Path, files: Sequence[Path], reading: Reading) -> Listing:
    """A row an image with a label file, or in a folder of which others have one; of images only headers are read."""
    collector = Collector(root, "YOLO", reading)
    names = read_names([path for path in files if is_names(path)], collector)
    labels = [path for path in files if not is_names(path)]
    if names is not None:
        tree = _Tree(root, collector, names)
        for path in labels:
            tree.read(path)
        tree.tell()
    return collector.listing()


@dataclass(frozen=True)
class _Line:
    """One object as it stands: its place, class and numbers."""

    where: str
    defect: str
    values: Values

    @property
    def is_box(self) -> bool:
        """True for a middle and two sides, as detectors have them."""
        return len(self.values) == 4

    def shape(self, size: Size) -> Polygon:
        """In pixels of an image (H, W); raises BadShape."""
        if self.is_box:
            x, y, width, height = (self.values.reshape(2, 2) * size[::-1]).ravel().tolist()
            return box(x - width / 2, y - height / 2, width, height)
        return _ring(self.values, size)


def _ring(values: Values, size: Size) -> Polygon:
    """The polygon of normalised x, y, x, y, … in an image (H, W)."""
    return Polygon((points(values.reshape(-1, 2) * size[::-1]),))


class _Tree:
    """Reads the label files one after another."""

    def __init__(self, root: Path, collector: Collector, names: Mapping[int, str]) -> None:
        self.root, self.collector, self.names = root, collector, names
        self.boxes: Counter[Path] = Counter()
        self.turned: Counter[Path] = Counter()
        self.outlines = 0
        self.labelled: set[PurePosixPath] = set()  # folders of images, as far as there are labels for them
        self.found: set[Path] = set()
        self.by_path: dict[str, list[Path]] = defaultdict(list)
        self.by_stem: dict[str, list[Path]] = defaultdict(list)
        for path in collector.images.paths:
            name = PurePosixPath(collector.images.name(path))
            self.by_path[name.with_suffix("").as_posix()].append(path)
            self.by_stem[name.stem].append(path)

    def read(self, path: Path) -> None:
        """Opens the row of the image of one label file, and draws its objects."""
        image = self._image(path)
        if image is None:
            return
        self.found.add(image)
        key = self.collector.row(path, image)
        tally = Tally()
        try:
            lines = list(self._lines(path, tally))
            size = size_of(image) if lines else (0, 0)
        except UserError as reason:
            problem = refused("", reason)
            self.collector.refuse(path, "", problem.what, problem.fix)
            return
        for line in lines:
            self.boxes[path] += line.is_box
            self.turned[path] += not line.is_box and _is_turned(line.values, size)
            self.outlines += not line.is_box
            self.collector.draw(key, path, line.where, line.defect, lambda line=line: line.shape(size))  # type: ignore[misc]
        if tally and not lines:
            self.collector.leave(key)
        tally.tell(self.collector, path)

    def _image(self, path: Path) -> Path | None:
        """The image of a label file: in images where that is in labels, else the only one of its stem."""
        parts = path.relative_to(self.root).parts
        place = len(parts) - 1 - parts[::-1].index(LABELS) if LABELS in parts else 0
        twin = PurePosixPath(*parts[:place], IMAGES, *parts[place + 1 :])
        self.labelled.add(twin.parent)
        stem = path.name[: -len(path.suffix)]
        same = self.by_path.get((twin.parent / stem).as_posix()) or self.by_stem.get(stem, [])
        if len(same) == 1:
            return same[0]
        there = ", ".join(self.collector.images.name(one) for one in same[:3])
        what = f"its image {stem} " + (f"is there {len(same)} times ({there})" if same else "is missing")
        self.collector.refuse(path, "", what, "put one image of this name into images, or take the labels out")
        return None

    def _lines(self, path: Path, tally: Tally) -> Iterator[_Line]:
        """The lines that are objects; the others are counted by what is wrong."""
        for number, text in enumerate(text_of(path).splitlines(), 1):
            if not text.strip():
                continue
            where, parts = f"line {number}", text.split()
            try:
                which, values = float(parts[0]), np.array(parts[1:], np.float64)
            except ValueError:
                tally.refuse(where, "has something that is no number", "write a class and x y x y …, all numbers")
                continue
            defect = self.names.get(int(which)) if which.is_integer() else None
            if defect is None:
                place = f"{where}, class {parts[0][:40]}"
                tally.refuse(place, "is of a class that has no name", "add it to the names")
            elif self._sound(where, values, tally):
                yield _Line(where, defect, values)

    def _sound(self, where: str, values: Values, tally: Tally) -> bool:
        """True for the numbers of a box or an outline."""
        if not np.isfinite(values).all():
            tally.refuse(where, "has a coordinate that is not finite", "export it again")
        elif len(values) == 2:
            tally.warn(where, "has one point, needs 3: left out", "draw it again, or delete it")
        elif len(values) % 2 or not len(values):
            found = f"{where}, {len(values)} numbers after the class"
            what = "has no pairs of x and y: a turned box, a pose, or a score at the end"
            tally.refuse(found, what, "export it for segmentation: class x1 y1 x2 y2 …")
        elif np.abs(values - 0.5).max() > 0.5 + _FURTHEST:
            far = f"{where}, {values[np.abs(values - 0.5).argmax()]:g}"
            what = "has a number far outside 0 to 1: a coordinate in pixels, or a key point of a pose"
            tally.refuse(far, what, "divide x by the image's width and y by its height")
        else:
            return True
        return False

    def tell(self) -> None:
        """What can be said when all is read: boxes that are no masks, images without a label file."""
        boxes, turned = +self.boxes, +self.turned
        if boxes:
            what = f"has the first of {boxes.total()} lines of 5 numbers: boxes, which are no masks, drawn as boxes"
            self.collector.warn(next(iter(boxes)), "", what, "outline them")
        if turned and turned.total() == self.outlines:
            what = "has four corners in every line, as turned boxes (OBB) have, which are no masks: drawn so"
            self.collector.warn(next(iter(turned)), "", what, "outline them")
        for folder, paths in self._unlabelled().items():
            for path in paths:
                self.collector.row(path, path)
            where, what = paths[0].parent, f"holds {counted(len(paths), 'image')} without a label file: taken as good"
            self.collector.warn(where, "", what, f"add the labels to {folder}, if they show defects")

    def _unlabelled(self) -> dict[str, list[Path]]:
        """Images without labels in folders of which others have some, by the folder where their labels belong."""
        found: dict[str, list[Path]] = defaultdict(list)
        for path in self.collector.images.paths:
            folder = PurePosixPath(self.collector.images.name(path)).parent
            if path not in self.found and folder in self.labelled:
                parts = folder.parts
                place = len(parts) - 1 - parts[::-1].index(IMAGES)
                found[PurePosixPath(*parts[:place], LABELS, *parts[place + 1 :]).as_posix()].append(path)
        return found


def _is_turned(values: Values, size: Size) -> bool:
    """True for the four corners of a rectangle that is not upright."""
    if len(values) != 8:
        return False
    corners = values.reshape(4, 2) * size[::-1]
    side, next_side = corners[1] - corners[0], corners[2] - corners[1]
    closed = np.abs(corners[0] + corners[2] - corners[1] - corners[3]).max() < _SQUARE
    length = float(np.hypot(*side))
    square = abs(float(side @ next_side)) < _SQUARE * max(length, float(np.hypot(*next_side)), _SQUARE)
    return bool(closed and square and np.abs(side).min() > _SQUARE)


class YoloWriter:
    """Writes images/train, labels/train and data.yaml; a label file that is empty says that its part is good.

    Pieces that touch nowhere become lines of their own, or one where `parts` is "bridge": then Ultralytics takes the
    pixels along the bridge for the object's too. Holes and corners that touch are always told in the one line.
    """

    lossless = False

    def __init__(self, output: Path, classes: Sequence[str], parts: str = "split") -> None:
        if parts not in PARTS:
            raise UsageError("--yolo-parts", f"one of {', '.join(PARTS)}", parts)
        self.output, self.classes, self.bridged = output, classes, parts == "bridge"
        self._numbers = {name: number for number, name in enumerate(classes)}
        self._stems: set[str] = set()

    def add(self, picture: Picture) -> list[float]:
        """Writes one image; the intersection over union of each object as the reader here decodes it."""
        stem = PurePosixPath(picture.name).with_suffix("").as_posix()
        if stem in self._stems:
            rule = "its label file must have a name of its own"
            raise UserError(picture.source, rule, f"{stem}.txt twice", "rename the image")
        self._stems.add(stem)
        copy_image(picture, self.output / IMAGES / "train" / picture.name)
        lines: list[str] = []
        kept = []
        for instance in picture.instances:
            written = self._rows(instance, picture)
            lines += written
            kept.append(_iou(instance.patch, written, (picture.height, picture.width)))
        write_text(self.output / LABELS / "train" / f"{stem}.txt", "".join(f"{line}\n" for line in lines))
        return kept

    def _rows(self, instance: Instance, picture: Picture) -> list[str]:
        """The lines of one object."""
        size = np.array([picture.width, picture.height], np.float64)
        places = max(6, len(str(int(size.max()))) + 1)  # off by a twentieth of a pixel at most
        rows = []
        for ring in outlines(instance.patch.mask, self.bridged):
            if len(ring) > MOST_POINTS:
                rule = f"an outline has at most {MOST_POINTS} points"
                raise UserError(picture.source, rule, len(ring), "convert to COCO, which holds any mask")
            values = (ring + np.array([instance.patch.left, instance.patch.top])) / size
            numbers = " ".join(f"{one:.{places}f}" for one in values.ravel().tolist())
            rows.append(f"{self._numbers[instance.defect]} {numbers}")
        return rows

    def close(self) -> None:
        """Writes data.yaml."""
        names = [f"  {number}: {_quoted(name)}" for number, name in enumerate(self.classes)]
        note = "# All images are in one part: split them, keeping what shows the same part together, before you score."
        lines = [note, "train: images/train", "val: images/train", "names:" if names else "names: []", *names]
        write_text(self.output / "data.yaml", "".join(f"{line}\n" for line in lines))


def _quoted(name: str) -> str:
    """A text as YAML and JSON both write it."""
    return json.dumps(name, ensure_ascii=not name.isprintable())


def _iou(patch: Patch, rows: Sequence[str], size: Size) -> float:
    """Intersection over union of an object with what its lines are read as."""
    rings = [_ring(np.array(row.split()[1:], np.float64), size) for row in rows]
    found = together(rings).patch(*size)
    top, left = min(patch.top, found.top), min(patch.left, found.left)
    ends = [(one.top + one.mask.shape[0], one.left + one.mask.shape[1]) for one in (patch, found)]
    canvases = np.zeros((2, max(end[0] for end in ends) - top, max(end[1] for end in ends) - left), bool)
    for canvas, one in zip(canvases, (patch, found), strict=True):
        Patch(one.top - top, one.left - left, one.mask).onto(canvas)
    return float((canvases[0] & canvases[1]).sum() / (canvases[0] | canvases[1]).sum())
