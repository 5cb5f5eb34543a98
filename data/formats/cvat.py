"""CVAT's own XML, "CVAT for images 1.1" and "CVAT for video 1.1": annotations.xml beside images/.

Each object keeps its own pixels: z_order, which says what hides what on the screen, changes none. Images are known by
their names, as each task numbers its own from 0. Masks are run lengths along the rows of their box, unlike COCO's.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from colorsys import hsv_to_rgb
from dataclasses import dataclass, field, replace
from math import radians
from pathlib import Path, PurePosixPath
from shutil import copyfileobj
from tempfile import TemporaryFile
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

from flawsmith.data.errors import UserError
from flawsmith.data.files import atomic, cannot_write
from flawsmith.data.formats.collect import Collector, Size
from flawsmith.data.formats.document import load_xml
from flawsmith.data.formats.picture import Instance, Picture, copy_image
from flawsmith.data.formats.reading import Reading
from flawsmith.data.geometry.patch import Patch
from flawsmith.data.geometry.runs import Runs, lengths, row_runs
from flawsmith.data.geometry.shape import (
    MOST_POINTS,
    BadShape,
    Ellipse,
    Line,
    Polygon,
    Shape,
    box,
    number,
    points,
    turned,
)
from flawsmith.data.image import SUFFIXES
from flawsmith.data.listing import Listing
from flawsmith.data.problem import below, counted, refused
from flawsmith.data.record import GOOD

NAME = "cvat"
LAYOUT = "CVAT"
FILE = "annotations.xml"
ORIGIN = "flawsmith_id"  # the attribute of a painted object that holds its provenance id

Series = dict[tuple[Path, str], dict[int, Path]]  # numbered images, by their folder and what precedes the number

_LINE = "polyline"
_AGAIN, _BESIDE = "named again", "tag beside objects"  # of notes; no element is called so
_UNNAMED = "defect"  # a class without a name
_NUMBERED = re.compile("(.*?)([0-9]{1,15})")  # the stem of a video's frame
_FRAME = "frame_"  # how those of CVAT itself begin
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def matches(tag: str, head: bytes) -> bool:
    """True for the root element of CVAT's XML, however the file begins."""
    return tag == "annotations"


def scan(root: Path, files: Sequence[Path], reading: Reading) -> Listing:
    """A row for each image, and for each frame of a video; an image with a defect that has no outline is not good."""
    reader = _Reader(Collector(root, LAYOUT, reading))
    for file in files:
        reader.read(file)
    return reader.listing()


@dataclass
class _Sheet:
    """One XML file while it is read: its task, and what is told once about all of it."""

    file: Path
    images: bool = False  # it lists images, no frames
    video: bool = False
    size: Size | None = None  # of a video's frames
    first: int = 0
    last: int | None = None
    series: Series | None = None  # of images that may be its frames
    frames: dict[str, dict[int, Path]] = field(default_factory=dict)  # by subset and number
    missing: set[tuple[str, int]] = field(default_factory=set)  # frames with objects and without an image
    notes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # places by what is noted there


