"""CVAT's XML for the frames of a video, "CVAT for video 1.1": annotations.xml to be loaded into a task of that video.

A mask is a track of its own in every frame, as CVAT itself exports masks: of a longer track of masks CVAT loads the
first frame alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from types import TracebackType
from typing import Self
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from flawsmith.data.errors import UserError
from flawsmith.data.files import atomic, cannot_write
from flawsmith.data.formats.cvat import FILE
from flawsmith.data.formats.picture import Instance
from flawsmith.data.geometry.patch import Patch
from flawsmith.data.geometry.runs import row_runs


class CvatVideoWriter:
    """Writes the tracks of one video as they come; annotations.xml is there at the end, whole or not at all."""

    def __init__(self, output: Path, classes: Sequence[str]) -> None:
        """Raises UserError where the folder cannot be written to, and where XML has no place for a class's name."""
        if hidden := [name for name in classes if not name.isprintable()]:
            raise UserError(ascii(hidden[0]), "a name in XML has no control characters", None, "rename the class")
        self._output, self._classes = output, tuple(classes)
        self._tracks, self._frames, self._size = 0, 0, (0, 0)
        try:  # the head, which counts the frames, is written last
            output.mkdir(parents=True, exist_ok=True)
            self._body = TemporaryFile("w+", encoding="utf-8", newline="\n", dir=output)  # noqa: SIM115
        except OSError as reason:
            raise cannot_write(output / FILE, reason) from reason

    def add(self, frame: int, height: int, width: int, instances: Sequence[Instance]) -> None:
        """Adds what is in a frame, numbered from 0 as CVAT numbers them; frames may be left out."""
        self._frames, self._size = max(self._frames, frame + 1), (height, width)
        for one in instances:
            track = Element("track", id=str(self._tracks), label=one.defect, source="file")
            place = {"occluded": "0", **_place(one.patch), "z_order": "0"}
            SubElement(track, "mask", {"frame": str(frame), "keyframe": "1", "outside": "0", **place})
            SubElement(track, "mask", {"frame": str(frame + 1), "keyframe": "1", "outside": "1", **place})
            self._tracks += 1
            try:
                self._body.write(_text(track))
            except OSError as reason:
                raise cannot_write(self._output / FILE, reason) from reason

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._body:
            if kind is None:
                self._finish()

    def _finish(self) -> None:
        with atomic(self._output / FILE) as part, part.open("w", encoding="utf-8", newline="\n") as file:
            head = '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n'
            file.write(head + _text(_meta(self._classes, self._frames, *self._size)))
            self._body.seek(0)
            copyfileobj(self._body, file)
            file.write("</annotations>\n")


def _place(patch: Patch) -> dict[str, str]:
    """A mask as CVAT writes it: the runs along the rows of its box, and the box."""
    patch = Patch.of(patch.mask, patch.top, patch.left)
    left, top, width, height = map(str, patch.box)
    runs = ", ".join(map(str, row_runs(patch.mask).tolist()))
    return {"rle": runs, "left": left, "top": top, "width": width, "height": height}


def _meta(classes: Sequence[str], frames: int, height: int, width: int) -> Element:
    """The head: the task, its labels and the size of its frames."""
    meta = Element("meta")
    task = SubElement(meta, "task")
    facts = {"id": 1, "name": "flawsmith", "size": frames, "mode": "interpolation", "overlap": 0, "start_frame": 0}
    for name, value in {**facts, "stop_frame": max(frames - 1, 0), "frame_filter": ""}.items():
        SubElement(task, name).text = str(value)
    labels = SubElement(task, "labels")
    for one in classes:
        label = SubElement(labels, "label")
        SubElement(label, "name").text = one
        SubElement(label, "type").text = "any"
        SubElement(label, "attributes")
    size = SubElement(task, "original_size")
    SubElement(size, "width").text, SubElement(size, "height").text = str(width), str(height)
    return meta


def _text(element: Element) -> str:
    """An element below the root, indented."""
    indent(element, "  ", level=1)
    return f"  {tostring(element, encoding='unicode').rstrip()}\n"
