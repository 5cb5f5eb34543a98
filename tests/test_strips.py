"""A large PNG, read strip by strip, is what it is when read whole."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawsmith.data import decode, strips
from flawsmith.data.errors import UserError
from flawsmith.data.image import read_image, write_image
from flawsmith.data.png import write_png

RNG = np.random.default_rng(0)
ORIENTATION = 0x0112


@pytest.fixture(autouse=True)
def _small_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the tiny images here were large ones."""
    monkeypatch.setattr(decode, "_LARGE", 1)
    monkeypatch.setattr(strips, "STRIP", 700)
    monkeypatch.setattr(strips, "PIECE", 64)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (50, 1), (41, 33)])
def test_strips_are_the_whole(tmp_path: Path, dtype: type, channels: int, size: tuple[int, int]) -> None:
    image = RNG.integers(0, np.iinfo(dtype).max + 1, (*size, channels)).astype(dtype)
    with (tmp_path / "a.png").open("wb") as file:
        write_png(file, image)
    found = read_image(tmp_path / "a.png")
    assert found.dtype == dtype and found.flags.writeable and np.array_equal(found, image)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "1"])
def test_every_filter_of_pillow_and_every_mode_is_read(tmp_path: Path, mode: str) -> None:
    smooth = np.add.outer(np.arange(60), np.arange(80)) % 200 + RNG.integers(0, 9, (60, 80))  # mixes the filters
    source = Image.fromarray(np.stack([smooth, smooth[::-1], smooth.T[:60].repeat(2, 1)[:, :80]], -1).astype(np.uint8))
    source.convert(mode).save(tmp_path / "a.png")
    found = read_image(tmp_path / "a.png")
    expected = np.asarray(source.convert(mode).convert({"LA": "L", "P": "RGB", "1": "L"}.get(mode, mode)))
    assert np.array_equal(found.squeeze(), expected)


def test_an_interlaced_png_is_read_by_pillow_alone(tmp_path: Path) -> None:
    body = bytes([0, 77])  # of a single pixel, only the first of the seven passes has any
    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 1)
    parts = [strips.SIGNATURE, strips.chunk(b"IHDR", header)]
    parts += [strips.chunk(b"IDAT", zlib.compress(body)), strips.chunk(b"IEND", b"")]
    (tmp_path / "a.png").write_bytes(b"".join(parts))
    assert read_image(tmp_path / "a.png").tolist() == [[[77]]]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_the_orientation_is_found_before_and_behind_the_pixels(tmp_path: Path, orientation: int, late: bool) -> None:
    image = RNG.integers(0, 256, (30, 20, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG", exif=exif)
    content = buffer.getvalue()
    if late:
        at = content.index(b"eXIf") - 4
        length = struct.unpack(">I", content[at : at + 4])[0] + 12
        content = content[:at] + content[at + length : -12] + content[at : at + length] + content[-12:]
    (tmp_path / "a.png").write_bytes(content)
    turned = {1: image, 3: image[::-1, ::-1], 6: image.swapaxes(0, 1)[:, ::-1]}[orientation]
    assert np.array_equal(read_image(tmp_path / "a.png"), turned)


def test_a_cut_file_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_image(path, RNG.integers(0, 256, (40, 30, 3)).astype(np.uint8))
    content = path.read_bytes()
    for end in range(40, len(content) - 12, 97):
        path.write_bytes(content[:end])
        with pytest.raises(UserError, match=r"a\.png"):
            read_image(path)


def test_changed_pixels_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_image(path, RNG.integers(0, 256, (40, 30, 3)).astype(np.uint8), level=0)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="checksum"):
        read_image(path)


def test_a_picture_with_too_few_rows_is_refused(tmp_path: Path) -> None:
    buffer = BytesIO()
    write_png(buffer, RNG.integers(0, 256, (40, 30, 1)).astype(np.uint8))
    content = buffer.getvalue()
    header = strips.chunk(b"IHDR", struct.pack(">IIBBBBB", 30, 41, 8, 0, 0, 0, 0))
    (tmp_path / "a.png").write_bytes(content[:8] + header + content[8 + len(header) :])
    with pytest.raises(UserError, match="ends early"):
        read_image(tmp_path / "a.png")
