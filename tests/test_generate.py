import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pycocotools import mask as rle

from flawsmith.data.errors import PartlyDone, UsageError, UserError
from flawsmith.data.image import read_image, read_mask
from flawsmith.data.read import read
from flawsmith.data.select import Selection
from flawsmith.gan.fit import fit
from flawsmith.gan.production.config import GenerateConfig
from flawsmith.gan.production.generate import digested, generate
from flawsmith.gan.production.task import Task
from flawsmith.gan.production.worker import Worker
from flawsmith.gan.scene import SceneConfig
from flawsmith.gan.trainer import FitConfig

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def run(selection: Selection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run trained for two steps: what it paints is poor, but paint it is."""
    output = tmp_path_factory.mktemp("run") / "run"
    for _ in fit(selection, FitConfig(steps=2, batch=2, patch=64, blanks=8), output, 0, CPU):
        pass
    return output


def make(run: Path, selection: Selection, output: Path, count: int = 6, painter: str = "paste", seed: int = 0) -> Path:
    for _ in generate(run, selection.good, GenerateConfig(count, painter), output, seed, CPU):
        pass
    return output


def tree(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_what_is_written_is_a_data_set_with_agreeing_labels(run: Path, selection: Selection, tmp_path: Path) -> None:
    output = make(run, selection, tmp_path / "out")
    dataset = read(output)
    coco = json.loads((output / "annotations.json").read_text())
    entries = [json.loads(line) for line in (output / "provenance.jsonl").read_text().splitlines()]
    assert len(dataset.records) == len(coco["images"]) == len(entries) == 6
    assert dataset.classes == ("pit", "scratch")
    for image, entry in zip(coco["images"], entries, strict=True):
        own = [one for one in coco["annotations"] if one["image_id"] == image["id"]]
        union = np.logical_or.reduce([rle.decode(one["segmentation"]) > 0 for one in own])
        assert np.array_equal(union, read_mask(output / entry["mask"]) > 0) and image["file_name"] == entry["image"]
        clean, painted = read_image(selection.dataset.root / entry["clean"]), read_image(output / entry["image"])
        assert (clean != painted).any(2)[union].mean() > 0.9
        assert hashlib.sha256(painted.tobytes()).hexdigest() == entry["pixels_sha256"]


@pytest.mark.parametrize("painter", ["gan", "paste", "poisson", "procedural"])
def test_an_image_does_not_depend_on_how_many_are_made_nor_on_chunks(
    painter: str, run: Path, selection: Selection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = GenerateConfig(5, painter, scene=SceneConfig(least_fill=0.0))
    good = digested(selection.good)
    whole = Worker(Task(run, good, config, tmp_path / "a", 0, "cpu"))
    parts = Worker(Task(run, good, config, tmp_path / "b", 0, "cpu"))
    together = {entry["index"]: entry for entry in whole.paint(range(5))}
    apart = {entry["index"]: entry for index in (4, 1, 3) for entry in parts.paint([index])}
    assert all(apart[index] == together[index] for index in apart)


def test_a_stopped_run_continues_to_the_same_bytes(run: Path, selection: Selection, tmp_path: Path) -> None:
    config = GenerateConfig(40, "paste")
    whole = make(run, selection, tmp_path / "whole", 40)
    stopped = generate(run, selection.good, config, tmp_path / "stopped", 0, CPU)
    next(stopped)
    stopped.close()
    assert not (tmp_path / "stopped" / "manifest.csv").exists()
    assert tree(make(run, selection, tmp_path / "stopped", 40)) == tree(whole)


def test_several_processes_write_the_same_bytes(run: Path, selection: Selection, tmp_path: Path) -> None:
    one = make(run, selection, tmp_path / "one", 64)
    config = GenerateConfig(64, "paste")
    for _ in generate(run, selection.good, config, tmp_path / "two", 0, CPU, workers=2):
        pass
    assert tree(one) == tree(tmp_path / "two")


def test_another_seed_or_painter_or_count_is_refused_in_the_same_folder(
    run: Path, selection: Selection, tmp_path: Path
) -> None:
    before = tree(make(run, selection, tmp_path / "out"))
    for change in ({"seed": 1}, {"painter": "poisson"}, {"count": 7}):
        with pytest.raises(UsageError, match="begun differently"):
            make(run, selection, tmp_path / "out", **change)
    assert tree(tmp_path / "out") == before


def test_images_that_cannot_be_painted_are_listed_and_the_rest_is_complete(
    run: Path, selection: Selection, tmp_path: Path
) -> None:
    config = GenerateConfig(4, "paste", scene=SceneConfig(tries=1, least_fill=2.0))
    with pytest.raises(PartlyDone, match="4 of 4: not visible"):
        list(generate(run, selection.good, config, tmp_path / "out", 0, CPU))
    assert len((tmp_path / "out" / "rejected.jsonl").read_text().splitlines()) == 4
    assert (tmp_path / "out" / "manifest.csv").read_text() == "image,mask,class,group,origin\n"


def test_impossible_requests_are_refused_in_one_line(run: Path, selection: Selection, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="this run learned pit, scratch; found dent"):
        list(generate(run, selection.good, GenerateConfig(1, classes=("dent",)), tmp_path / "a", 0, CPU))
    with pytest.raises(UserError, match="no good parts"):
        list(generate(run, (), GenerateConfig(1), tmp_path / "b", 0, CPU))
    with pytest.raises(UserError, match="no run folder"):
        list(generate(tmp_path, selection.good, GenerateConfig(1), tmp_path / "c", 0, CPU))
    with pytest.raises(UsageError, match="a painter is one of"):
        list(generate(run, selection.good, GenerateConfig(1, "oil"), tmp_path / "d", 0, CPU))
    with pytest.raises(UsageError, match="at least one image"):
        GenerateConfig(0)
    assert not any((tmp_path / name).exists() for name in "abcd")
