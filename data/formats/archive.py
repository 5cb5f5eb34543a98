"""Unpacks what tools export, .zip, .tar and .tar.gz: nothing lands outside the folder, nothing explodes, all or none.

A zip is looked at whole before its first file is written. What is packed within it stays packed.
"""

from __future__ import annotations

import re
import shutil
import unicodedata
import zlib
from collections.abc import Iterable
from contextlib import ExitStack
from hashlib import sha256
from itertools import accumulate
from pathlib import Path

from flawsmith.data.errors import UserError
from flawsmith.data.files import cannot_write, new_folder
from flawsmith.data.formats.entry import MOST_ENTRIES, Entry, damaged, refuse
from flawsmith.data.formats.scratch import scratch
from flawsmith.data.formats.tarred import ENOUGH, MUCH, RATIO, Tarred
from flawsmith.data.formats.zipped import ZipEntry, Zipped

_SPARE = 2**30  # bytes of the disk that are left free
_DEEPEST = 32  # folders within each other
_MOST_FOLDERS = 100_000
_LITTER = ("thumbs.db", "desktop.ini", ".ds_store")  # of file managers
_DRIVE, _CONTROL = re.compile(r"[A-Za-z]:"), re.compile(r"[\x00-\x1f]")
_LITTER_FOLDER = "__macosx"
_LAYOUT = ("images", "masks", "train", "val", "test", "annotations", "jpegimages", "data")  # never the whole data set


def opened(path: Path) -> Path:
    """The folder of a data set: the path itself, or where an archive has been unpacked for as long as this runs.

    Unpacked once, as long as the file stays the same. A single folder in it is the data set, unless it is called
    as a part of one. Raises UserError.
    """
    if path.is_dir():
        return path
    try:
        about = path.stat()
    except OSError as reason:
        raise UserError(
            path, "cannot be read", reason.strerror, "give a folder, or a .zip, .tar or .tar.gz"
        ) from reason
    key = sha256(f"{path.absolute()}\0{about.st_size}\0{about.st_mtime_ns}".encode("utf-8", "surrogateescape"))
    folder = scratch() / key.hexdigest()[:16]
    if not folder.exists():
        unpack(path, folder)
    top = list(folder.iterdir())
    single = len(top) == 1 and top[0].is_dir() and top[0].name.lower() not in _LAYOUT
    return top[0] if single else folder


def unpack(path: Path, into: Path) -> None:
    """Unpacks an archive into a folder that is new or empty; raises UserError that names the entry at fault.

    Then the folder is gone again.
    """
    new_folder(into)
    with ExitStack() as undo:
        undo.callback(shutil.rmtree, into, ignore_errors=True)
        try:
            with path.open("rb") as file:
                kind = _kind(path, file.read(512))
                file.seek(0)
                _unpack(kind(path, file), into)
        except OSError as reason:
            raise UserError(path, "cannot be read", reason.strerror or str(reason)) from reason
        undo.pop_all()


def _kind(path: Path, head: bytes) -> type[Zipped] | type[Tarred]:
    """Which archive begins so; the name of the file does not matter."""
    if not head:
        raise damaged(path, "is an empty file")
    if head[:4] in (b"PK\3\4", b"PK\5\6"):
        return Zipped
    if head[:2] == b"\x1f\x8b" or (len(head) == 512 and re.fullmatch(rb"[0-7 ]{6}[\0 ]{2}", head[148:156])):
        return Tarred
    raise damaged(path, "is no folder, and no .zip, .tar or .tar.gz that is whole", "export it as one of these")


def _unpack(archive: Zipped | Tarred, into: Path) -> None:
    """Writes all files of an archive that is open."""
    free = shutil.disk_usage(into).free - _SPARE
    if isinstance(archive, Zipped):
        archive.refuse_overlaps()
        _rehearse(archive, Guard(archive.path, free))
    guard = Guard(archive.path, free)
    for entry, pieces in archive.files():
        place = guard.admit(entry)
        if place is not None:
            _write(archive.path, entry, pieces, into.joinpath(*place))
    if not guard.files:
        raise damaged(archive.path, "holds no file", "export it again")


def _rehearse(archive: Zipped, guard: Guard) -> None:
    """Raises the UserError of whatever the directory alone shows to be wrong."""
    for entry in archive.entries():
        guard.admit(entry)


