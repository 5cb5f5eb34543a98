"""A large TIFF, read without Pillow, is what Pillow reads; what is not plain is left to Pillow."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from flawsmith.data import decode
from flawsmith.data.errors import UserError
from flawsmith.data.image import read_image, write_image
from flawsmith.data.tiff import read_plain_tiff

RNG = np.random.default_rng(0)


def noise(channels: int, dtype: type = np.uint8) -> np.ndarray:
    return RNG.integers(0, np.iinfo(dtype).max + 1, (40, 30, channels)).astype(dtype)


def plain(path: Path) -> np.ndarray | None:
    with path.open("rb") as file:
        return read_plain_tiff(file)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("how", [{}, {"compression": "zlib"}, {"compression": "zlib", "predictor": True}])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_both_ways_read_the_same(
    tmp_path: Path, byteorder: str, how: dict[str, Any], dtype: type, channels: int
) -> None:
    path, image = tmp_path / "a.tif", noise(channels, dtype)
    kind = {"photometric": "minisblack" if channels == 1 else "rgb"}
    extra = ["unassalpha"] if channels == 4 else None
    tifffile.imwrite(path, image.squeeze(), byteorder=byteorder, rowsperstrip=7, extrasamples=extra, **kind, **how)
    found = plain(path)
    assert found is not None and found.dtype == dtype and found.dtype.isnative and found.flags.writeable
    assert np.array_equal(found, image) and np.array_equal(read_image(path), image)


@pytest.mark.parametrize(
    "how",
    [
        {"photometric": "miniswhite"},
        {"photometric": "minisblack", "extratags": [(274, "H", 1, 6, True)]},
        {"photometric": "minisblack", "tile": (16, 16)},
        {"photometric": "palette", "colormap": np.zeros((3, 256), np.uint16)},
    ],
)
def test_what_is_not_plain_is_left_to_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: Any) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(1)[..., 0], **how)
    assert plain(path) is None
    expected = read_image(path)
    monkeypatch.setattr(decode, "_LARGE", 1)
    assert np.array_equal(read_image(path), expected)


@pytest.mark.parametrize("level", [0, 1])
def test_a_cut_file_is_refused_or_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: int) -> None:
    monkeypatch.setattr(decode, "_LARGE", 1)
    path, image = tmp_path / "a.tiff", noise(3)
    write_image(path, image, level)
    content = path.read_bytes()
    for end in range(10, len(content) - 1, 91):
        path.write_bytes(content[:end])
        with pytest.raises(UserError, match=r"a\.tiff"):
            read_image(path)
