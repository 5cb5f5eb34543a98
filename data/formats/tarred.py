"""The entries of a .tar or .tar.gz, one after the other as they stand in it: nothing is read twice or held whole."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from flawsmith.data.formats.entry import CHUNK, MOST_ENTRIES, Entry, damaged, refuse

_BLOCK = 512
_GZIP = b"\x1f\x8b"
_FILE, _FOLDER = (b"0", b"\0", b"7"), b"5"
_LONG_NAME, _LONG_LINK, _PAX, _PAX_ALL = b"L", b"K", b"x", b"g"
_LONGEST = 2**20  # bytes of a record about an entry
RATIO = 200  # an archive that unpacks to more than so many times its bytes is a bomb
ENOUGH = 64 * 2**20  # bytes of one file from which on that counts
MUCH = 512 * 2**20  # and of all files
_AHEAD = 2**18  # bytes that the unpacker may have read in advance


class Tarred:
    """A tar file that is open for reading."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self.file = path, file
        packed = file.read(2) == _GZIP
        file.seek(0)
        self._stream = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file
        self._left = 0  # bytes of the current entry, with its padding, that nobody has read
        self._total = 0

    def files(self) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        """Each entry with its bytes, to be read before the next; raises UserError on one that cannot be."""
        name: str | None = None
        size: int | None = None
        for _ in range(MOST_ENTRIES):
            self._skip()
            head = self._read(_BLOCK)
            if not head.strip(b"\0"):
                return self._finish()
            entry, kind = self._entry(head)
            self._left = -(-entry.size // _BLOCK) * _BLOCK
            if kind in (_LONG_NAME, _PAX):
                said = self._about(entry)
                name, size = (_text(said.rstrip(b"\0")), size) if kind == _LONG_NAME else self._pax(said, name, size)
            elif kind not in (_LONG_LINK, _PAX_ALL):
                if size is not None:
                    self._left = -(-size // _BLOCK) * _BLOCK
                one = Entry(name or entry.name, entry.size if size is None else size, entry.folder, None)
                if kind not in (*_FILE, _FOLDER):
                    raise refuse(self.path, one.name, "is a link or a device", "pack the files themselves")
                yield one, self._content(one)
                name = size = None
        raise damaged(self.path, f"holds more than {MOST_ENTRIES} files", "take it apart")

    def _content(self, entry: Entry) -> Iterator[bytes]:
        """The bytes of the entry that was found last, piece by piece."""
        left, done, start = entry.size, 0, self.file.tell()
        while left:
            piece = self._read(min(left, CHUNK))
            left, done = left - len(piece), done + len(piece)
            self._left -= len(piece)
            if done > ENOUGH and done > RATIO * (self.file.tell() - start + _AHEAD):
                raise refuse(self.path, entry.name, f"unpacks to more than {RATIO} times its size")
            yield piece

    def _read(self, size: int) -> bytes:
        """So many bytes; raises UserError where there are fewer, where they are damaged, or where they explode."""
        found = self._some(size)
        if len(found) < size:
            raise damaged(self.path, "is cut off")
        return found

    def _some(self, size: int) -> bytes:
        """So many bytes, fewer at the end."""
        try:
            found = self._stream.read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as reason:
            raise damaged(self.path, f"is damaged or cut off ({reason})") from reason
        self._total += len(found)
        if self._total > MUCH and self._total > RATIO * (self.file.tell() + _AHEAD):
            raise damaged(
                self.path, f"unpacks to more than {RATIO} times its size", "unpack it by hand, if you trust it"
            )
        return found

    def _finish(self) -> None:
        """Reads what pads the end of a packed archive: only then its sum is compared."""
        while self._stream is not self.file and self._some(CHUNK):
            pass

    def _skip(self) -> None:
        """Passes what is left of the current entry."""
        while self._left:
            self._left -= len(self._read(min(self._left, CHUNK)))

    def _entry(self, head: bytes) -> tuple[Entry, bytes]:
        """What a header of 512 bytes says, and the kind of entry."""
        if _octal(head[148:156]) != sum(head[:148]) + 8 * ord(" ") + sum(head[156:]):
            raise damaged(self.path, "has a header whose sum is wrong: it is damaged, or no tar file")
        name, kind = head[:100].rstrip(b"\0").split(b"\0")[0], head[156:157]
        if head[257:263] == b"ustar\0" and (prefix := head[345:500].split(b"\0")[0]):
            name = prefix + b"/" + name
        size = int.from_bytes(head[125:136], "big") if head[124] == 0x80 else _octal(head[124:136])
        if size is None:
            raise refuse(self.path, _text(name), "has a size that is no number")
        folder = kind == _FOLDER or name.endswith(b"/")
        return Entry(_text(name), 0 if kind == _FOLDER else size, folder, None), kind

    def _about(self, entry: Entry) -> bytes:
        """The content of a record about the next entry."""
        if entry.size > _LONGEST:
            raise refuse(self.path, entry.name, f"describes an entry in {entry.size} bytes, more than {_LONGEST}")
        return b"".join(self._content(entry))

    def _pax(self, said: bytes, name: str | None, size: int | None) -> tuple[str | None, int | None]:
        """The name and size that lines of "<length> <key>=<value>" give, or those before; raises UserError."""
        at = 0
        while at < len(said):
            digits = said[at : at + 8].split(b" ")[0]
            length = int(digits) if digits.isdigit() else 0
            key, found, value = said[at + len(digits) + 1 : at + length - 1].partition(b"=")
            if not found or length <= len(digits) or at + length > len(said):
                raise damaged(self.path, "has an extended header that cannot be read")
            if key.startswith(b"GNU.sparse"):
                raise refuse(self.path, name or "an entry", "is packed with holes (sparse)", "pack it without --sparse")
            if key == b"path":
                name = _text(value)
            elif key == b"size":
                size = _decimal(self.path, value)
            at += length
        return name, size


def _octal(field: bytes) -> int | None:
    """A number in octal digits, padded by blanks and zero bytes; None where it is none."""
    digits = field.split(b"\0")[0].strip()
    return int(digits or b"0", 8) if all(48 <= digit < 56 for digit in digits) else None


def _decimal(path: Path, digits: bytes) -> int:
    """A size in decimal digits."""
    if not digits.isdigit() or len(digits) > 18:
        raise damaged(path, "has an extended header with a size that is no number")
    return int(digits)


def _text(name: bytes) -> str:
    """A name as text; what is not UTF-8 is read as Latin-1."""
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("latin-1")
