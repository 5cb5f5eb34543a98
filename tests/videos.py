"""Small videos for tests, made with PyAV: a bright spot that moves over grey parts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SIZE = (48, 64)  # px: height and width
SPOT = 12  # px: its side


def corner(index: int) -> tuple[int, int]:
    """Where the spot of a frame begins: row and column."""
    return 8 + index, 10 + 2 * index


def pictures(count: int) -> list[np.ndarray]:
    """Frames (H, W, 3) uint8."""
    found, random = [], np.random.default_rng(0)
    for index in range(count):
        grain = random.integers(50, 70, (*SIZE, 1)).astype(np.uint8)  # or the file would be all headers
        picture, (row, column) = np.repeat(grain, 3, 2), corner(index)
        picture[row : row + SPOT, column : column + SPOT] = 250
        found.append(picture)
    return found


def write_video(
    path: Path, count: int = 10, codec: str = "ffv1", form: str = "yuv420p", gap: Sequence[int] = ()
) -> Path:
    """Writes a video, 10 frames a second without those in `gap`; the default codec loses nothing but colour."""
    av: Any = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width = SIZE
        stream.pix_fmt = form
        for index, picture in enumerate(pictures(count)):
            if index not in gap:
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=form)
                frame.pts = index
                container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def cut(path: Path, share: float) -> Path:
    """A copy of the file that ends after that share of its bytes, most often in the middle of a frame."""
    content, short = path.read_bytes(), path.with_name(f"cut-{path.name}")
    short.write_bytes(content[: int(len(content) * share)])
    return short