class _Reader:
    """All files of one data set: the objects of an image that stands in several are joined."""

    def __init__(self, collector: Collector) -> None:
        self.collector, self.images = collector, collector.images
        self._exact = {self.images.name(path): path for path in self.images.paths}
        self._endings = tuple(dict.fromkeys(path.suffix for path in self.images.paths))
        self._said: dict[str, str] = {}  # what the files call an image
        self._defects: dict[str, str] = {}  # of an image, whether it has an outline or not
        self._tags: list[tuple[Path, str, str]] = []  # file, image and class

    def read(self, file: Path) -> None:
        """Reads one file, as far as it goes."""
        sheet = _Sheet(file)
        try:
            for element in _entries(file):
                self._entry(sheet, element)
        except UserError as reason:
            problem = refused("", reason)
            self.collector.refuse(file, "", problem.what, problem.fix)
        self._good_frames(sheet)
        self._report(sheet)

    def listing(self) -> Listing:
        """All of it; a tag is the class of an image without outlines."""
        outlined = {row.name for row in self.collector.listing().rows if row.drawn}
        beside: dict[Path, list[str]] = defaultdict(list)
        for file, key, tag in self._tags:
            if key in outlined:
                beside[file].append(f"{key}, {tag}")
            else:
                self._defects.setdefault(key, tag)
        for file, places in beside.items():
            self._note(file, _BESIDE, places)
        found = self.collector.listing()
        rows = (replace(row, defect=None if row.drawn else self._defects.get(row.name)) for row in found.rows)
        return replace(found, rows=tuple(rows))

    def _entry(self, sheet: _Sheet, element: Element) -> None:
        """Reads one element below the root."""
        if element.tag == "meta":
            _task(sheet, element)
        elif element.tag == "image":
            self._image(sheet, element)
        elif element.tag == "track":
            self._track(sheet, element)

    def _image(self, sheet: _Sheet, element: Element) -> None:
        """Opens an image's row and draws its objects."""
        sheet.images = True
        name, size = element.get("name", ""), None
        try:
            size = _size(element.get("width"), element.get("height"))
        except BadShape as reason:
            self.collector.refuse(sheet.file, f"image {name[:80]}", str(reason), "export it again")
        key = self._open(sheet, name, element.get("subset", ""), size, _origin(element))
        if key is None:
            return
        for index, child in enumerate(element, 1):
            label = child.get("label", "")
            if child.tag != "tag":
                self._draw(sheet, key, f"object {index} ({child.tag[:40]})", label, child)
            elif label.strip().casefold() != GOOD:
                self._tags.append((sheet.file, key, label.strip() or _UNNAMED))

    def _open(self, sheet: _Sheet, name: str, subset: str, size: Size | None, origin: str | None) -> str | None:
        """The key of the image that the file calls so, None where there is none."""
        path = self._place(sheet.file, name, subset)
        if path is None:
            return self.collector.image(sheet.file, name, "", size, None, origin)
        key = self.collector.row(sheet.file, path, size, None, origin)
        said = f"{subset}/{name}".lstrip("/")
        if key not in self._said:
            self._said[key] = said
        elif self._said[key] == said:
            sheet.notes[_AGAIN].append(key)
        else:
            what = f"is the only image for {self._said[key][:80]} and {said[:80]}"
            self.collector.refuse(sheet.file, key, what, "put both images into the folders that CVAT had them in")
        return key

    def _place(self, file: Path, name: str, subset: str) -> Path | None:
        """The image of that name: where CVAT puts it beside its file, or wherever else it is found."""
        base = below(self.collector.root, file.parent)
        ends = PurePosixPath(name).suffix.lower() in SUFFIXES  # names of a video's frames have none
        names = [name] if ends else [name, *(name + ending for ending in self._endings)]
        for folder in dict.fromkeys((f"{base}/images/{subset}", f"{base}/images", base, f"images/{subset}", subset)):
            for one in names:
                if path := self._exact.get(PurePosixPath(folder, one).as_posix()):
                    return path
        found = (self.images.find(f"{subset}/{one}" if subset else one)[0] for one in names)
        return next((path for path in found if path is not None), None)

    def _draw(self, sheet: _Sheet, key: str, where: str, label: str, element: Element) -> None:
        """Adds one object to its image; one that has no area is noted."""
        if element.get("outside") == "1":  # it has left the picture
            return
        kind, width = element.tag, self.collector.reading.line_width
        if label.strip().casefold() != GOOD:
            self._defects.setdefault(key, label.strip() or _UNNAMED)
        least = {"polygon": 3, _LINE: 2}.get(kind, 0)
        if kind not in _SHAPES or (kind == _LINE and width is None):
            sheet.notes[kind].append(f"{key}, {where}")
        elif _is_short(element, least):
            what = f"has fewer than {least} points: left out"
            self.collector.warn(sheet.file, f"{key}, {where}, {label}", what, "draw it again, or delete it")
        else:
            self.collector.draw(key, sheet.file, where, label, lambda: _SHAPES[kind](element, width or 0.0))

    def _track(self, sheet: _Sheet, element: Element) -> None:
        """Draws an object of a video in each of its frames; CVAT has filled in those between keyframes."""
        sheet.video = True
        subset, where = element.get("subset", ""), f"track {element.get('id', '')[:20]}"
        for child in element:
            frame = child.get("frame", "")
            if not re.fullmatch("[0-9]{1,9}", frame):
                what = f"has a frame that is no number ({frame[:40]!r})"
                self.collector.refuse(sheet.file, where, what, "export it again")
            elif child.get("outside") != "1":
                path = self._frames(sheet, subset).get(int(frame))
                if path is None:
                    sheet.missing.add((subset, int(frame)))
                    continue
                key = self.collector.row(sheet.file, path, sheet.size)
                self._draw(sheet, key, f"{where} ({child.tag[:40]})", element.get("label", ""), child)

    def _frames(self, sheet: _Sheet, subset: str) -> dict[int, Path]:
        """The images of a video by their number: CVAT's own, or the only series that begins with the first frame."""
        if subset not in sheet.frames:
            sheet.series = sheet.series if sheet.series is not None else self._series(sheet.file)
            inside = {key: frames for key, frames in sheet.series.items() if key[0].name == subset} or sheet.series
            own = [frames for (_, prefix), frames in inside.items() if prefix == _FRAME]
            usable = own or [frames for frames in inside.values() if min(frames) == sheet.first]
            sheet.frames[subset] = usable[0] if len(usable) == 1 else {}
        return sheet.frames[subset]

    def _series(self, file: Path) -> Series:
        """The numbered images in the folder of a file, or wherever they are said to be."""
        series: Series = defaultdict(dict)
        for path in self.images.paths:
            found = _NUMBERED.fullmatch(path.stem)
            if found and (self.collector.reading.images or path.is_relative_to(file.parent)):
                series[path.parent, found[1]].setdefault(int(found[2]), path)
        return series

    def _good_frames(self, sheet: _Sheet) -> None:
        """Opens the rows of all frames of a video: those without an object are good."""
        if sheet.images or not sheet.video:
            return
        for frames in [*sheet.frames.values()] or [self._frames(sheet, "")]:
            for index, path in frames.items():
                if sheet.first <= index and (sheet.last is None or index <= sheet.last):
                    self.collector.row(sheet.file, path, sheet.size)

    def _report(self, sheet: _Sheet) -> None:
        """Tells once what is so of many objects, images or frames of a file."""
        for kind, places in sheet.notes.items():
            self._note(sheet.file, kind, places)
        if not sheet.missing:
            return
        first = min(index for _, index in sheet.missing)
        what = (
            f"{counted(len(sheet.missing), 'frame')} with objects and without an image, first frame {first}: left out"
        )
        fix = 'export with "Save images", as "CVAT for images 1.1", and leave the images beside the XML'
        tell = self.collector.warn if any(sheet.frames.values()) else self.collector.refuse
        tell(sheet.file, "", what, fix)

    def _note(self, file: Path, kind: str, places: Sequence[str]) -> None:
        """One problem for all places where something of a kind was found."""
        count, first = len(places), f"first {places[0]}"
        if kind == _LINE:
            what, fix = f"{counted(count, 'open line')} without a width, {first}", "give it with --line-width, in px"
            self.collector.refuse(file, "", what, fix)
        elif kind == _AGAIN:
            what = f"{counted(count, 'image')} named again, {first}: the objects are joined"
            self.collector.warn(file, "", what, "leave one export of each task in the folder")
        elif kind == _BESIDE:
            what = f"{counted(count, 'tag')} of images with outlined defects, {first}: left out"
            self.collector.warn(file, "", what, "nothing, or outline that defect too")
        else:
            what = f"{counted(count, 'object')} of type {kind[:40]}, {first}: left out"
            self.collector.warn(file, "", what, "outline it as a mask, polygon, box or ellipse")