class Guard:
    """What has been let through so far, and whether the next entry may follow."""

    def __init__(self, path: Path, free: int) -> None:
        self.path, self.free = path, free  # bytes that may be written
        self.files = 0
        self._total = 0
        self._packed = path.stat().st_size
        self._names: set[int] = set()  # hashes: of a million names the texts would fill the memory
        self._folders: set[int] = set()

    def admit(self, entry: Entry) -> tuple[str, ...] | None:
        """Where the entry belongs, None for a folder and for litter; raises UserError where it may not be."""
        parts = _place(self.path, entry.name)
        if entry.folder or _is_litter(parts):
            return None
        self._once(entry, parts)
        self._total += entry.size
        self.files += 1
        if self.files > MOST_ENTRIES:
            raise damaged(self.path, f"holds more than {MOST_ENTRIES} files", "take it apart")
        if self._total > self.free:
            raise refuse(
                self.path, entry.name, f"does not fit on the disk any more ({self._total} bytes)", "free space"
            )
        if isinstance(entry, ZipEntry) and entry.size > ENOUGH and entry.size > RATIO * entry.packed:
            raise refuse(self.path, entry.name, f"unpacks to more than {RATIO} times its size")
        if self._total > MUCH and self._total > RATIO * self._packed:
            raise refuse(self.path, entry.name, f"is one file too many: all unpack to over {RATIO} times the archive")
        return parts

    def _once(self, entry: Entry, parts: tuple[str, ...]) -> None:
        """Raises UserError where a file has been there by that name, or as a folder, whatever the case of letters."""
        names = list(accumulate((hash(_same(part)) for part in parts), lambda above, part: hash((above, part))))
        if names[-1] in self._names or names[-1] in self._folders or not self._names.isdisjoint(names):
            raise refuse(self.path, entry.name, "is there twice (upper and lower case count as the same)")
        self._names.add(names[-1])
        self._folders.update(names[:-1])
        if len(self._folders) > _MOST_FOLDERS:
            raise refuse(self.path, entry.name, f"lies in the {_MOST_FOLDERS + 1}th folder", "take the archive apart")


def _same(name: str) -> str:
    """What two names have in common that are one file on some system."""
    return name if name.isascii() and name.islower() else unicodedata.normalize("NFC", name).casefold()


def _place(path: Path, name: str) -> tuple[str, ...]:
    """The parts of an entry's name; raises UserError where it leads out of the folder, or nowhere."""
    if "\\" in name:
        raise refuse(path, name, "has a backslash in its name", "zip it again with another tool")
    if name.startswith("/") or _DRIVE.match(name):
        raise refuse(path, name, "has an absolute path")
    if _CONTROL.search(name):
        raise refuse(path, name, "has a control character in its name", "rename the file")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise refuse(path, name, "leads out of the folder (..)")
    if len(parts) > _DEEPEST:
        raise refuse(path, name, f"lies more than {_DEEPEST} folders deep")
    if not parts and name.strip("./"):
        raise refuse(path, name, "has no name")
    return parts


def _is_litter(parts: tuple[str, ...]) -> bool:
    """True for what file managers leave in archives, and for the archive's own top."""
    if not parts or parts[0].lower() == _LITTER_FOLDER:
        return True
    return parts[-1].lower() in _LITTER or parts[-1].startswith("._")


def _write(path: Path, entry: Entry, pieces: Iterable[bytes], target: Path) -> None:
    """Writes one file; raises UserError where it is not as long as announced, or has another sum."""
    done, crc = 0, 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        file = target.open("xb")
    except OSError as reason:
        raise cannot_write(target, reason) from reason
    with file:
        for piece in pieces:
            done, crc = done + len(piece), zlib.crc32(piece, crc)
            if done > entry.size:
                raise refuse(path, entry.name, f"is longer than the {entry.size} bytes that the archive announces")
            try:
                file.write(piece)
            except OSError as reason:
                raise cannot_write(target, reason) from reason
    if done < entry.size:
        raise refuse(path, entry.name, f"is shorter than the {entry.size} bytes that the archive announces")
    if entry.crc is not None and crc != entry.crc:
        raise refuse(path, entry.name, "is damaged (CRC)", "copy or export it again")
