"""The entries of a zip, read one by one: its directory is never held whole, nor is any file in it."""

from __future__ import annotations

import os
import stat
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import unpack_from
from typing import BinaryIO

import numpy as np

from flawsmith.data.formats.entry import CHUNK, MOST_ENTRIES, Entry, damaged, refuse

_END, _ENTRY, _LOCAL = b"PK\5\6", b"PK\1\2", b"PK\3\4"
_LOCATOR, _END64 = b"PK\6\7", b"PK\6\6"
_LONGEST_END = 22 + 65535  # bytes: the end record with its comment
_ENCRYPTED = 0x0001 | 0x0040 | 0x2000
_UTF8 = 0x0800
_STORED, _DEFLATED = 0, 8
_WIDE = 0x0001  # extra field of sizes beyond 4 GiB
_UNICODE_NAME = 0x7075  # extra field of Info-ZIP


@dataclass(frozen=True)
class ZipEntry(Entry):
    """What the directory says of one file: where it begins, and how it is packed."""

    packed: int = 0  # bytes in the archive
    offset: int = 0  # of its own header
    method: int = _STORED
    raw: bytes = b""  # its name as written


class Zipped:
    """A zip file that is open for reading."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self.file = path, file
        self._start, self._end, self._shift = self._directory()

    def _directory(self) -> tuple[int, int, int]:
        """First and last byte of the directory, and by how much all offsets are to be moved (something before it)."""
        size = self.file.seek(0, os.SEEK_END)
        self.file.seek(max(0, size - _LONGEST_END))
        tail = self.file.read(_LONGEST_END)
        place = tail.rfind(_END)
        if place < 0 or len(tail) - place < 22:
            raise damaged(self.path, "has no directory at its end: it is cut off")
        disk, _, _, count, length, offset = unpack_from("<4H2L", tail, place + 4)
        end = size - len(tail) + place
        if place >= 20 and tail[place - 20 : place - 16] == _LOCATOR:
            self.file.seek(min(unpack_from("<Q", tail, place - 12)[0], size))
            wide = self.file.read(56)
            if len(wide) < 56 or not wide.startswith(_END64):
                raise damaged(self.path, "has a directory that cannot be read")
            (disk,), (count, length, offset) = unpack_from("<L", wide, 16), unpack_from("<3Q", wide, 32)
            end -= 20 + 56
        if disk not in (0, 0xFFFF):
            raise damaged(self.path, "is one part of several", "put them together to one zip")
        if count > MOST_ENTRIES:
            raise damaged(self.path, f"holds {count} files, more than {MOST_ENTRIES}", "take it apart")
        start = end - length
        if start < 0 or start < offset:
            raise damaged(self.path, "has a directory that lies outside the file: it is cut off")
        return start, end, start - offset

    def entries(self) -> Iterator[ZipEntry]:
        """All entries in the order of the directory; raises UserError on the first that cannot be."""
        at = self._start
        with self.path.open("rb") as file:
            file.seek(at)
            for number in range(MOST_ENTRIES + 1):
                if at >= self._end:
                    return
                head = file.read(46)
                if len(head) < 46 or not head.startswith(_ENTRY):
                    raise damaged(self.path, f"has a directory that breaks off after {number} entries")
                lengths = unpack_from("<3H", head, 28)
                rest = file.read(sum(lengths))
                at += 46 + len(rest)
                yield self._entry(head, rest[: lengths[0]], rest[lengths[0] : lengths[0] + lengths[1]])
        raise damaged(self.path, f"holds more than {MOST_ENTRIES} files", "take it apart")

    def _entry(self, head: bytes, raw: bytes, extra: bytes) -> ZipEntry:
        _, flags, method, _, _, crc, packed, size = unpack_from("<5H3L", head, 6)
        mode, offset = unpack_from("<H", head, 40)[0], unpack_from("<L", head, 42)[0]
        fields = _fields(extra)
        name = _name(raw, flags, fields)
        wide = iter(fields.get(_WIDE, b"")[i : i + 8] for i in range(0, 24, 8))
        size, packed, offset = (
            int.from_bytes(next(wide), "little") if value == 0xFFFFFFFF and _WIDE in fields else value
            for value in (size, packed, offset)
        )
        if flags & _ENCRYPTED:
            raise refuse(self.path, name, "is encrypted", "export it without a password")
        if method not in (_STORED, _DEFLATED):
            raise refuse(self.path, name, f"is packed by a method that is not known here ({method})", "zip it again")
        kind = stat.S_IFMT(mode)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise refuse(self.path, name, "is a link or a device", "pack the files themselves")
        if packed > self._start or offset > self._start:
            raise refuse(self.path, name, "does not lie within the archive: it is cut off")
        folder = name.endswith("/") or kind == stat.S_IFDIR
        return ZipEntry(name, size, folder, crc, packed, offset + self._shift, method, raw)

    def files(self) -> Iterator[tuple[ZipEntry, Iterator[bytes]]]:
        """Each entry with its unpacked bytes, piece by piece; raises UserError where they are damaged."""
        for entry in self.entries():
            yield entry, self._content(entry)

    def _content(self, entry: ZipEntry) -> Iterator[bytes]:
        self.file.seek(entry.offset)
        head = self.file.read(30)
        if len(head) < 30 or not head.startswith(_LOCAL):
            raise refuse(self.path, entry.name, "is not where the directory says")
        name, extra = unpack_from("<2H", head, 26)
        if self.file.read(name) != entry.raw:
            raise refuse(self.path, entry.name, "has another name in the directory")
        self.file.seek(extra, os.SEEK_CUR)
        pieces = self._packed(entry)
        yield from pieces if entry.method == _STORED else self._inflated(entry, pieces)

    def _packed(self, entry: ZipEntry) -> Iterator[bytes]:
        left = entry.packed
        while left:
            piece = self.file.read(min(left, CHUNK))
            if not piece:
                raise refuse(self.path, entry.name, "is cut off")
            left -= len(piece)
            yield piece

    def _inflated(self, entry: ZipEntry, pieces: Iterator[bytes]) -> Iterator[bytes]:
        engine = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            for piece in pieces:
                while piece and not engine.eof:
                    yield engine.decompress(piece, CHUNK)
                    piece = engine.unconsumed_tail
            while not engine.eof and (rest := engine.decompress(b"", CHUNK)):
                yield rest
        except zlib.error as reason:
            raise refuse(self.path, entry.name, "is damaged", "copy or export it again") from reason

    def refuse_overlaps(self) -> None:
        """Raises UserError where two entries share bytes: a few kilobytes would unpack to petabytes."""
        offsets, ends = array("Q"), array("Q")
        for entry in self.entries():
            offsets.append(entry.offset)
            ends.append(entry.offset + 30 + len(entry.raw) + entry.packed)
        first, last = np.array(offsets, np.uint64), np.array(ends, np.uint64)
        order = np.argsort(first, kind="stable")
        limit = np.append(first[order][1:], np.uint64(self._start))
        wrong = np.flatnonzero(last[order] > limit)
        if wrong.size:
            number = int(order[wrong[0]])
            name = next(entry.name for index, entry in enumerate(self.entries()) if index == number)
            raise refuse(self.path, name, "shares its bytes with another entry")


def _fields(extra: bytes) -> dict[int, bytes]:
    """The extra fields by their number; what is no field ends them."""
    found, at = {}, 0
    while at + 4 <= len(extra):
        kind, length = unpack_from("<2H", extra, at)
        found[kind] = extra[at + 4 : at + 4 + length]
        at += 4 + length
    return found


def _name(raw: bytes, flags: int, fields: dict[int, bytes]) -> str:
    """The name: UTF-8, which many tools write without saying so; else what Info-ZIP adds; else CP437, the standard."""
    for text in (raw, fields.get(_UNICODE_NAME, b"")[5:]):
        try:
            if text:
                return text.decode("utf-8")
        except UnicodeDecodeError:
            continue
    return raw.decode("cp437")
