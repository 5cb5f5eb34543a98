"""The tutorial of a new line: all commands but the benchmark, on small parts, with few steps, and a made camera."""

import csv
import json
import re
import shlex
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any

import pytest
from click.testing import CliRunner

from flawsmith.cli import main
from flawsmith.data import demo

pytest.importorskip("av")
pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

PAGE = (Path(__file__).parents[1] / "docs" / "tutorial-new-line.md").read_text(encoding="utf-8")
FEWER = {
    "fit": {"--steps": "4", "--device": "cpu"},
    "train": {"--steps": "2", "--device": "cpu"},
    "generate": {"-n": "6", "--painter": "paste"},  # a painter of four steps paints nothing that is seen
    "predict": {"--frames": "3"},
}


def _blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def _lines() -> Iterator[list[str]]:
    """The commands, with fewer of everything."""
    for line in (line for block in _blocks("sh") for line in block.splitlines()):
        program, *words = shlex.split(line)
        if program == "flawsmith" and words[0] != "benchmark":
            for option, value in FEWER.get(words[0], {}).items():
                if option in words:
                    words[words.index(option) + 1] = value
                elif option != "--frames":
                    words += [option, value]
            model = ["--model", "small"] if words[0] == "train" and "--init" not in words else []
            yield [*words, *model]


def _answers(port: int) -> bool:
    """True as soon as somebody listens there."""
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            sleep(0.1)
    return False


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder in which the tutorial was followed."""
    folder, write = tmp_path_factory.mktemp("job"), demo.write_demo
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    lines, camera = _blocks("python")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(demo, "write_demo", lambda root, seed, **_: write(root, seed, 4, 20, 2, 96))
        exec(compile(lines, "lines.py", "exec"), {})
        started = False
        for name, *options in _lines():
            if any("127.0.0.1" in word for word in options) and not started:
                code = compile(camera.replace("8099", port), "camera.py", "exec")
                Thread(target=exec, args=(code, {}), daemon=True).start()
                started = _answers(int(port))
            words = [word.replace("8099", port) for word in options]
            result = CliRunner().invoke(main, [name, *words])
            assert result.exit_code == 0, (name, words, result.output, result.exception)
        assert started
        yield folder


def test_the_new_line_has_no_defect_and_no_part_of_later(job: Path) -> None:
    tables: dict[str, list[dict[str, Any]]] = {}
    for name in ("new", "later"):
        with (job / name / "manifest.csv").open() as file:
            tables[name] = list(csv.DictReader(file))
    assert {row["class"] for row in tables["new"]} == {"good"} and len(tables["new"]) == 32
    assert not {row["group"] for row in tables["new"]} & {row["group"] for row in tables["later"]}
    assert all((job / name / row["image"]).is_file() for name, rows in tables.items() for row in rows)


def test_every_stage_left_what_the_page_says(job: Path) -> None:
    for path in ("model-0/model.safetensors", "model-1/model.safetensors", "model.onnx", "why/index.html"):
        assert (job / path).is_file(), path
    summary = json.loads((job / "runs" / "shift-1" / "summary.json").read_text())
    (camera,) = summary["videos"].values()
    assert (camera["done"], camera["drop"], camera["end"]) == (3, "oldest", "as many as were asked for")
    assert len(list((job / "runs" / "shift-1" / "overlays").glob("*.mp4"))) == 1
