"""Reading a large PNG strip by strip: each strip becomes a small PNG, whose filters the usual decoder undoes."""

import struct
import zlib
from collections.abc import Callable, Iterator
from io import SEEK_CUR, BytesIO
from typing import Any, BinaryIO

from numpy.typing import NDArray

from flawsmith.data.png import SIGNATURE, chunk, header, row_bytes

Array = NDArray[Any]

STRIP = 1 << 22  # bytes of pixels in a strip
PIECE = 1 << 18  # bytes read at a time


def read_strips(
    file: BinaryIO, shape: tuple[int, int, int], bits: int, decode: Callable[[bytes], Array]
) -> Iterator[Array]:
    """The rows (h, W, C) of an open PNG of `shape` (H, W, C), strip after strip, as `decode` reads a PNG.

    For 8 or 16 bits a sample, not interlaced. Raises OSError or zlib.error where the file is damaged or ends early.
    """
    height, width, channels = shape
    length = width * channels * bits // 8
    rows = max(1, STRIP // length)
    above = bytes(length)  # by the standard the row above the first is zero
    filtered = _Unpacker(file)
    for top in range(0, height, rows):
        count = min(rows, height - top)
        body = b"\0" + above + filtered.read(count * (length + 1))
        small = header(count + 1, width, channels, bits) + chunk(b"IDAT", zlib.compress(body, 0))
        strip = decode(SIGNATURE + small + chunk(b"IEND", b""))[1:]
        above = row_bytes(strip[-1:]).tobytes()
        yield strip
    filtered.finish()


def shell(file: BinaryIO) -> BytesIO:
    """The PNG with a single pixel for its picture and all its other chunks: cheap to ask for its metadata."""
    found, pixel = [SIGNATURE], chunk(b"IDAT", zlib.compress(bytes(9)))  # a filter, and 8 bytes at most
    for name, body in _chunks(file, pixels=False):
        if name == b"IDAT":
            found.append(pixel)
            pixel = b""
        else:
            found.append(chunk(name, struct.pack(">II", 1, 1) + body[8:] if name == b"IHDR" else body))
    return BytesIO(b"".join(found))


class _Unpacker:
    """The unpacked picture data of an open PNG, read like a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._pieces = (body for name, body in _chunks(file, pixels=True) if name == b"IDAT" and body)
        self._zlib = zlib.decompressobj()
        self._packed = b""

    def read(self, size: int) -> bytes:
        """`size` bytes; raises OSError where there are fewer."""
        found: list[bytes] = []
        while size > 0:
            found.append(self._zlib.decompress(self._packed, size))
            self._packed, size = self._zlib.unconsumed_tail, size - len(found[-1])
            if size > 0 and not self._packed:
                self._packed = next(self._pieces, b"")
                if not self._packed:
                    raise OSError("the picture ends early")
        return b"".join(found)

    def finish(self) -> None:
        """Reads to the end, where checksums are compared."""
        for piece in (self._packed, *self._pieces):
            self._zlib.decompress(piece, PIECE)
        if not self._zlib.eof:
            raise OSError("the picture ends early")


def _chunks(file: BinaryIO, pixels: bool) -> Iterator[tuple[bytes, bytes]]:
    """Name and body of each chunk of an open PNG; the picture's come in pieces, or empty without `pixels`."""
    file.seek(len(SIGNATURE))
    name = b""
    while name != b"IEND":
        length, name = struct.unpack(">I4s", _exactly(file, 8))
        if name != b"IDAT":
            body = _exactly(file, length)
            _exactly(file, 4)
            yield name, body
        elif not pixels:
            file.seek(length + 4, SEEK_CUR)
            yield name, b""
        else:
            yield from ((name, piece) for piece in _checked(file, name, length))


def _checked(file: BinaryIO, name: bytes, length: int) -> Iterator[bytes]:
    """A body in pieces; raises OSError where its checksum differs."""
    found = zlib.crc32(name)
    while length:
        piece = _exactly(file, min(length, PIECE))
        found, length = zlib.crc32(piece, found), length - len(piece)
        yield piece
    if found != struct.unpack(">I", _exactly(file, 4))[0]:
        raise OSError("a checksum is wrong")


def _exactly(file: BinaryIO, size: int) -> bytes:
    """`size` bytes of the file; raises OSError where it ends early."""
    content = file.read(size)
    if len(content) < size:
        raise OSError("the file ends early")
    return content
