"""A sample is the image and its classes' masks, or a named error."""

from pathlib import Path

import numpy as np
import pytest

from flawsmith.data.errors import UserError
from flawsmith.data.image import write_image
from flawsmith.data.record import Label, Record
from flawsmith.data.sample import load

SHAPE = (6, 8)


def record(folder: Path, *labels: tuple[str, str, int | None], shape: tuple[int, int] = SHAPE) -> Record:
    rng = np.random.default_rng(0)
    write_image(folder / "a.png", rng.integers(0, 256, (*SHAPE, 3)).astype(np.uint8))
    for _, name, _ in labels:
        write_image(folder / name, rng.integers(0, 3, (*shape, 1)).astype(np.uint8))
    found = tuple(Label(defect, folder / name, value) for defect, name, value in labels)
    return Record("a.png", folder / "a.png", "g", found)


def raw(folder: Path, name: str) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(folder / name))


def test_a_good_image_has_empty_masks(tmp_path: Path) -> None:
    sample = load(record(tmp_path), ["pit", "scratch"])
    assert sample.image.shape == (*SHAPE, 3)
    assert sample.masks.shape == (2, *SHAPE)
    assert not sample.masks.any()


def test_masks_follow_the_order_asked_for_and_others_are_left_out(tmp_path: Path) -> None:
    one = record(tmp_path, ("pit", "m.png", 1), ("scratch", "m.png", 2), ("stain", "s.png", None))
    sample = load(one, ["scratch", "pit"])
    assert sample.masks.dtype == bool
    np.testing.assert_array_equal(sample.masks, [raw(tmp_path, "m.png") == 2, raw(tmp_path, "m.png") == 1])
    np.testing.assert_array_equal(load(one, ["stain"]).masks[0], raw(tmp_path, "s.png") > 0)


def test_two_masks_of_one_class_are_joined(tmp_path: Path) -> None:
    one = record(tmp_path, ("pit", "m.png", None), ("pit", "n.png", None))
    np.testing.assert_array_equal(load(one, ["pit"]).masks[0], (raw(tmp_path, "m.png") + raw(tmp_path, "n.png")) > 0)


def test_a_mask_of_another_size_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"m\.png.*8×6.*7×5"):
        load(record(tmp_path, ("pit", "m.png", None), shape=(5, 7)), ["pit"])
