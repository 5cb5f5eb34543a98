"""Label Studio's brush masks: the RGBA values of a whole image, packed as bits by thi.ng's rle-pack.

32 bits hold the number of values, 5 the bits of a value less one, four times 4 the bits of a run's length less one.
Then runs: a bit that says whether one value is repeated, 2 bits that choose one of the four sizes, the length less one
in so many bits, and the value, or as many of them as the run is long. A pixel belongs to the mask if its alpha is not
0: so does Label Studio show it, and its own export to COCO reads it; the soft edge of a brush stroke is part of it.
"""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.geometry.patch import Mask
from flawsmith.data.geometry.runs import MOST_PIXELS, Counts, Runs, row_runs
from flawsmith.data.geometry.shape import BadShape

_CHANNELS = 4  # red, green, blue, alpha
_HEAD = 32 + 5 + 4 * 4  # bits before the first run
_SIZES = (3, 4, 8, 16)  # bits of a run's length, as Label Studio chooses them
_WORD = 8  # bits of a value
_WINDOW = 64  # bits looked at together: a run's head and a value have 51 at most, and begin within the first byte
_LONGEST = 1 << _SIZES[-1]  # values of one run that is written


def brush(rle: Any, height: int, width: int) -> Runs:
    """The mask of an image of that size from the `rle` of a brush result, a list of bytes; raises BadShape."""
    try:
        packed = bytes(rle) if isinstance(rle, list) else b""
    except (TypeError, ValueError, OverflowError) as reason:
        raise BadShape("has a brush mask that is no list of bytes") from reason
    return Runs(decode(packed, height, width), 0, 0, width, height, columns=False)


def decode(packed: bytes, height: int, width: int) -> Counts:
    """The lengths of the runs of zeros and ones in turn, along the rows, of a packed mask; raises BadShape."""
    if min(height, width) < 1 or height * width > MOST_PIXELS:
        raise BadShape(f"has an impossible size of {width}×{height} px")
    if 8 * len(packed) < _HEAD:
        raise BadShape(f"has a brush mask of {len(packed)} bytes")
    claimed, values = int.from_bytes(packed[:4], "big"), height * width * _CHANNELS
    if claimed != values:  # checked before a byte is unpacked
        raise BadShape(f"has a brush mask of {claimed} values, its image {width}×{height} needs {values}")
    ends, on = _runs(packed, values)
    pixels = ends // _CHANNELS  # how many alphas, the last of each four, lie before an end
    there = np.diff(pixels, prepend=0) > 0
    pixels, on = pixels[there], on[there]
    turns = np.flatnonzero(np.append(on[1:] != on[:-1], True))
    first = [0] if on[0] else []
    return np.diff(np.concatenate([first, pixels[turns]]), prepend=0).astype(np.int64)


def _runs(packed: bytes, values: int) -> tuple[Counts, NDArray[np.bool_]]:
    """Where each run ends among the values, and whether its value is not 0."""
    head, total = int.from_bytes(packed[:8], "big"), 8 * len(packed)
    word = (head >> 27 & 31) + 1
    sizes = [(head >> shift & 15) + 1 for shift in (23, 19, 15, 11)]
    bits = np.unpackbits(np.frombuffer(packed, np.uint8))
    ends, on = array("q"), bytearray()
    place, end = _HEAD, 0
    while end < values:
        start = place >> 3
        near = int.from_bytes(packed[start : start + 8].ljust(8, b"\0"), "big") << (place & 7)
        size = sizes[near >> _WINDOW - 3 & 3]
        length = (near >> _WINDOW - 3 - size & (1 << size) - 1) + 1
        place += 3 + size
        if near >> _WINDOW - 1 & 1 or length == 1:
            ends.append(end + length)
            on.append(near >> _WINDOW - 3 - size - word & (1 << word) - 1 != 0)
            place += word
        elif place + length * word <= total:
            ends.frombytes(np.arange(end + 1, end + length + 1).tobytes())
            on += bits[place : place + length * word].reshape(length, word).any(1).tobytes()
            place += length * word
        else:
            place = total + 1
        end += length
        if place > total:
            raise BadShape(f"has a brush mask that is cut off after {end - length} of {values} values")
    if end != values:
        raise BadShape(f"has a brush mask whose runs hold {end} values, not {values}")
    if bits[place:].any():
        raise BadShape("has a brush mask with more bits behind its end")
    return np.frombuffer(ends, np.int64), np.frombuffer(on, bool)


def encode(mask: Mask) -> bytes:
    """The packed form of a mask (H, W) with 255 in all four channels where it is true, as Label Studio's SDK writes."""
    counts = row_runs(mask) * _CHANNELS
    pieces = -(-counts // _LONGEST)  # of runs that are too long for one
    lengths = np.repeat(np.where(counts > 0, _LONGEST, 0), pieces)
    lengths[np.cumsum(pieces)[pieces > 0] - 1] = (counts - (pieces - 1) * _LONGEST)[pieces > 0]
    value = np.repeat(np.arange(len(counts)) % 2 * 255, pieces)
    choice = np.searchsorted(1 << np.array(_SIZES), lengths)
    size = np.array(_SIZES)[choice]
    code = (((4 | choice) << size | lengths - 1) << _WORD) | value
    count = 3 + size + _WORD
    head = int(mask.size * _CHANNELS) << 21 | (_WORD - 1) << 16
    for shift, bits in zip((12, 8, 4, 0), _SIZES, strict=True):
        head |= bits - 1 << shift
    parts = [_bits(np.array([head]), np.array([_HEAD])), _bits(code, count)]
    return np.packbits(np.concatenate(parts)).tobytes()


def _bits(codes: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The last `counts` bits of each code, one after the other."""
    rows = np.unpackbits(codes.astype(">u8").view(np.uint8).reshape(-1, 8), axis=1)
    found: NDArray[np.uint8] = rows[np.arange(_WINDOW) >= _WINDOW - counts[:, None]]
    return found
