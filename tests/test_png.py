from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from flawsmith.data import png

RNG = np.random.default_rng(0)


def written(pixels: np.ndarray, level: int) -> BytesIO:
    file = BytesIO()
    png.write_png(file, pixels, level)
    return file


@pytest.mark.parametrize("strip", [1, 100, 1 << 18])
@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (40, 33)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pillow_reads_what_was_written(
    monkeypatch: pytest.MonkeyPatch, strip: int, level: int, size: tuple[int, int], channels: int
) -> None:
    monkeypatch.setattr(png, "STRIP", strip)
    pixels = RNG.integers(0, 256, (*size, channels)).astype(np.uint8)
    found = np.asarray(Image.open(written(pixels, level)))
    assert np.array_equal(found, pixels.squeeze(2) if channels == 1 else pixels)


@pytest.mark.parametrize("strip", [1, 1 << 18])
def test_pillow_reads_16_bit_grey(monkeypatch: pytest.MonkeyPatch, strip: int) -> None:
    monkeypatch.setattr(png, "STRIP", strip)
    pixels = RNG.integers(0, 65536, (40, 33, 1)).astype(np.uint16)
    assert np.array_equal(np.asarray(Image.open(written(pixels, 1))), pixels[..., 0])


@pytest.mark.parametrize("width", [1, 7, 8, 9, 33])
def test_pillow_reads_a_mask_of_one_bit(width: int) -> None:
    mask = RNG.random((20, width, 1)) < 0.3
    found = Image.open(written(mask, 1))
    assert found.mode == "1" and np.array_equal(np.asarray(found), mask[..., 0])


def test_a_window_of_an_image_is_written_as_its_copy() -> None:
    whole = RNG.integers(0, 65536, (40, 33, 3)).astype(np.uint16)
    window = whole[5:20, 3:30]
    assert written(window, 1).getvalue() == written(window.copy(), 1).getvalue()
