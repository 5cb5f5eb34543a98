"""The whole main job through the command line: the lines of the tutorial, on tiny parts and with few steps."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from flawsmith.cli import main

TUTORIAL = Path(__file__).parents[1] / "docs" / "tutorial.md"
FEWER = {"fit": ["--steps", "20", "--device", "cpu"], "train": ["--steps", "2", "--device", "cpu"]}


def _lines() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)
    return [shlex.split(line)[1:] for block in blocks for line in block.splitlines()]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, make_parts: Callable[..., Path]) -> Path:
    """The folder in which the tutorial was followed, two defects a class in place of five."""
    folder = tmp_path_factory.mktemp("job")
    make_parts(folder / "runs" / "demo" / "parts")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, *options in _lines():
            if "--real" in options:
                options[options.index("--real") + 1] = "2"
            if "-n" in options:
                options[options.index("-n") + 1] = "6"
            result = CliRunner().invoke(main, [name, *options, *FEWER.get(name, [])])
            assert result.exit_code == 0, (name, options, result.output, result.exception)
    return folder / "runs"


def test_the_tutorial_uses_every_command_of_the_main_job() -> None:
    assert {line[0] for line in _lines()} == {
        *("check", "split", "fit", "preview", "generate", "train", "evaluate", "predict")
    }


def test_each_pixel_outside_the_paint_is_the_clean_parts_own(job: Path) -> None:
    lines = (job / "painted" / "provenance.jsonl").read_text().splitlines()
    assert len(lines) == 6
    for entry in map(json.loads, lines):
        painted = np.asarray(Image.open(job / "painted" / entry["image"]))
        clean = np.asarray(Image.open(job / "demo" / "parts" / entry["clean"]))
        mask = np.asarray(Image.open(job / "painted" / entry["mask"]))
        assert mask.any() and (painted != clean)[mask].any()
        assert (painted != clean).mean() < 0.5


def test_a_run_that_saw_a_test_image_paints_nothing(job: Path) -> None:
    """Its own split keeps test images from it; under another one, what it learned from is a test part."""
    parts = job / "demo" / "parts"
    other = job / "other.json"
    given = ["--test", "0.5", "--seed", "1", "-o", str(other)]
    assert CliRunner().invoke(main, ["split", str(parts), *given]).exit_code == 0
    paint = ["generate", str(job / "painter"), "--clean", str(parts), "--split", str(other), "-n", "2"]
    refused = CliRunner().invoke(main, [*paint, "-o", str(job / "leak")])
    assert refused.exit_code == 1 and "nothing may be learned from a test image" in refused.output
    assert "fit again with --split" in refused.output and not (job / "leak").exists()


def test_coco_and_masks_say_the_same(job: Path) -> None:
    from pycocotools import mask as rle

    coco = json.loads((job / "painted" / "annotations.json").read_text())
    assert len(coco["images"]) == 6
    for image in coco["images"]:
        mine = [one for one in coco["annotations"] if one["image_id"] == image["id"]]
        union = np.bitwise_or.reduce([rle.decode(one["segmentation"]) for one in mine])
        name = Path(image["file_name"]).with_suffix(".png").name
        assert np.array_equal(union > 0, np.asarray(Image.open(job / "painted" / "masks" / name)) > 0)


def test_only_the_test_side_is_scored(job: Path) -> None:
    split = json.loads((job / "split.json").read_text())
    held_out = sum(image["part"] == "test" for image in split["images"])
    rows = (job / "with-eval" / "per_image.csv").read_text().splitlines()[1:]
    assert len(rows) == held_out > 0


def test_every_score_is_a_share(job: Path) -> None:
    for name in ("with-eval", "without-eval"):
        metrics = json.loads((job / name / "metrics.json").read_text())
        assert set(metrics["per_class"]) == {"pit", "scratch"}
        for scores in (metrics["overall"], *metrics["per_class"].values()):
            assert all(0 <= value <= 1 for value in scores.values() if value is not None)


def test_a_prediction_for_each_image(job: Path) -> None:
    images = sorted(path.stem for path in (job / "demo" / "parts" / "images").iterdir())
    assert sorted(path.stem for path in (job / "predictions" / "masks").iterdir()) == images


def test_pictures_to_look_at(job: Path) -> None:
    for path in (job / "preview.png", job / "sheet.png", job / "painted.png"):
        assert np.asarray(Image.open(path)).std() > 0
    assert list((job / "with-eval" / "overlays").glob("*.png"))
