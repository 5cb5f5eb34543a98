"""What is predicted on: images, video files and live streams, as paths, folders, patterns and addresses name them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from flawsmith.data.errors import UserError
from flawsmith.data.image import SUFFIXES
from flawsmith.segment.table import file_name

VIDEOS = (".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4v", ".ts", ".mpg", ".mpeg", ".wmv", ".mjpeg", ".h264")
_ADDRESS = re.compile("[a-z][a-z0-9+.-]+://", re.IGNORECASE)  # rtsp://, http://, udp://, …
_CAMERA = re.compile("/dev/video[0-9]+")


@dataclass(frozen=True)
class Video:
    """A video file, or what gives frames as they happen: a camera, a named pipe, an address."""

    place: str
    live: bool


@dataclass(frozen=True)
class Sources:
    """Images by the name of their results, NAME.png; videos by theirs, NAME."""

    images: dict[str, Path] = field(default_factory=dict)
    videos: dict[str, Video] = field(default_factory=dict)

    @classmethod
    def of(cls, places: Sequence[str | Path]) -> Sources:
        """All that the places name; equal names are numbered. Raises UserError where one is not there, or empty."""
        found = cls()
        for place in map(str, places):
            if (name := _live(place)) is not None:
                found.videos[_unused(file_name(name), found.videos)] = Video(place, True)
            else:
                found._add(place)
        return found

    def _add(self, place: str) -> None:
        """Notes the files at, below or like `place`."""
        path = Path(place)
        pattern = any(sign in place for sign in "*?[") and not path.exists()
        if not pattern and not path.exists():
            raise UserError(place, "does not exist")
        files = list(_matching(place) if pattern else _below(path))
        if not files:
            kinds = " ".join((*SUFFIXES, *VIDEOS))
            raise UserError(place, "holds no image and no video" if path.is_dir() else "matches none", None, kinds)
        base = path if path.is_dir() else None
        for file in files:
            stem = str(PurePosixPath(file.relative_to(base) if base else file.name).with_suffix(""))
            if file.suffix.lower() in VIDEOS:
                self.videos[_unused(stem, self.videos)] = Video(str(file), False)
            else:
                self.images[_unused(stem, self.images, ".png")] = file


def _live(place: str) -> str | None:
    """What the results of an address, a camera or a named pipe are called, None for anything else; raises UserError."""
    if _ADDRESS.match(place):
        return _ADDRESS.sub("", place)
    if _CAMERA.fullmatch(place):
        if not _is_there(place):
            there = " ".join(sorted(str(path) for path in Path("/dev").glob("video*"))) or "none is connected"
            raise UserError(place, "there is no such camera", there)
        return Path(place).name
    return Path(place).name if Path(place).is_fifo() else None


def _is_there(camera: str) -> bool:
    return Path(camera).exists()


def _below(path: Path) -> Iterable[Path]:
    """The file itself, whatever its ending, or the images and videos below a folder."""
    return _usable(path.rglob("*")) if path.is_dir() else [path]


def _matching(pattern: str) -> Iterator[Path]:
    """The images and videos of a pattern, in which ** goes through folders, and those below folders that match."""
    root = Path(Path(pattern).anchor)
    for path in sorted(root.glob(str(Path(pattern).relative_to(root)))):
        yield from _usable(path.rglob("*") if path.is_dir() and "**" not in pattern else [path])


def _usable(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if path.suffix.lower() in (*SUFFIXES, *VIDEOS) and path.is_file())


def _unused(stem: str, taken: dict[str, Path] | dict[str, Video], suffix: str = "") -> str:
    """The name, numbered where it is taken."""
    name, number = f"{stem}{suffix}", 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}{suffix}"
    return name
