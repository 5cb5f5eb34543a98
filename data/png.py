"""Writing PNG fast and lean: each row less the one above it, runs packed, strip by strip straight into the file."""

import struct
import zlib
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

STRIP = 1 << 18  # bytes of pixels that are packed at a time
MOST = 1  # the highest level that this packs
SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR = {1: 0, 3: 2, 4: 6}  # the standard's colour type by channels
_UP = 2  # the filter "less the pixel above": the cheapest that makes small numbers of a photograph


def write_png(file: BinaryIO, pixels: NDArray[Any], level: int = 1) -> None:
    """Writes (H, W, C) uint8 or uint16, C of 1, 3 or 4, or (H, W, 1) bool as 1 bit; level 0 (stored) or 1 (packed).

    Level 1 is Huffman codes and runs alone: on a part's noise, a search for longer repeats costs three times as much
    and finds none.
    """
    height, width, channels = pixels.shape
    bits = 1 if pixels.dtype == np.bool_ else 8 * pixels.dtype.itemsize
    file.write(SIGNATURE + header(height, width, channels, bits))
    packer = zlib.compressobj(level, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    rows = max(1, STRIP // max(1, pixels[:1].nbytes))
    for top in range(0, height, rows):
        above = None if top == 0 else pixels[top - 1 : top]
        packed = packer.compress(_filtered(pixels[top : top + rows], above, plain=level == 0).data)
        if packed:  # the packer may hold everything back
            file.write(chunk(b"IDAT", packed))
    file.write(chunk(b"IDAT", packer.flush()) + chunk(b"IEND", b""))


def header(height: int, width: int, channels: int, bits: int) -> bytes:
    """The chunk that says what the picture is; `bits` a sample."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, _COLOUR[channels], 0, 0, 0))


def chunk(name: bytes, body: bytes) -> bytes:
    """A chunk as it lies in the file."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))


def row_bytes(rows: NDArray[Any]) -> NDArray[np.uint8]:
    """Rows (h, W, C) as they lie in a PNG: 8 pixels a byte, or the high byte first."""
    if rows.dtype == np.bool_:
        return np.packbits(rows[..., 0], axis=1)
    return np.ascontiguousarray(rows, rows.dtype.newbyteorder(">")).reshape(rows.shape[0], -1).view(np.uint8)


def _filtered(strip: NDArray[Any], above: NDArray[Any] | None, plain: bool) -> NDArray[np.uint8]:
    """The strip (h, W, C) as the bytes to be packed, each row behind the number of its filter."""
    own = row_bytes(strip)
    result = np.empty((own.shape[0], own.shape[1] + 1), np.uint8)
    if plain:
        result[:, 0], result[:, 1:] = 0, own
        return result
    result[:, 0] = _UP
    result[0, 1:] = own[0] if above is None else own[0] - row_bytes(above)[0]
    np.subtract(own[1:], own[:-1], out=result[1:, 1:])
    return result
