"""Reads a folder in any of the layouts for learning: what `check` calls an error stops here, before any training."""

import logging
import os
from pathlib import Path

from flawsmith.data.check import check
from flawsmith.data.errors import UserError
from flawsmith.data.problem import counted
from flawsmith.data.record import DataSet

State = tuple[tuple[str, int, int], ...]  # path, bytes and time of change of every file

_log = logging.getLogger("flawsmith")
_known: dict[Path, tuple[State, DataSet]] = {}  # what this process has read: a benchmark asks for it again and again
_MOST = 8


def read(root: Path) -> DataSet:
    """The folder's data set, every file decoded once; logs how many images are left out of it.

    Read again, it is what it was, unless a file was changed, added or removed. Raises UserError with the first error
    and the number of others.
    """
    state = _state(root)
    before = _known.get(root.absolute())
    if state is not None and before is not None and before[0] == state:
        return before[1]
    dataset = _read(root)
    if state is not None:
        while len(_known) >= _MOST:
            del _known[next(iter(_known))]
        _known[root.absolute()] = state, dataset
    return dataset


def _read(root: Path) -> DataSet:
    report = check(root)
    if report.errors:
        first, others = report.errors[0], len(report.errors) - 1
        more = f" ({counted(others, 'more error')}: run flawsmith check {root})" if others else ""
        raise UserError(root / first.file, first.what, None, first.fix + more)
    if report.left_out:
        _log.warning("%s: %s left out, see flawsmith check", root, counted(len(report.left_out), "image"))
    return report.dataset


def _state(root: Path) -> State | None:
    """Of every file below `root`; None where a folder is a link, behind which nothing can be seen to change."""
    found = []
    for folder, below, names in os.walk(root):
        if any((Path(folder) / name).is_symlink() for name in below):
            return None
        for path in (Path(folder) / name for name in names):
            try:
                about = path.stat()
            except OSError:
                continue  # check says what is wrong with it
            found.append((str(path), about.st_size, about.st_mtime_ns))
    return tuple(sorted(found))
