"""What of a set is done: an entry a line in a file, and of each only its place in memory."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.errors import UserError
from flawsmith.data.files import PART, atomic, cannot_write, write_text
from flawsmith.data.painted_set import PROVENANCE

JOURNAL = "journal.jsonl"  # while a set is being painted, in the order in which images were done
REJECTED = "rejected.jsonl"
PRUNED = "pruned/provenance.jsonl"  # what a person has thrown out: done, and not to be painted again

Entry = dict[str, Any]


class Ledger:
    """The entries of a folder's images, appended to after their files exist; a torn last line is dropped.

    Eight bytes an item in memory. `finished` says that the tables were written, and nothing has happened since.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.path = folder, folder / JOURNAL
        self.at: NDArray[np.int64] = np.full(count, -1, np.int64)  # where the entry of each item begins
        self.finished = not self.path.exists() and (folder / PROVENANCE).exists()
        self.pruned = self._thrown_out()
        remove_parts(folder)
        if self.finished:
            self._reopen()
        self._read()

    def __len__(self) -> int:
        """How many items are done."""
        return int((self.at >= 0).sum()) + len(self.pruned)

    def missing(self, indices: Iterable[int]) -> Iterator[int]:
        """Which of the items are still to be made."""
        return (index for index in indices if self.at[index] < 0 and index not in self.pruned)

    def append(self, entry: Entry) -> None:
        """Adds a finished item."""
        line = json.dumps(entry, sort_keys=True) + "\n"
        try:
            with self.path.open("ab") as file:
                self.at[entry["index"]] = file.tell()
                file.write(line.encode())
        except OSError as error:
            self.at[entry["index"]] = -1
            raise cannot_write(self.path, error) from error

    def entries(self) -> Iterator[Entry]:
        """All entries, in the order of their numbers."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for place in self.at[self.at >= 0]:
                file.seek(place)
                yield json.loads(file.readline())

    def close(self) -> None:
        """Drops the journal: what it says stands in the finished tables."""
        self.path.unlink(missing_ok=True)

    def _reopen(self) -> None:
        """The journal of a finished set, made again from its tables."""
        with atomic(self.path) as part, part.open("wb") as journal:
            for name in (PROVENANCE, REJECTED):
                if (self.folder / name).exists():
                    with (self.folder / name).open("rb") as table:
                        journal.writelines(table)

    def _thrown_out(self) -> set[int]:
        """The items that a person has pruned."""
        pruned = self.folder / PRUNED
        if not pruned.exists():
            return set()
        with pruned.open("rb") as table:
            return {int(json.loads(line)["index"]) for line in table}

    def _read(self) -> None:
        """Finds the entries whose files are there; what raised an error, or killed its process, is tried again."""
        if not self.path.exists():
            return
        files = _files(self.folder, "images") | _files(self.folder, "masks")
        place, torn = 0, False
        with self.path.open("rb") as journal:
            for line in journal:
                if not line.endswith(b"\n"):
                    torn = True
                    break
                entry = self._parsed(line)
                whole = {entry.get("image"), entry.get("mask")} - {None} <= files
                if 0 <= entry["index"] < len(self.at):
                    self.at[entry["index"]] = place if whole and not entry.get("broken") else -1
                place += len(line)
        if torn:
            os.truncate(self.path, place)

    def _parsed(self, line: bytes) -> Entry:
        try:
            entry = json.loads(line)
            if not isinstance(entry["index"], int):
                raise ValueError("an index that is no number")
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(self.path, "one JSON object a line, with an index", error, "choose a new -o") from error
        return dict(entry)


def _files(folder: Path, name: str) -> set[str]:
    """The files of a folder that are not empty, as provenance names them; a crash of the machine leaves empty ones."""
    if not (folder / name).is_dir():
        return set()
    with os.scandir(folder / name) as found:
        return {f"{name}/{one.name}" for one in found if one.is_file() and one.stat().st_size}


def remove_parts(folder: Path) -> None:
    """Removes half-written files that a killed run has left."""
    for place in (folder, folder / "images", folder / "masks"):
        if place.is_dir():
            for part in place.glob(f".*{PART}"):
                part.unlink(missing_ok=True)


def write_rejected(folder: Path, entries: Iterable[Entry]) -> int:
    """Writes rejected.jsonl, or removes it where there are none; returns how many there are."""
    lines = [json.dumps(entry, sort_keys=True) + "\n" for entry in entries]
    if lines:
        write_text(folder / REJECTED, "".join(lines))
    else:
        (folder / REJECTED).unlink(missing_ok=True)
    return len(lines)