def _entries(file: Path) -> Iterator[Element]:
    """The elements below the root, whole, one after the other; none is kept. Raises UserError."""
    depth, root = 0, None
    for event, element in load_xml(file):
        depth += 1 if event == "start" else -1
        if root is None:
            root = element
        elif event == "end" and depth == 1:
            yield element
            root.clear()


def _task(sheet: _Sheet, meta: Element) -> None:
    """What a file's head says about its only task, which matters for videos."""
    tasks = [element for element in meta.iter() if element.tag in ("task", "job")]
    if len(tasks) != 1:
        return
    texts = {name: (tasks[0].findtext(name) or "").strip() for name in ("mode", "start_frame", "stop_frame")}
    numbers = {name: int(text) for name, text in texts.items() if re.fullmatch("[0-9]{1,15}", text)}
    sheet.video = texts["mode"] == "interpolation"
    sheet.first, sheet.last = numbers.get("start_frame", 0), numbers.get("stop_frame")
    original = meta.find(".//original_size")
    try:
        sheet.size = _size(original.findtext("width"), original.findtext("height")) if original is not None else None
    except BadShape:  # the frames themselves know better
        sheet.size = None


def _size(width: str | None, height: str | None) -> Size | None:
    """Height and width in px, None where neither is given; raises BadShape."""
    if width is None and height is None:
        return None
    return _whole(height, "height", 1), _whole(width, "width", 1)


