from pathlib import Path

import numpy as np
from PIL import Image

from flawsmith.data.record import Record
from flawsmith.gan.donors import DONORS, Donors, as_pixels


def records(root: Path, count: int) -> list[Record]:
    """Grey images, each a little brighter than the one before."""
    found = []
    for index in range(count):
        path = root / f"{index}.png"
        Image.fromarray(np.full((40, 50), 10 * index, np.uint8)).save(path)
        found.append(Record(path.name, path, str(index)))
    return found


def test_the_most_similar_good_parts_come_first(tmp_path: Path) -> None:
    found = Donors(records(tmp_path, 20), 1, 0).for_image(np.full((40, 50, 1), 121 / 255, np.float32))
    assert len(found) == DONORS and np.allclose(found[0], 120 / 255)
    assert all(abs(donor.mean() * 255 - 121) < 35 for donor in found)


def test_a_donor_of_the_size_is_preferred(tmp_path: Path) -> None:
    good = records(tmp_path, 6)
    Image.fromarray(np.full((20, 200), 121, np.uint8)).save(good[0].image)
    found = Donors(good, 1, 0).for_image(np.full((40, 50, 1), 121 / 255, np.float32))
    assert all(donor.shape[:2] == (40, 50) for donor in found[:-1])


def test_few_good_parts_are_all_donors(tmp_path: Path) -> None:
    assert len(Donors(records(tmp_path, 2), 3, 0).for_image(np.zeros((40, 50, 3), np.float32))) == 2


def test_pixels_are_floats_with_channels_last() -> None:
    image = as_pixels(np.full((4, 5, 1), 255, np.uint8), 3)
    assert image.shape == (4, 5, 3) and image.dtype == np.float32 and (image == 1).all()
