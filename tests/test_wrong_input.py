"""What a wrong input gets: one line that names the file and the fix, exit code 1 or 2, nothing half-written."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from flawsmith.cli import main

MakeParts = Callable[..., Path]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def refused(result: Result, code: int, *words: str) -> None:
    """Asserts one line on stderr with all the words, and the exit code."""
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert result.exit_code == code, (result.exit_code, result.exception, result.output)
    assert len(lines) == 1 and result.stderr.endswith(lines[0] + "\n")
    assert [word for word in words if word not in lines[0]] == []


def learns(folder: Path, output: Path, *more: object) -> list[Result]:
    """What every learning command says of a folder."""
    options = [folder, *more, "--device", "cpu"]
    return [
        run("fit", *options, "-o", output / "run", "--steps", 1),
        run("augment", *options, "-o", output / "painted", "-n", 2, "--steps", 1),
        run("train", *options, "-o", output / "model", "--steps", 1),
    ]


def clear(output: Path) -> bool:
    """Nothing was written."""
    return not output.exists() or not list(output.rglob("*.*"))


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "output"


def test_an_empty_folder(tmp_path: Path, output: Path) -> None:
    (tmp_path / "empty").mkdir()
    for result in learns(tmp_path / "empty", output):
        refused(result, 1, str(tmp_path / "empty"), "empty folder", "images/")
    assert clear(output)


def test_a_folder_that_is_not_there(tmp_path: Path, output: Path) -> None:
    for result in learns(tmp_path / "nowhere", output):
        refused(result, 2, "nowhere")


def test_no_good_images(make_parts: MakeParts, tmp_path: Path, output: Path) -> None:
    for result in learns(make_parts(tmp_path / "parts", good=0), output):
        refused(result, 1, "good")
    assert clear(output)


def test_no_defects(make_parts: MakeParts, tmp_path: Path, output: Path) -> None:
    for result in learns(make_parts(tmp_path / "parts", kinds=()), output):
        refused(result, 1, "defect")
    assert clear(output)


def test_a_single_defect_image_can_be_learned_from_but_not_split(
    make_parts: MakeParts, tmp_path: Path, output: Path
) -> None:
    parts = make_parts(tmp_path / "parts", defects=1, kinds=("pit",))
    assert run("fit", parts, "-o", output / "run", "--steps", 0, "--device", "cpu").exit_code == 0
    refused(run("split", parts, "-o", output / "split.json"), 1, "two groups")
    assert not (output / "split.json").exists()


def test_a_class_with_one_example_is_for_learning_and_the_split_says_so(
    make_parts: MakeParts, tmp_path: Path, output: Path
) -> None:
    parts = make_parts(tmp_path / "parts")
    manifest = (parts / "manifest.csv").read_text().splitlines()
    kept = [line for line in manifest if "scratch" not in line or "scratch0.png" in line]
    (parts / "manifest.csv").write_text("\n".join(kept) + "\n")
    for name in ("scratch1.png", "scratch2.png", "scratch3.png"):
        (parts / "images" / name).unlink()
        (parts / "masks" / name).unlink()
    result = run("split", parts, "-o", output / "split.json")
    assert result.exit_code == 0 and "No image of scratch is in the test part" in result.output


def test_an_all_black_mask_is_named(make_parts: MakeParts, tmp_path: Path, output: Path) -> None:
    parts = make_parts(tmp_path / "parts")
    Image.fromarray(np.zeros((96, 112), np.uint8)).save(parts / "masks" / "pit1.png")
    checked = run("check", parts, "-o", tmp_path / "sheet.png")
    assert checked.exit_code == 1 and "pit1.png" in checked.stdout
    for result in learns(parts, output):
        refused(result, 1, "pit1.png")
    assert clear(output)


def test_an_unknown_class_lists_those_there_are(parts: Path, output: Path) -> None:
    for result in learns(parts, output, "--classes", "pit,rust"):
        assert result.exit_code in (1, 2)
        refused(result, result.exit_code, "rust", "pit", "scratch")
    assert clear(output)


def test_a_test_image_in_what_is_learned(make_parts: MakeParts, tmp_path: Path, output: Path) -> None:
    parts, split = make_parts(tmp_path / "parts"), tmp_path / "split.json"
    assert run("split", parts, "-o", split).exit_code == 0
    from flawsmith.data.read import read
    from flawsmith.data.split import Split

    made, dataset = Split.load(split), read(parts)
    stolen = next(record for record in made.test(dataset) if not record.good)
    target = next(record for record in made.pool(dataset) if not record.good)
    painted = tmp_path / "painted"
    for folder in ("images", "masks"):
        (painted / folder).mkdir(parents=True)
    Image.open(stolen.image).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(painted / "images" / "0.png")
    Image.open(target.labels[0].mask).save(painted / "masks" / "0.png")
    manifest = f"image,mask,class,group\nimages/0.png,masks/0.png,{target.defects[0]},a\n"
    (painted / "manifest.csv").write_text(manifest)
    result = run("train", parts, "--synthetic", painted, "--split", split, "-o", output, "--steps", 1)
    refused(result, 1, "0.png")
    assert clear(output)


@pytest.mark.parametrize("name", ["fit", "train"])
def test_an_output_folder_with_other_things_in_it(parts: Path, output: Path, name: str) -> None:
    output.mkdir()
    (output / "thesis.txt").write_text("four years of work")
    refused(run(name, parts, "-o", output, "--steps", 1, "--device", "cpu"), 2, str(output))
    assert [path.name for path in output.iterdir()] == ["thesis.txt"]


def test_an_output_that_is_a_file(parts: Path, output: Path) -> None:
    output.write_text("x")
    assert run("fit", parts, "-o", output, "--steps", 1, "--device", "cpu").exit_code == 2
    assert output.read_text() == "x"


def test_a_set_that_was_painted_without_the_split_is_not_learned_from_with_it(parts: Path, tmp_path: Path) -> None:
    split, bank, painted = tmp_path / "split.json", tmp_path / "bank", tmp_path / "painted"
    assert run("split", parts, "-o", split).exit_code == 0
    assert run("fit", parts, "-o", bank, "--steps", 0, "--device", "cpu").exit_code == 0
    options = ["--clean", parts, "--painter", "paste", "-n", 2, "--workers", 1, "--device", "cpu"]
    assert run("generate", bank, *options, "-o", painted).exit_code == 0
    learned = ["--synthetic", painted, "--split", split, "--steps", 1, "--device", "cpu"]
    refused(run("train", parts, *learned, "-o", tmp_path / "model"), 1, str(painted), "test image", "--split")


def test_a_run_begun_otherwise_is_left_as_it_is(parts: Path, output: Path) -> None:
    assert run("fit", parts, "-o", output, "--steps", 0, "--device", "cpu").exit_code == 0
    before = {path: path.read_bytes() for path in output.rglob("*.*")}
    refused(run("fit", parts, "-o", output, "--steps", 0, "--seed", 1, "--device", "cpu"), 2, str(output), "seed")
    assert before == {path: path.read_bytes() for path in output.rglob("*.*")}


@pytest.mark.parametrize("name", ["fit", "split"])
def test_a_full_disk(parts: Path, output: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def full(self: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    monkeypatch.setattr(Path, "replace", full)
    options = ["--steps", 0, "--device", "cpu"] if name == "fit" else []
    refused(run(name, parts, "-o", output / "x", *options), 1, "No space left", "space")
    assert clear(output)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_result_that_cannot_be_printed(parts: Path, tmp_path: Path) -> None:
    script = "from flawsmith.cli import main; main()"
    command = [sys.executable, "-c", script, "check", str(parts), "-o", str(tmp_path / "sheet.png")]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1


def test_ctrl_c_and_the_same_command_again(parts: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flawsmith.gan import fit as module

    steps = 3
    options = [parts, "-o", output, "--steps", steps, "--device", "cpu"]

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module.Trainer, "step", interrupt)
        result = run("fit", *options)
    assert result.exit_code == 130 and "same command" in result.stderr
    assert run("fit", *options).exit_code == 0
    assert not list(output.rglob("*.part"))


def test_a_run_without_a_trained_gan_cannot_paint_with_it(parts: Path, output: Path) -> None:
    assert run("fit", parts, "-o", output / "run", "--steps", 0, "--device", "cpu").exit_code == 0
    result = run("generate", output / "run", "--clean", parts, "-n", 1, "-o", output / "painted", "--device", "cpu")
    refused(result, 1, "generator", "flawsmith fit")


def test_a_folder_that_is_no_run_and_one_that_is_no_model(parts: Path, tmp_path: Path, output: Path) -> None:
    (tmp_path / "none").mkdir()
    refused(run("generate", tmp_path / "none", "--clean", parts, "-n", 1, "-o", output), 1, "flawsmith fit")
    refused(run("preview", tmp_path / "none", "--clean", parts, "-o", output / "a.png"), 1, "flawsmith fit")
    assert run("evaluate", tmp_path / "none", parts, "-o", output).exit_code == 1
    assert clear(output)


def test_a_dry_run_touches_nothing(parts: Path, tmp_path: Path, output: Path) -> None:
    copy = shutil.copytree(parts, tmp_path / "parts")
    before = sorted(tmp_path.rglob("*"))
    for name, more in {"fit": [], "train": [], "augment": ["-n", 5], "split": []}.items():
        result = run(name, copy, "-o", output, "--dry-run", *more)
        assert result.exit_code == 0 and "pit" in result.output
    assert run("demo", "-o", output, "--dry-run").exit_code == 0
    assert sorted(tmp_path.rglob("*")) == before
