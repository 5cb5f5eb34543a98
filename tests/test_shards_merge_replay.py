"""One set by several machines, joined to the same bytes; any image of it painted again."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copytree, rmtree

import numpy as np
import pytest
import torch

from flawsmith.data.errors import PartlyDone, UsageError, UserError
from flawsmith.data.image import read_image, write_image
from flawsmith.data.select import Selection
from flawsmith.gan.bank import Bank
from flawsmith.gan.control import Control
from flawsmith.gan.production.config import GenerateConfig
from flawsmith.gan.production.generate import generate, other_versions
from flawsmith.gan.production.merge import merge
from flawsmith.gan.production.replay import replay
from flawsmith.gan.production.shard import Shard
from flawsmith.gan.scene import SceneConfig

CPU = torch.device("cpu")
CONFIG = GenerateConfig(9, "paste", good=0.25, scene=SceneConfig(control=Control(defects=(1, 2))))
Make = Callable[..., Path]


def tree(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def make(bank: Bank, selection: Selection, tmp_path_factory: pytest.TempPathFactory) -> Make:
    run = tmp_path_factory.mktemp("run")
    bank.save(run / "bank.safetensors")
    where = {"run": str(run), "clean": str(selection.dataset.root)}

    def paint(output: Path, config: GenerateConfig = CONFIG, shard: str | None = None, seed: int = 0) -> Path:
        own = None if shard is None else Shard.parse(shard)
        for _ in generate(run, selection.good, config, output, seed, CPU, shard=own, where=where):
            pass
        return output

    return paint


@pytest.fixture(scope="module")
def whole(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("set") / "whole")


@pytest.fixture(scope="module")
def shards(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    for number in (3, 1, 2):
        make(folder / f"shard-{number}-of-3", shard=f"{number}/3")
    return folder


def test_shards_join_to_the_bytes_of_one_machine(whole: Path, shards: Path, tmp_path: Path) -> None:
    list(merge([shards], tmp_path / "joined"))
    assert tree(tmp_path / "joined") == tree(whole)
    assert json.loads((whole / "summary.json").read_text())["images"] == 12


def test_an_interrupted_merge_goes_on_to_the_same_bytes(whole: Path, shards: Path, tmp_path: Path) -> None:
    stopped = merge([shards], tmp_path / "joined")
    for _ in range(3):
        next(stopped)
    stopped.close()
    for _ in range(2):
        list(merge([shards], tmp_path / "joined"))
    assert tree(tmp_path / "joined") == tree(whole)


def test_a_missing_a_repeated_and_a_foreign_shard_are_refused(make: Make, shards: Path, tmp_path: Path) -> None:
    one, two, three = (shards / f"shard-{number}-of-3" for number in (1, 2, 3))
    with pytest.raises(UserError, match=r"is there once; found 4 of 12 missing: 1, 4, 7, 10"):
        list(merge([one, three], tmp_path / "joined"))
    with pytest.raises(UserError, match="number 0 twice"):
        list(merge([one, two, three, one], tmp_path / "joined"))
    other = make(tmp_path / "other", shard="2/3", seed=1)
    with pytest.raises(UsageError, match="all shards are of one set; found seed was 0, is 1"):
        list(merge([one, other, three], tmp_path / "joined"))
    with pytest.raises(UsageError, match="a folder that holds shards"):
        list(merge([tmp_path / "none"], tmp_path / "joined"))
    assert not (tmp_path / "joined").exists()


def test_a_shard_that_was_damaged_or_is_not_finished_is_refused(shards: Path, tmp_path: Path) -> None:
    copytree(shards, tmp_path / "copy")
    image = sorted((tmp_path / "copy" / "shard-2-of-3" / "images").iterdir())[0]
    image.write_bytes(image.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"what its provenance says; found another SHA-256"):
        list(merge([tmp_path / "copy"], tmp_path / "joined"))
    (tmp_path / "copy" / "shard-1-of-3" / "provenance.jsonl").unlink()
    with pytest.raises(UserError, match="the shard is not finished"):
        list(merge([tmp_path / "copy"], tmp_path / "other"))


def test_classes_are_joined_by_name(shards: Path, whole: Path, tmp_path: Path) -> None:
    """A shard whose COCO file numbers the classes the other way round: the names count."""
    copytree(shards, tmp_path / "copy")
    coco = tmp_path / "copy" / "shard-2-of-3" / "annotations.json"
    first, rest = coco.read_text().split("\n", 1)
    swapped = first.replace('"id": 1', '"id": x').replace('"id": 2', '"id": 1').replace('"id": x', '"id": 2')
    coco.write_text(f"{swapped}\n{rest}")
    list(merge([tmp_path / "copy"], tmp_path / "joined"))
    assert tree(tmp_path / "joined") == tree(whole)


def test_every_image_is_painted_again_to_the_byte(whole: Path, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in (whole / "provenance.jsonl").read_text().splitlines()]
    assert {line["class"] for line in lines} == {"pit", "scratch", "good"}
    for line in lines[:6]:
        found = replay(whole, line["id"], CPU, output=tmp_path / "again")
        assert found.different == () and found.versions == {}
        assert (tmp_path / "again" / line["image"]).read_bytes() == (whole / line["image"]).read_bytes()
    assert replay(whole, "3", CPU).entry["index"] == replay(whole, "000003.png", CPU).entry["index"] == 3


def test_an_image_that_was_changed_or_cannot_be_the_same_is_told(
    whole: Path, selection: Selection, tmp_path: Path
) -> None:
    copytree(whole, tmp_path / "set")
    image = tmp_path / "set" / "images" / "000000.png"
    pixels = read_image(image)
    pixels[0, 0] ^= 1
    write_image(image, pixels)
    assert replay(tmp_path / "set", "0", CPU).different == ("the file that lies there, which was changed since",)
    with pytest.raises(UserError, match="an image of the set, by id, number or file name; found nobody"):
        replay(tmp_path / "set", "nobody", CPU)
    copytree(selection.dataset.root, tmp_path / "parts")
    name = json.loads((whole / "provenance.jsonl").read_text().splitlines()[0])["clean"]
    write_image(tmp_path / "parts" / name, np.zeros((96, 112, 1), np.uint8))
    with pytest.raises(UserError, match="unchanged; found another SHA-256"):
        replay(tmp_path / "set", "0", CPU, clean=tmp_path / "parts")
    with pytest.raises(UserError, match="no run folder"):
        replay(tmp_path / "set", "0", CPU, run=tmp_path)


def test_a_clean_part_that_changed_is_refused_on_resume_by_name(
    make: Make, selection: Selection, bank: Bank, tmp_path: Path
) -> None:
    good = []
    for record in selection.good:
        own = tmp_path / "parts" / Path(record.name).name
        own.parent.mkdir(exist_ok=True)
        own.write_bytes(record.image.read_bytes())
        good.append(replace(record, image=own))
    bank.save(tmp_path / "run" / "bank.safetensors")
    painting = generate(tmp_path / "run", good, CONFIG, tmp_path / "out", 0, CPU)
    for _ in range(3):
        next(painting)
    painting.close()
    before = tree(tmp_path / "out")
    pixels = read_image(good[2].image)
    pixels[5, 5] ^= 1
    write_image(good[2].image, pixels)
    with pytest.raises(UsageError, match=f"begun on other clean parts; found {good[2].name}, which is changed"):
        list(generate(tmp_path / "run", good, CONFIG, tmp_path / "out", 0, CPU))
    with pytest.raises(UsageError, match=f"found {good[2].name}, which is gone"):
        list(generate(tmp_path / "run", good[:2] + good[3:], CONFIG, tmp_path / "out", 0, CPU))
    assert tree(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"level": 3}, "config.level was 1, is 3"),
        (
            {"scene": SceneConfig(control=Control(defects=(1, 3)))},
            r"config.scene.control.defects was \[1, 2\], is \[1, 3\]",
        ),
        ({"count": 10}, "config.count was 9, is 10"),
    ],
)
def test_another_configuration_is_refused_by_name(
    make: Make, whole: Path, change: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        make(whole, replace(CONFIG, **change))  # type: ignore[arg-type]


def test_an_image_that_was_deleted_is_painted_again(make: Make, whole: Path, tmp_path: Path) -> None:
    copytree(whole, tmp_path / "set")
    (tmp_path / "set" / "images" / "000002.png").unlink()
    make(tmp_path / "set")
    assert tree(tmp_path / "set") == tree(whole)


def test_an_unreadable_clean_part_costs_no_image(selection: Selection, bank: Bank, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    good = (replace(selection.good[0], image=broken), *selection.good[1:])
    bank.save(tmp_path / "run" / "bank.safetensors")
    list(generate(tmp_path / "run", good, CONFIG, tmp_path / "out", 0, CPU))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["images"] == 12 and summary["failed_tries"]["unreadable"] > 0 and summary["begun_anew"] > 0


def test_an_impossible_region_ends_with_the_reason_counted(selection: Selection, bank: Bank, tmp_path: Path) -> None:
    roi = np.zeros((96, 112), bool)
    roi[40:42, 40:42] = True
    from flawsmith.data.image import write_mask

    write_mask(tmp_path / "roi.png", roi)
    bank.save(tmp_path / "run" / "bank.safetensors")
    good = [replace(record, roi=tmp_path / "roi.png") for record in selection.good]
    for _ in range(2):  # and the same when it is given again
        with pytest.raises(PartlyDone, match=r"9 of 12: no place for the shape \(\d+ tries\)"):
            list(generate(tmp_path / "run", good, CONFIG, tmp_path / "out", 0, CPU))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["good"] == 3 and summary["given_up"] == 9 and summary["per_class"]["pit"]["images"] == 0
    rmtree(tmp_path / "out")


def test_other_versions_are_told_when_a_set_is_gone_on_with(make: Make, whole: Path, tmp_path: Path) -> None:
    copytree(whole, tmp_path / "set")
    plan = json.loads((tmp_path / "set" / "plan.json").read_text())
    plan["versions"]["torch"] = "1.0"
    (tmp_path / "set" / "plan.json").write_text(json.dumps(plan))
    note = other_versions(tmp_path / "set", json.loads((whole / "plan.json").read_text()))
    assert note is not None and 'torch was "1.0", is' in note
    make(tmp_path / "set")
    assert other_versions(whole, json.loads((whole / "plan.json").read_text())) is None
