"""One file in an archive, whatever its kind, and the errors that name it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flawsmith.data.errors import UserError
from flawsmith.data.problem import printable

CHUNK = 2**20  # bytes read or unpacked at a time
MOST_ENTRIES = 1_000_000
_AGAIN = "export it again, or unpack it by hand if you trust it"


@dataclass(frozen=True)
class Entry:
    """A file or folder as the archive announces it; `size` in bytes, `crc` of its content where one is given."""

    name: str
    size: int
    folder: bool
    crc: int | None


def refuse(path: Path, name: str, rule: str, fix: str = _AGAIN) -> UserError:
    """The error of one entry of an archive."""
    short = name if len(name) <= 120 else f"{name[:117]}…"
    return UserError(path, f"{printable(short)!r} {rule}", None, fix)


def damaged(path: Path, rule: str, fix: str = "copy or export it again") -> UserError:
    """The error of a whole archive."""
    return UserError(path, rule, None, fix)
