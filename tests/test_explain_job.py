"""The whole: from a model and images to a page and figures, through the command line too."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from explained import CPU, Rule
from PIL import Image

from flawsmith.cli import main
from flawsmith.data.errors import PartlyDone, UsageError, UserError
from flawsmith.data.read import read
from flawsmith.data.select import Selection
from flawsmith.data.split import make_split
from flawsmith.segment.explain.cases import ALARM, FOUND, MASK, MISSED
from flawsmith.segment.explain.job import Beside, ExplainConfig, explain_all
from flawsmith.segment.explain.learned import selection_of
from flawsmith.segment.explain.page import page
from flawsmith.segment.explain.subjects import Subjects
from flawsmith.segment.model import Model, load_model
from flawsmith.segment.train import TrainConfig, train

EVIL = "<script>window.evil = 1</script>"


def dark() -> Rule:
    """What is dark is a pit."""
    return Rule(lambda grey: (grey < 0.42).astype(np.float32))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def explained(model: Any, places: list[Path], output: Path, beside: Beside | None = None, **options: Any) -> Any:
    split = options.pop("split", None)
    subjects = Subjects.of([str(place) for place in places], split, model.classes)
    *events, last = explain_all(model, subjects, output, ExplainConfig(**{"rows": 2} | options), beside)
    assert all("account" not in event for event in events)
    return last["account"], json.loads((output / "explain.json").read_text())


@pytest.fixture(scope="module")
def trained(selection: Selection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model that has learned a little from a few of the parts."""
    output = tmp_path_factory.mktemp("trained") / "model"
    config = TrainConfig(steps=40, batch=4, patch=64, lr=1e-2, average=0.8, model="small", widths=(8, 16), mine_at=0.0)
    few = replace(selection, defects=selection.defects[::2])
    list(train(few, (), config, output, 0, CPU))
    return output


def test_errors_of_labelled_images_are_explained_in_every_way(
    trained: Path, parts: Path, selection: Selection, tmp_path: Path
) -> None:
    model = load_model(trained, CPU)
    learned = selection_of(trained, parts, None, None, model.classes, 0)
    assert {record.name for record in learned.defects} == {record.name for record in selection.defects[::2]}
    account, figures = explained(model, [parts], tmp_path / "out", Beside(learned))
    assert figures["labelled"] and len(figures["images"]) == 16 and figures["failed"] == []
    assert set(figures["counts"]) <= {MISSED, ALARM, MASK} and figures["known"] == {"real": 4}
    rows = figures["rows"]
    assert rows and all(len([row for row in rows if row["kind"] == kind]) <= 2 for kind in figures["counts"])
    for row in rows:
        assert row["grad_cam"]["layer"] == "down.1" and row["views"]["views"] == 12
        assert len(row["nearest"]) == 3 and row["nearest"][0]["distance"] <= row["nearest"][2]["distance"]
        assert row["occlusion"]["passes"] <= 65 and row["baseline"]["agrees"] in (True, False)
        assert Path(row["image"]).is_file() and len(row["box"]) == 4
    rule = load_model(tmp_path / "out" / "baseline", CPU)
    assert list(figures["rules"]) == list(rule.classes)
    text = (tmp_path / "out" / "index.html").read_text()
    assert "<script" not in text and "://" not in text.replace("http-equiv", "") and len(text) <= 5_000_000
    assert all(words in text for words in figures["rules"].values()) and "Grad-CAM at down.1" in text
    assert len(page(account, 150_000)) < len(text)


def test_images_without_labels_show_what_was_found_and_good_ones_are_said_to_be_empty(
    parts: Path, tmp_path: Path
) -> None:
    for name in ("pit0", "pit1", "good0"):
        (tmp_path / "in").mkdir(exist_ok=True)
        shutil.copy(parts / "images" / f"{name}.png", tmp_path / "in")
    smooth = Image.fromarray(np.full((60, 70), 140, np.uint8))
    smooth.save(tmp_path / "in" / "good0.png")
    account, figures = explained(dark(), [tmp_path / "in"], tmp_path / "out", least=30)
    assert not figures["labelled"] and set(figures["counts"]) == {FOUND}
    assert account.empty == [str(tmp_path / "in" / "good0.png")]
    text = (tmp_path / "out" / "index.html").read_text()
    assert "Nothing found" in text and "good0.png" in text and "Grad-CAM is left out" in text
    assert all(row["grad_cam"] is None and row["baseline"] is None and row["nearest"] == [] for row in figures["rows"])


def test_one_broken_image_does_not_stop_the_others(
    parts: Path, tmp_path: Path, make_parts: Callable[..., Path]
) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(parts / "images" / "pit0.png", tmp_path / "in")
    (tmp_path / "in" / "broken.png").write_bytes(b"no image")
    with pytest.raises(PartlyDone, match=r"1 of 2 images could not be read; found .*broken\.png"):
        explained(dark(), [tmp_path / "in"], tmp_path / "out")
    assert len(json.loads((tmp_path / "out" / "explain.json").read_text())["rows"]) >= 1
    damaged = make_parts(tmp_path / "parts", defects=2, good=2)
    (damaged / "images" / "pit0.png").write_bytes(b"no image")
    with pytest.raises(PartlyDone, match=r"1 of 4 images could not be read; found .*pit0\.png"):
        explained(dark(), [damaged], tmp_path / "out2")
    assert "Not read" in (tmp_path / "out2" / "index.html").read_text()


