"""Prediction over files and folders: what is written, under which name, and what happens to bad files."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawsmith.data.errors import PartlyDone, UsageError, UserError
from flawsmith.data.image import read_image, read_mask
from flawsmith.segment.predict import image_files, predict_folder


class Bright:
    """A segmenter for which bright is a spot and dark is a pit."""

    classes = ("spot", "dark/pit")

    def predict(self, image: np.ndarray) -> np.ndarray:
        value = image[..., 0].astype(np.float32) / 255
        return np.stack([value, (1 - value) ** 4])


def _write(path: Path, spot: bool = True) -> Path:
    values = np.full((20, 30), 115, np.uint8)
    if spot:
        values[5:12, 5:12] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def test_maps_masks_and_table(tmp_path: Path) -> None:
    _write(tmp_path / "in" / "a.png")
    _write(tmp_path / "in" / "sub" / "b.bmp", spot=False)
    events = list(predict_folder(Bright(), image_files([tmp_path / "in"]), tmp_path / "out"))  # type: ignore[arg-type]
    assert events[-1] == {"step": 2, "steps": 2}
    mask = read_mask(tmp_path / "out" / "masks" / "a.png") > 0
    assert mask.sum() == 49 and mask[5:12, 5:12].all()
    assert np.array_equal(
        read_image(tmp_path / "out" / "maps" / "spot" / "a.png"), read_image(tmp_path / "in" / "a.png")
    )
    assert (tmp_path / "out" / "maps" / "dark_pit" / "sub" / "b.png").is_file()
    with (tmp_path / "out" / "predictions.csv").open() as file:
        first, second = csv.DictReader(file)
    assert first["defect"] == "spot" and first["spot px"] == "49" and float(first["score"]) > 0.9
    assert second["defect"] == "" and second["mask"] == "masks/sub/b.png" and second["spot px"] == "0"


def test_equal_names_get_numbers(tmp_path: Path) -> None:
    one, two = _write(tmp_path / "x" / "a.png"), _write(tmp_path / "y" / "a.bmp")
    assert image_files([one, two, tmp_path / "x"]) == {"a.png": one, "a-2.png": two, "a-3.png": one}


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    _write(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").write_bytes(b"no image")
    with pytest.raises(PartlyDone, match=r"1 of 2 images could not be read; found .*b\.png"):
        list(predict_folder(Bright(), image_files([tmp_path / "in"]), tmp_path / "out"))  # type: ignore[arg-type]
    assert (tmp_path / "out" / "masks" / "a.png").is_file()
    assert len((tmp_path / "out" / "predictions.csv").read_text().splitlines()) == 2


def test_what_cannot_work_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no image"):
        image_files([tmp_path / "empty"])
    with pytest.raises(UserError, match="does not exist"):
        image_files([tmp_path / "nowhere"])
    images = {"a.png": _write(tmp_path / "a.png")}
    with pytest.raises(UsageError, match="lies between 0 and 1"):
        list(predict_folder(Bright(), images, tmp_path / "out", threshold=1.0))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="must be a new folder"):
        list(predict_folder(Bright(), images, tmp_path))  # type: ignore[arg-type]


def test_an_interrupted_run_can_be_given_again(tmp_path: Path) -> None:
    _write(tmp_path / "in" / "a.png")
    _write(tmp_path / "in" / "b.png")
    images = image_files([tmp_path / "in"])
    stopped = predict_folder(Bright(), images, tmp_path / "out")  # type: ignore[arg-type]
    next(stopped)
    stopped.close()
    assert list(predict_folder(Bright(), images, tmp_path / "out"))[-1]["step"] == 2  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="new folder"):
        list(predict_folder(Bright(), images, tmp_path / "out"))  # type: ignore[arg-type]
