"""Prediction over files and folders: what is written, under which name, and what happens to bad files."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle

from flawsmith.data.errors import PartlyDone, UsageError, UserError
from flawsmith.data.image import read_image, read_mask
from flawsmith.data.read import read
from flawsmith.data.sample import load
from flawsmith.segment.model import load_model
from flawsmith.segment.places import Sources
from flawsmith.segment.predict import PredictConfig, predict


class Bright:
    """A model for which bright is a spot and dark is a pit."""

    classes = ("spot", "dark pit")
    channels = 1

    def predict(self, image: np.ndarray) -> np.ndarray:
        value = image[..., 0].astype(np.float32) / 255
        return np.stack([value, (1 - value) ** 4])


def write(path: Path, spot: bool = True) -> Path:
    values = np.full((20, 30), 115, np.uint8)
    if spot:
        values[5:12, 5:12] = 255
        values[15:17, 20:23] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def run(places: list[Path], output: Path, **options: Any) -> list[dict[str, Any]]:
    return list(predict(Bright(), Sources.of(places), output, PredictConfig(**options)))


def test_maps_masks_and_table(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.png")
    write(tmp_path / "in" / "sub" / "b.bmp", spot=False)
    events = run([tmp_path / "in"], tmp_path / "out")
    assert [event["step"] for event in events[:2]] == [1, 2] and events[1]["steps"] == 2
    mask = read_mask(tmp_path / "out" / "masks" / "a.png") > 0
    assert mask.sum() == 55 and mask[5:12, 5:12].all()
    assert np.array_equal(
        read_image(tmp_path / "out" / "maps" / "spot" / "a.png"), read_image(tmp_path / "in" / "a.png")
    )
    assert (tmp_path / "out" / "maps" / "dark_pit" / "sub" / "b.png").is_file()
    with (tmp_path / "out" / "predictions.csv").open() as file:
        first, second = csv.DictReader(file)
    assert first["defect"] == "spot" and first["spot px"] == "49" and float(first["score"]) > 0.9
    assert second["defect"] == "" and second["mask"] == "masks/sub/b.png" and second["spot px"] == "0"


def test_a_line_of_json_has_each_defect_with_its_box_and_pixels(tmp_path: Path) -> None:
    run([write(tmp_path / "a.png")], tmp_path / "out")
    (line,) = map(json.loads, (tmp_path / "out" / "predictions.jsonl").read_text().splitlines())
    assert [(one["class"], one["bbox"], one["area"]) for one in line["instances"]] == [
        ("spot", [5, 5, 7, 7], 49),
        ("dark pit", [20, 15, 3, 2], 6),
    ]
    union = np.bitwise_or.reduce([rle.decode(one["segmentation"]) for one in line["instances"]])
    assert np.array_equal(union > 0, read_mask(tmp_path / "out" / "masks" / "a.png") > 0)
    assert (line["image"], line["height"], line["width"]) == ("a", 20, 30) and "frame" not in line


def test_small_defects_are_left_out_of_the_list_alone(tmp_path: Path) -> None:
    run([write(tmp_path / "a.png")], tmp_path / "out", least=7)
    (line,) = map(json.loads, (tmp_path / "out" / "predictions.jsonl").read_text().splitlines())
    assert [one["class"] for one in line["instances"]] == ["spot"]
    assert (read_mask(tmp_path / "out" / "masks" / "a.png") > 0).sum() == 55


@pytest.mark.parametrize("to", ["coco", "cvat", "png"])
def test_labels_of_other_tools_read_back_as_the_masks(tmp_path: Path, to: str) -> None:
    write(tmp_path / "in" / "a.png")
    write(tmp_path / "in" / "sub" / "b.bmp", spot=False)
    run([tmp_path / "in"], tmp_path / "out", to=(to,))
    dataset = read(tmp_path / "out" / to)
    assert set(dataset.classes) == {"spot", "dark pit"}
    (record,), good = [one for one in dataset.records if not one.good], [one for one in dataset.records if one.good]
    masks = load(record, Bright.classes).masks
    assert masks[0].sum() == 49 and masks[1].sum() == 6 and len(good) == 1
    assert not (tmp_path / "out" / "predictions.jsonl").exists()


def test_coco_annotations_have_scores(tmp_path: Path) -> None:
    run([write(tmp_path / "a.png")], tmp_path / "out", to=("coco", "jsonl"))
    content = json.loads((tmp_path / "out" / "coco" / "annotations.json").read_text())
    assert [one["score"] for one in content["annotations"]] == [1.0, 1.0]


def test_an_overlay_changes_what_was_found_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.png")
    write(tmp_path / "in" / "b.png", spot=False)
    run([tmp_path / "in"], tmp_path / "out", overlay=True)
    for name, found in (("a", True), ("b", False)):
        drawn = read_image(tmp_path / "out" / "overlays" / f"{name}.png")
        plain = np.repeat(read_image(tmp_path / "in" / f"{name}.png"), 3, axis=2)
        assert (drawn != plain).any() == found


def test_how_fast_it_was_stands_in_the_summary(tmp_path: Path) -> None:
    ticks = iter(np.arange(0, 100, 0.5).tolist())
    sources = Sources.of([write(tmp_path / "a.png"), write(tmp_path / "b.png")])
    events = list(predict(Bright(), sources, tmp_path / "out", clock=lambda: next(ticks)))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary == events[-1]["summary"] and summary["failed"] == []
    assert summary["images"] == {"done": 2, "per_second": 1.333, "latency_ms": {"p50": 500.0, "p99": 500.0}}


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    write(tmp_path / "in" / "c.png")
    (tmp_path / "in" / "b.png").write_bytes(b"no image")
    notes = []
    with pytest.raises(PartlyDone, match=r"1 of 2 images could not be read; found .*b\.png"):
        for event in predict(Bright(), Sources.of([tmp_path / "in"]), tmp_path / "out"):
            notes += [event["note"]] if "note" in event else []
    assert len(notes) == 1 and "b.png" in notes[0]
    assert (tmp_path / "out" / "masks" / "c.png").is_file()
    assert len((tmp_path / "out" / "predictions.csv").read_text().splitlines()) == 2
    assert len(json.loads((tmp_path / "out" / "summary.json").read_text())["failed"]) == 1


def test_grey_images_for_a_model_of_colours_are_told_once(tmp_path: Path) -> None:
    class Coloured(Bright):
        channels = 3

    sources = Sources.of([write(tmp_path / "a.png"), write(tmp_path / "b.png")])
    events = list(predict(Coloured(), sources, tmp_path / "out"))
    assert ["is grey" in event.get("note", "") for event in events] == [True, False, False]
    assert events[-1]["summary"]["grey images"] == 2


def test_what_cannot_work_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lies between 0 and 1"):
        PredictConfig(threshold=1.0)
    with pytest.raises(UsageError, match="a format is one of jsonl, coco, cvat, png"):
        PredictConfig(to=("yolo",))
    with pytest.raises(UsageError, match="must be a new folder"):
        run([write(tmp_path / "a.png")], tmp_path)


def test_an_interrupted_run_can_be_given_again(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.png")
    write(tmp_path / "in" / "b.png")
    options: dict[str, Any] = {"to": ("jsonl", "coco", "cvat", "png"), "overlay": True}
    stopped = predict(Bright(), Sources.of([tmp_path / "in"]), tmp_path / "out", PredictConfig(**options))
    next(stopped)
    stopped.close()
    assert not list((tmp_path / "out").rglob("annotations.*"))
    run([tmp_path / "in"], tmp_path / "out", **options)
    assert len((tmp_path / "out" / "predictions.jsonl").read_text().splitlines()) == 2
    with pytest.raises(UsageError, match="new folder"):
        run([tmp_path / "in"], tmp_path / "out")


def test_a_model_of_other_channels_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hyper(Bright):
        channels = 5

    load: Callable[..., Bright] = lambda *_: Hyper()  # noqa: E731
    monkeypatch.setattr("flawsmith.segment.models.choose.load_trained", load)
    with pytest.raises(UserError, match="grey or colour, 1 or 3 channels; found 5 channels"):
        load_model(tmp_path, None)  # type: ignore[arg-type]
