"""Reads a data set in any of the formats for learning: what `check` calls an error stops here, before any training."""

import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from flawsmith.data.check import check
from flawsmith.data.errors import UserError
from flawsmith.data.formats.reading import Data, Source, is_archive, source_of
from flawsmith.data.problem import counted
from flawsmith.data.record import DataSet

State = tuple[tuple[str, int, int], ...]  # path, bytes and time of change of every file

_log = logging.getLogger("flawsmith")
_known: dict[Source, tuple[State, DataSet]] = {}  # what this process has read: a benchmark asks for it again and again
_MOST = 8


def read(data: Data) -> DataSet:
    """The data set, every file decoded once; logs how many images are left out of it.

    Read again, it is what it was, unless a file was changed, added or removed. Raises UserError with the first error
    and the number of others.
    """
    source = source_of(data)
    key = replace(source, path=source.path.absolute())
    state = _state(source)
    before = _known.get(key)
    if state is not None and before is not None and before[0] == state:
        return before[1]
    dataset = _read(source)
    if state is not None:
        while len(_known) >= _MOST:
            del _known[next(iter(_known))]
        _known[key] = state, dataset
    return dataset


def _read(source: Source) -> DataSet:
    report, root = check(source), source.path
    if report.errors:
        first, others = report.errors[0], len(report.errors) - 1
        more = f" ({counted(others, 'more error')}: run flawsmith check {root})" if others else ""
        raise UserError(report.dataset.root / first.file, first.what, None, first.fix + more)
    if report.left_out:
        _log.warning("%s: %s left out, see flawsmith check", root, counted(len(report.left_out), "image"))
    return report.dataset


def _state(source: Source) -> State | None:
    """Of every file of the data set; None where a folder is a link, behind which nothing can be seen to change."""
    found = []
    for folder, below, names in _folders(source):
        if any((Path(folder) / name).is_symlink() for name in below):
            return None
        for path in (Path(folder) / name for name in names):
            try:
                about = path.stat()
            except OSError:
                continue  # check says what is wrong with it
            found.append((str(path), about.st_size, about.st_mtime_ns))
    return tuple(sorted(found))


def _folders(source: Source) -> Iterator[tuple[str, list[str], list[str]]]:
    """The folders in which the data set's files lie, an archive as the only file of its own."""
    path, reading = source.path, source.reading
    if is_archive(path):
        yield str(path.parent), [], [path.name]
    else:
        yield from os.walk(path.parent if path.is_file() else path)
    for more in (reading.images, reading.labelbox_masks):
        if more is not None:
            yield from os.walk(more)