def test_of_a_split_the_test_part_alone_is_explained(parts: Path, tmp_path: Path) -> None:
    split = make_split(read(parts), 0.5, 0)
    split.save(tmp_path / "split.json")
    _, figures = explained(dark(), [parts], tmp_path / "out", split=tmp_path / "split.json", rows=1)
    names = {Path(one["image"]).name for one in figures["images"]}
    assert names == {
        Path(record.name).name
        for record in split.test(read(parts))
        if record.good or "pit" in record.defects  # a scratch is neither good nor a pit
    }


@pytest.mark.parametrize("name", ["threshold", "classifier", "maskrcnn:resnet18"])
def test_every_kind_of_model_is_explained(name: str, selection: Selection, parts: Path, tmp_path: Path) -> None:
    if name.startswith("maskrcnn"):
        pytest.importorskip("faster_coco_eval")
    config = TrainConfig(model=name, steps=3, batch=2, patch=64, lr=1e-2, average=0.0, mine_at=0.0)
    list(train(selection, (), config, tmp_path / "model", 0, CPU))
    model = load_model(tmp_path / "model", CPU)
    shutil.copytree(parts, tmp_path / "few")
    lines = (parts / "manifest.csv").read_text().splitlines()
    (tmp_path / "few" / "manifest.csv").write_text("\n".join([lines[0], lines[1], lines[5], lines[9]]) + "\n")
    account, figures = explained(model, [tmp_path / "few"], tmp_path / "out", rows=1)
    assert len(figures["images"]) == 3 and figures["own_rule"] == (name == "threshold")
    if name == "threshold":
        assert figures["layer"] is None and figures["rules"]
        assert any("score" in one.caption for row in account.rows for one in row.panels)


def test_the_command_finds_what_train_had_and_says_when_it_is_gone(parts: Path, tmp_path: Path) -> None:
    data = shutil.copytree(parts, tmp_path / "parts")
    model, image = tmp_path / "model", tmp_path / "new.png"
    few = ["--classes", "pit", "--real", 1]
    assert run("train", data, "--model", "threshold", *few, "-o", model, "--device", "cpu").exit_code == 0
    (shown,) = (name for name in json.loads((model / "sources.json").read_text()) if "pit" in name)
    shutil.copy(parts / shown, image)
    assert json.loads((model / "learned.json").read_text()) == {"data": str(data), "synthetic": []}
    result = run("explain", model, image, "-o", tmp_path / "why", "--device", "cpu", "--rows", 1)
    assert result.exit_code == 0 and "index.html" in result.output, result.output
    (row,) = json.loads((tmp_path / "why" / "explain.json").read_text())["rows"]
    assert row["nearest"][0]["image"] == str(data / shown) and row["nearest"][0]["distance"] < 0.05
    data.rename(tmp_path / "moved")
    result = run("explain", model, image, "-o", tmp_path / "again", "--device", "cpu", "--rows", 1)
    assert result.exit_code == 0 and f"{data}: " in result.stderr and "it is gone" in result.stderr
    options = ["--learned", tmp_path / "moved", "--baseline", model, "--dry-run"]
    assert run("explain", model, image, *options, "-o", tmp_path / "dry").exit_code == 0
    assert not (tmp_path / "dry").exists()
    (tmp_path / "broken.png").write_bytes(b"no image")
    result = run("explain", model, image, tmp_path / "broken.png", "-o", tmp_path / "part", "--device", "cpu")
    assert result.exit_code == 3 and "broken.png" in result.stderr


def test_what_cannot_work_is_refused(parts: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    for places, said in (
        ([tmp_path / "a.mp4"], "images are explained; found a"),
        ([parts, parts / "images" / "pit0.png"], "a labelled data set is explained by itself; found 2 places"),
        ([tmp_path / "none"], "does not exist"),
        ([tmp_path / "empty"], "holds no image"),
    ):
        with pytest.raises(UserError, match=said):
            Subjects.of([str(place) for place in places], None, ("pit",))
    with pytest.raises(UserError, match="an image that is good or shows dent is needed; found pit, scratch"):
        few = tmp_path / "few"
        shutil.copytree(parts, few)
        rows = [line for line in (parts / "manifest.csv").read_text().splitlines() if ",good," not in line]
        (few / "manifest.csv").write_text("\n".join(rows) + "\n")
        Subjects.of([str(few)], None, ("dent",))
    for options, said in (({"threshold": 1.0}, "between 0 and 1"), ({"rows": 0}, "at least one row")):
        with pytest.raises(UsageError, match=said):
            ExplainConfig(**options)  # type: ignore[arg-type]
    subjects = Subjects.of([str(parts)], None, ("pit",))
    with pytest.raises(UsageError, match="new folder"):
        next(explain_all(dark(), subjects, parts))
    with pytest.raises(UserError, match="a baseline is a threshold"):
        network_folder = _saved(tmp_path / "network")
        next(explain_all(dark(), subjects, tmp_path / "out", beside=Beside(baseline=network_folder)))


def _saved(folder: Path) -> Path:
    from explained import network

    network().save(folder / "model.safetensors", {})
    return folder


def test_names_are_shown_and_not_run(parts: Path, tmp_path: Path) -> None:
    class Evil(Rule):
        classes = (EVIL,)

    shutil.copy(parts / "images" / "pit0.png", tmp_path / "pit0.png")
    model: Model = Evil(dark().rule)
    account, _ = explained(model, [tmp_path / "pit0.png"], tmp_path / "out", rows=1)
    assert account.rows and EVIL not in (tmp_path / "out" / "index.html").read_text()
    assert torch.is_grad_enabled()