def _whole(text: str | None, name: str, least: int = 0) -> int:
    """A whole number; raises BadShape."""
    value = number(text, name, least)
    if value != int(value):
        raise BadShape(f"has a {name} that is no whole number ({value:g})")
    return int(value)


def _origin(element: Element) -> str | None:
    """The provenance id that an image's objects have as their attribute."""
    attributes = (one for child in element for one in child.findall("attribute") if one.get("name") == ORIGIN)
    return next((text for one in attributes if (text := (one.text or "").strip())), None)


def _is_short(element: Element, least: int) -> bool:
    """True for fewer points than there must be, each of them a pair."""
    if element.get("points", "").count(";") >= least:
        return False
    pairs = _pairs(element)
    return len(pairs) < least and all(len(pair) == 2 for pair in pairs)


def _pairs(element: Element) -> list[list[str]]:
    """The x and y of "x,y;x,y;…", as texts; raises BadShape on more than a shape may have, before they are parted."""
    text = element.get("points", "").strip()
    if text.count(";") > MOST_POINTS:
        raise BadShape(f"has more than {MOST_POINTS} points")
    return [pair.split(",") for pair in text.split(";")] if text else []


def _polygon(element: Element, _: float) -> Shape:
    return Polygon((points(_pairs(element)),))


def _polyline(element: Element, width: float) -> Shape:
    return Line(points(_pairs(element), 2), width)


def _mask(element: Element, _: float) -> Shape:
    left, top = (_whole(element.get(name), name) for name in ("left", "top"))
    width, height = (_whole(element.get(name), name) for name in ("width", "height"))
    return Runs(lengths(element.get("rle", "").split(",")), left, top, width, height, columns=False)


def _box(element: Element, _: float) -> Shape:
    left, top, right, bottom = (number(element.get(name), name) for name in ("xtl", "ytl", "xbr", "ybr"))
    rotation = _rotation(element)
    upright = box(left, top, right - left, bottom - top)
    return turned(upright, rotation) if rotation else upright


def _ellipse(element: Element, _: float) -> Shape:
    x, y, across, down = (number(element.get(name), name) for name in ("cx", "cy", "rx", "ry"))
    return Ellipse(x, y, across, down, _rotation(element))


def _rotation(element: Element) -> float:
    """The rotation in radians, which CVAT writes in degrees, clockwise, and only where there is one."""
    return radians(number(element.get("rotation", "0"), "rotation"))


_SHAPES: dict[str, Callable[[Element, float], Shape]] = {
    "polygon": _polygon,
    "mask": _mask,
    "box": _box,
    "ellipse": _ellipse,
    _LINE: _polyline,
}


