"""Pictures of a page: close to what they were, and together never more than allowed."""

from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawsmith.data.errors import UserError
from flawsmith.segment.picture import LARGEST, LEAST, Picture, data_urls


def _noise(height: int, width: int) -> Picture:
    """The hardest there is to compress."""
    return Picture(np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8), "noise")


def _shown(url: str) -> np.ndarray:
    head, _, content = url.partition(",")
    assert head == "data:image/jpeg;base64"
    return np.asarray(Image.open(BytesIO(b64decode(content))).convert("RGB"))


def test_a_thin_coloured_line_keeps_its_colour() -> None:
    pixels = np.full((64, 64, 3), 120, np.uint8)
    pixels[30] = (230, 60, 50)
    picture = Picture(pixels, "line")
    shown = _shown(data_urls([picture], 10**6)[picture])
    assert np.abs(shown[30].astype(int) - pixels[30]).max() < 30


def test_grey_stays_grey() -> None:
    picture = Picture(np.repeat(np.arange(64, dtype=np.uint8)[None, :, None], 64, 0).repeat(3, 2), "ramp")
    shown = _shown(data_urls([picture], 10**6)[picture])
    assert (shown == shown[..., :1]).all()


@pytest.mark.parametrize("limit", [10**6, 200_000, 20_000])
def test_all_together_keep_the_limit(limit: int) -> None:
    pictures = [_noise(300, 400), _noise(200, 100), _noise(20, 20)]
    urls = data_urls(pictures, limit)
    assert list(urls) == pictures and sum(map(len, urls.values())) <= limit


def test_the_heaviest_is_made_smaller_and_the_light_is_left_alone() -> None:
    large, small = _noise(400, 400), _noise(30, 40)
    urls = data_urls([large, small], 60_000)
    assert _shown(urls[small]).shape == (30, 40, 3) and _shown(urls[large]).shape[0] < 400


def test_an_impossible_limit_ends_at_the_least_size() -> None:
    picture = _noise(100, 50)
    assert _shown(data_urls([picture], 0)[picture]).shape == (LEAST, LEAST // 2, 3)


def test_nothing_is_larger_than_a_screen() -> None:
    picture = Picture(np.zeros((10, 2 * LARGEST, 3), np.uint8), "long")
    assert _shown(data_urls([picture], 10**6)[picture]).shape == (5, LARGEST, 3)


def test_16_bit_and_grey_files_become_8_bit_rgb(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 6), 65535, np.uint16)).save(tmp_path / "deep.png")
    picture = Picture.read(tmp_path / "deep.png", "deep")
    assert (picture.height, picture.width) == (4, 6) and (picture.pixels == 255).all()


def test_a_damaged_file_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(UserError):
        Picture.read(tmp_path / "a.png", "damaged")
