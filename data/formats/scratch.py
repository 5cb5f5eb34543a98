"""A folder of this process for images that a label file holds within itself; gone when the process ends."""

from __future__ import annotations

import atexit
import os
import re
from functools import cache
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from flawsmith.data.files import cannot_write, write_bytes

_UNSAFE = re.compile(r"[^\w.,()+= -]")
_LONGEST = 60  # characters of a name: 240 bytes at most


@cache
def scratch() -> Path:
    """The folder; raises UserError where none can be made."""
    try:
        folder = Path(mkdtemp(prefix="flawsmith-"))
    except OSError as reason:
        raise cannot_write(Path("the folder for temporary files"), reason) from reason
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder: Path, owner: int) -> None:
    """Removes the folder, unless a fork of its owner is what ends."""
    if os.getpid() == owner:
        rmtree(folder, ignore_errors=True)


def keep(content: bytes, name: str) -> Path:
    """A file in the scratch folder with that content, whose name is `name` made safe; the same for the same two."""
    plain = safe(name)
    path = scratch() / sha256(content).hexdigest()[:16] / plain
    if not path.exists():
        write_bytes(path, content)
    return path


def safe(name: str) -> str:
    """A name that is no path, is not hidden, and that every file system takes; its ending is kept."""
    stem, dot, suffix = _UNSAFE.sub("_", name).lstrip(".").rpartition(".")
    stem, suffix = (stem, suffix) if dot else (suffix, "")
    return f"{stem[: _LONGEST - len(suffix[:8]) - 1] or 'image'}{dot}{suffix[:8]}"