class CvatWriter:
    """Writes annotations.xml and images/ as CVAT exports a task; masks are exact."""

    lossless = True

    def __init__(self, output: Path, classes: Sequence[str]) -> None:
        """Raises UserError where the folder cannot be written to."""
        self._output, self._classes = output, tuple(classes)
        self._count, self._painted = 0, False
        try:  # the head, which counts the images, is written last
            self._images = TemporaryFile("w+", encoding="utf-8", newline="\n", dir=output)  # noqa: SIM115
        except OSError as reason:
            raise cannot_write(output / FILE, reason) from reason

    def add(self, picture: Picture) -> list[float]:
        """Writes one image; every mask is kept as it is."""
        size = f'width="{picture.width}" height="{picture.height}"'
        lines = [f'  <image id="{self._count}" name={_quoted(picture.name)} {size}>']
        for instance in picture.instances:
            lines += _lines(instance, picture.origin)
        copy_image(picture, self._output / "images" / picture.name)
        try:
            self._images.writelines(f"{line}\n" for line in [*lines, "  </image>"])
        except OSError as reason:
            raise cannot_write(self._output / FILE, reason) from reason
        self._count += 1
        self._painted |= picture.origin is not None
        return [1.0] * len(picture.instances)

    def close(self) -> None:
        """Writes the XML, whole or not at all."""
        with self._images, atomic(self._output / FILE) as part, part.open("w", encoding="utf-8", newline="\n") as file:
            file.write(_head(self._classes, self._count, self._painted))
            self._images.seek(0)
            copyfileobj(self._images, file)
            file.write("</annotations>\n")


def _lines(instance: Instance, origin: str | None) -> list[str]:
    """The lines of one object: the runs of its mask, in the smallest box around it."""
    patch = Patch.of(instance.patch.mask, instance.patch.top, instance.patch.left)
    left, top, width, height = patch.box
    runs = ", ".join(map(str, row_runs(patch.mask).tolist()))
    place = f'rle="{runs}" left="{left}" top="{top}" width="{width}" height="{height}" z_order="0"'
    lines = [f'    <mask label={_quoted(instance.defect)} source="file" occluded="0" {place}>']
    if origin is not None:
        lines.append(f'      <attribute name="{ORIGIN}">{_escaped(origin)}</attribute>')
    return [*lines, "    </mask>"]


def _head(classes: Sequence[str], count: int, painted: bool) -> str:
    """The XML up to the first image: the task and its labels."""
    labels = "\n".join(_label(index, name, painted) for index, name in enumerate(classes))
    return f"""<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <id>1</id>
      <name>flawsmith</name>
      <size>{count}</size>
      <mode>annotation</mode>
      <overlap>0</overlap>
      <start_frame>0</start_frame>
      <stop_frame>{max(count - 1, 0)}</stop_frame>
      <frame_filter></frame_filter>
      <labels>
{labels}
      </labels>
    </task>
  </meta>
"""


def _label(index: int, name: str, painted: bool) -> str:
    """The XML of one label; a colour of its own, and an attribute for provenance ids where there are any."""
    red, green, blue = (round(255 * part) for part in hsv_to_rgb(index * 0.618034 % 1, 0.75, 0.95))  # golden angle
    attribute = f"""
            <attribute>
              <name>{ORIGIN}</name>
              <mutable>False</mutable>
              <input_type>text</input_type>
              <default_value></default_value>
              <values></values>
            </attribute>"""
    return f"""        <label>
          <name>{_escaped(name)}</name>
          <color>#{red:02x}{green:02x}{blue:02x}</color>
          <type>any</type>
          <attributes>{attribute if painted else ""}
          </attributes>
        </label>"""


def _escaped(text: str) -> str:
    """The text as content of an element; raises UserError on characters that XML has no place for."""
    if found := _NO_XML.search(text):
        raise UserError(ascii(text), "a name in XML has no such character", ascii(found[0]), "rename it")
    return escape(text)


def _quoted(text: str) -> str:
    """The text as an attribute's value with its quotes; raises UserError as above."""
    _escaped(text)
    return quoteattr(text)
