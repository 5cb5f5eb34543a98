"""Memory: reading a large image, changing a patch and writing it takes little more than the image itself."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawsmith.data.image import read_image, write_image

SIZE = (4500, 6000)  # px
FIXED = 48e6  # bytes on top, whatever the image's size
CHILD = """
import re, sys
from pathlib import Path
from flawsmith.data.image import read_image, write_image

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

read_image(Path(sys.argv[3]))  # imports what reading needs
before = peak()
image = read_image(Path(sys.argv[1]))
image[100:200, 300:400] = 7
write_image(Path(sys.argv[2]), image)
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")
@pytest.mark.parametrize(("channels", "dtype"), [(3, np.uint8), (1, np.uint16)])
def test_a_large_png_takes_little_more_memory_than_its_pixels(tmp_path: Path, channels: int, dtype: type) -> None:
    tile = np.random.default_rng(0).normal(120, 6, (500, 500, channels)) * (np.iinfo(dtype).max / 255)
    image = np.tile(tile.astype(dtype), (SIZE[0] // 500, SIZE[1] // 500, 1))
    write_image(tmp_path / "a.png", image)
    write_image(tmp_path / "tiny.png", image[:9, :9])
    command = [sys.executable, "-c", CHILD, *(str(tmp_path / name) for name in ("a.png", "b.png", "tiny.png"))]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told.stderr == ""
    assert int(told.stdout) < 1.3 * image.nbytes + FIXED
    image[100:200, 300:400] = 7
    assert np.array_equal(read_image(tmp_path / "b.png"), image)


def test_an_image_beyond_pillows_warning_is_read_in_silence(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    Image.new("1", (12000, 9000)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").shape == (9000, 12000, 1)
    assert Image.MAX_IMAGE_PIXELS < 12000 * 9000 and not recwarn.list
