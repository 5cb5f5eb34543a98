"""What becomes of predictions: a table of lines, and the label formats of other tools."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.files import cannot_write, write_json
from flawsmith.data.formats.classpng import ClassPngWriter
from flawsmith.data.formats.coco import ANNOTATIONS, CocoImage, document, encode_patch
from flawsmith.data.formats.cvat import CvatWriter
from flawsmith.data.formats.cvat_video import CvatVideoWriter
from flawsmith.data.formats.picture import Instance, Picture, Writer, copy_image
from flawsmith.data.image import write_image
from flawsmith.segment.annotate import annotate
from flawsmith.segment.instances import Found
from flawsmith.segment.video import VideoWriter

LINES = "predictions.jsonl"


@dataclass(frozen=True, eq=False)
class Shot:
    """One image, or one frame of a video, and what was found on it; `name` is that of its results, without ending."""

    name: str
    place: str  # the file, or the video's file or address
    image: NDArray[Any]  # (H, W, C) uint8 or uint16
    score: float = 0.0  # of the whole
    found: tuple[Found, ...] = ()
    file: Path | None = None  # None: a frame
    frame: int | None = None
    time: float | None = None  # s from the video's beginning

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def instances(self) -> tuple[Instance, ...]:
        """What was found, as writers take it."""
        return tuple(Instance(one.defect, one.patch) for one in self.found)


class Sink(Protocol):
    """Takes one prediction after the other; what it writes is whole at the end of the with block."""

    def add(self, shot: Shot) -> None:
        """Takes one; raises UserError where the disk refuses."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Lines:
    """predictions.jsonl: a line for each image and frame, there to be read as soon as it is complete."""

    def __init__(self, output: Path, classes: Sequence[str]) -> None:
        self._path = output / LINES
        try:
            self._file = self._path.open("w", encoding="utf-8", newline="\n")
        except OSError as reason:
            raise cannot_write(self._path, reason) from reason

    def add(self, shot: Shot) -> None:
        """Writes a line."""
        try:
            self._file.write(json.dumps(_line(shot), ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as reason:
            raise cannot_write(self._path, reason) from reason

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *of: object) -> None:
        try:
            self._file.close()  # which writes what a full disk refused before
        except OSError as reason:
            if kind is None:
                raise cannot_write(self._path, reason) from reason


def _line(shot: Shot) -> dict[str, Any]:
    """One prediction as JSON; masks are COCO's compressed RLE."""
    height, width = shot.size
    about = {"frame": shot.frame, "time": None if shot.time is None else round(shot.time, 6)}
    return {
        "image": shot.name,
        "source": shot.place,
        **{key: value for key, value in about.items() if value is not None},
        "height": height,
        "width": width,
        "score": round(shot.score, 6),
        "instances": [{"class": one.defect, **_encoded(one, height, width)} for one in shot.found],
    }


def _encoded(one: Found, height: int, width: int) -> dict[str, Any]:
    entry = encode_patch(one.defect, one.patch, height, width)
    return {"score": round(one.score, 6), **{key: value for key, value in entry.items() if key != "defect"}}


class Coco:
    """coco/: images/ and annotations.json, whose annotations have a score."""

    def __init__(self, output: Path, classes: Sequence[str]) -> None:
        self._output, self._classes = output / "coco", classes
        self._images: list[CocoImage] = []
        self._files = _Files()

    def add(self, shot: Shot) -> None:
        """Copies the image, and notes its instances."""
        height, width = shot.size
        picture = self._files.picture(shot)
        copy_image(picture, self._output / "images" / picture.name)
        found = tuple({"defect": one.defect, **_encoded(one, height, width)} for one in shot.found)
        self._images.append(CocoImage(f"images/{picture.name}", width, height, found))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *of: object) -> None:
        self._files.close()
        if kind is None:
            write_json(self._output / ANNOTATIONS, document(self._images, self._classes))


class Written:
    """A folder in a label format of flawsmith convert."""

    def __init__(self, output: Path, classes: Sequence[str], writer: Callable[[Path, Sequence[str]], Writer]) -> None:
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as reason:
            raise cannot_write(output, reason) from reason
        self._writer, self._files = writer(output, classes), _Files()

    def add(self, shot: Shot) -> None:
        """Writes the image and its labels."""
        self._writer.add(self._files.picture(shot))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *of: object) -> None:
        self._files.close()
        if kind is None:
            self._writer.close()


class _Stacked:
    """A sink of files that are open until it ends, a task or a video each."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


class Cvat(_Stacked):
    """cvat/: images as a task of images, and each video NAME as the tracks of a task of it, in cvat/NAME."""

    def __init__(self, output: Path, classes: Sequence[str]) -> None:
        super().__init__()
        self._output, self._classes = output / "cvat", classes
        self._images: Written | None = None
        self._videos: dict[str, CvatVideoWriter] = {}

    def add(self, shot: Shot) -> None:
        """Writes an image, or the tracks of a frame."""
        if shot.frame is None:
            if self._images is None:
                self._images = self._stack.enter_context(Written(self._output, self._classes, CvatWriter))
            self._images.add(shot)
            return
        video = shot.name.rpartition("/")[0]
        if video not in self._videos:
            writer = CvatVideoWriter(self._output / video, self._classes)
            self._videos[video] = self._stack.enter_context(writer)
        self._videos[video].add(shot.frame, *shot.size, shot.instances)


class Overlays(_Stacked):
    """overlays/: a picture of each image, and a video of each video, with what was found drawn on it."""

    def __init__(self, output: Path, classes: Sequence[str], rates: dict[str, Fraction]) -> None:
        super().__init__()
        self._output, self._classes, self._rates = output / "overlays", classes, rates
        self._videos: dict[str, VideoWriter] = {}

    def add(self, shot: Shot) -> None:
        """Draws one."""
        drawn = annotate(shot.image, shot.found, self._classes)
        if shot.frame is None:
            write_image(self._output / f"{shot.name}.png", drawn)
            return
        video = shot.name.rpartition("/")[0]
        if video not in self._videos:
            writer = VideoWriter(self._output / f"{video}.mp4", self._rates[video])
            self._videos[video] = self._stack.enter_context(writer)
        self._videos[video].add(drawn, shot.time or 0.0)


class _Files:
    """Images as files, as writers copy them: a frame is written to a folder of its own first."""

    def __init__(self) -> None:
        self._folder: TemporaryDirectory[str] | None = None

    def picture(self, shot: Shot) -> Picture:
        """The image or frame with its instances, as writers take it; a frame's file lasts until the next one."""
        file = shot.file or self._frame(shot)
        return Picture(f"{shot.name}{file.suffix}", file, *shot.size, shot.instances, "", None)

    def _frame(self, shot: Shot) -> Path:
        try:
            self._folder = self._folder or TemporaryDirectory(prefix="flawsmith-")
        except OSError as reason:
            raise cannot_write(Path("the folder for temporary files"), reason) from reason
        path = Path(self._folder.name) / "frame.png"
        write_image(path, np.ascontiguousarray(shot.image))
        return path

    def close(self) -> None:
        """Removes the folder."""
        if self._folder is not None:
            self._folder.cleanup()


SINKS: dict[str, Callable[[Path, Sequence[str]], AbstractContextManager[Sink]]] = {
    "jsonl": Lines,
    "coco": Coco,
    "cvat": Cvat,
    "png": lambda output, classes: Written(output / "png", classes, ClassPngWriter),
}
FORMATS = tuple(SINKS)
