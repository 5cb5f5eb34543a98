"""What a writer is given: one image with the pixels of its objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from flawsmith.data.errors import UserError
from flawsmith.data.files import write_bytes
from flawsmith.data.geometry.patch import Patch


@dataclass(frozen=True, eq=False)
class Instance:
    """One object: its class and its pixels, at least one."""

    defect: str
    patch: Patch


@dataclass(frozen=True, eq=False)
class Picture:
    """One image to write: `name` is a unique, plain path (posix) with an ending, below no "images" folder."""

    name: str
    source: Path
    height: int  # px
    width: int  # px
    instances: tuple[Instance, ...]  # none: a good part
    group: str
    origin: str | None  # provenance id of a painted one


class Writer(Protocol):
    """Writes one format into a folder that is there and empty."""

    def __init__(self, output: Path, classes: Sequence[str]) -> None: ...

    def add(self, picture: Picture) -> list[float]:
        """Writes one image; of each of its instances the intersection over union that the format kept, 1.0: exact."""

    def close(self) -> None:
        """Writes what belongs to the whole set."""


def copy_image(picture: Picture, path: Path) -> None:
    """Copies the image byte for byte."""
    try:
        content = picture.source.read_bytes()
    except OSError as reason:
        raise UserError(picture.source, "cannot be read", reason.strerror or str(reason)) from reason
    write_bytes(path, content)
