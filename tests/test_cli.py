"""The command line: instant help, real examples, one-line errors, the promised exit codes."""

import ast
import inspect
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from textwrap import dedent
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from flawsmith.cli import main
from flawsmith.data.console.app import INTERRUPTED
from flawsmith.data.console.options import Common, Learning, Starting
from flawsmith.data.console.progress import follow
from flawsmith.data.errors import PartlyDone, UsageError, UserError
from flawsmith.data.formats.reading import Reading
from flawsmith.gan.production.options import Painting
from flawsmith.segment.options import Explaining, Predicting

COMMANDS = sorted(main.commands)
# Arguments that stand for several options.
BUNDLES = {
    "common": Common,
    "learning": Learning,
    "painting": Painting,
    "predicting": Predicting,
    "explaining": Explaining,
    "starting": Starting,
}
SOURCE = ast.parse((Path(__file__).parents[1] / "cli.py").read_text(encoding="utf-8"))
METHODS = {  # of each of them
    name: [
        one
        for node in ast.parse(dedent(inspect.getsource(kind))).body
        if isinstance(node, ast.ClassDef)
        for one in node.body
    ]
    for name, kind in BUNDLES.items()
}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_help_loads_no_library() -> None:
    script = "import sys; from flawsmith.cli import main; main(['--help'], standalone_mode=False); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    assert "click" in loaded
    assert not {"torch", "numpy", "PIL", "scipy", "skimage", "tqdm", "jinja2"} & set(loaded)


@pytest.mark.parametrize("option", [one.name for one in fields(Reading)])
def test_each_option_of_reading_is_used_by_a_reader(option: str) -> None:
    readers = (Path(__file__).parents[1] / "data" / "formats").glob("*.py")
    assert any(f"reading.{option}" in path.read_text() for path in readers if path.name != "reading.py")


def test_help_lists_the_commands_in_the_order_of_the_work() -> None:
    listed = [line.split()[0] for line in run("--help").output.split("Commands:\n")[1].splitlines()]
    assert listed[:6] == ["demo", "check", "convert", "split", "fit", "preview"] and sorted(listed) == COMMANDS


def test_no_line_of_the_command_list_is_cut() -> None:
    assert "..." not in run("--help").output.split("Commands:")[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself_and_every_option(name: str) -> None:
    command = main.commands[name]
    assert command.help and command.epilog
    assert not [option.name for option in command.params if isinstance(option, click.Option) and not option.help]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_example_can_be_typed_as_it_stands(name: str) -> None:
    line = (main.commands[name].epilog or "").split("\n")[-1].strip()
    program, command, *arguments = shlex.split(line)
    assert (program, command) == ("flawsmith", name)
    assert main.commands[name].make_context(name, arguments).params


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_is_used(name: str) -> None:
    (body,) = [node for node in SOURCE.body if isinstance(node, ast.FunctionDef) and node.name == name]
    read = {node.id for node in ast.walk(body) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    named = {argument.arg for argument in [*body.args.posonlyargs, *body.args.args]}
    assert named <= read
    bundled: set[str] = set()
    for bundle in named & BUNDLES.keys():
        options = {one.name for one in fields(BUNDLES[bundle])}
        text = ast.unparse(body)
        called = [
            one for one in METHODS[bundle] if isinstance(one, ast.FunctionDef) and f"{bundle}.{one.name}(" in text
        ]
        text += "".join(map(ast.unparse, called)).replace("self.", f"{bundle}.")
        assert f"vars({bundle})" in text or all(f"{bundle}.{option}" in text for option in options)
        bundled |= options
    if "folder" in named | bundled:  # a Source: the folder with the options of reading it
        bundled |= {one.name for one in fields(Reading)}
    assert {option.name for option in main.commands[name].params} <= named | bundled


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("a.png", "rule", 3, "fix"), 1),
        (UsageError("--x", "rule"), 2),
        (PartlyDone("out", "rule", "2 of 9"), 3),
        (OSError(28, "No space left on device", "out/a.png"), 1),
        (UserError("a\nb.png", "rule"), 1),
    ],
)
def test_what_a_user_can_mend_is_one_line_on_stderr(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, code: int
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr("flawsmith.data.check.check", fail)
    result = run("check", tmp_path)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (code, "", 1)
    assert result.stderr.startswith("Error: ")


def test_a_bug_is_not_dressed_up_as_a_mistake_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("flawsmith.data.check.check", lambda _: 1 / 0)
    assert isinstance(run("check", tmp_path).exception, ZeroDivisionError)


def test_ctrl_c_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupt(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("flawsmith.data.check.check", interrupt)
    result = run("check", tmp_path)
    assert (result.exit_code, result.stderr) == (130, INTERRUPTED + "\n")


def test_a_reader_that_has_left_is_no_traceback(parts: Path, tmp_path: Path) -> None:
    script = "from flawsmith.cli import main; main()"
    command = [sys.executable, "-c", script, "check", str(parts), "-o", str(tmp_path / "sheet.png")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize("line", ["fit", "split x -o y --test no", "nothing", "fit --no", "demo --seed -1"])
def test_wrong_options_are_exit_code_2(line: str) -> None:
    assert run(*line.split()).exit_code == 2


def test_an_absent_device_is_exit_code_2(tmp_path: Path) -> None:
    result = run("fit", tmp_path, "-o", tmp_path / "run", "--device", "cuda:99")
    assert result.exit_code == 2 and "cuda:99" in result.stderr


def _steps() -> Iterator[dict[str, Any]]:
    for step in range(1, 101):
        yield {"task": "fit", "step": step, "steps": 100, "loss": 1 / step}


def test_a_log_gets_a_line_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    assert follow(_steps())["step"] == 100
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11 and lines[-1] == "fit 100/100 loss 0.010"


def test_a_terminal_gets_a_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    follow(_steps())
    assert "fit: 100%" in capsys.readouterr().err


def test_a_log_gets_notes_and_text_in_place_of_figures(capsys: pytest.CaptureFixture[str]) -> None:
    events = [{"task": "all", "done": done, "count": 60.5, "text": f"{done} of 2"} for done in (0.0, 30.3, 60.5)]
    follow([*events[:2], {**events[1], "note": "one went wrong"}, events[2]])
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["all 0% 0.0 of 2", "all 50% 30.3 of 2", "one went wrong", "all 100% 60.5 of 2"]


def test_what_is_followed_is_closed_when_it_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []

    def events() -> Iterator[dict[str, Any]]:
        try:
            yield {"task": "a", "done": 1, "count": 1}
            yield {"task": "b", "done": 1, "count": 1}
        finally:
            closed.append(True)

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(click, "echo", interrupt)
    running = events()
    with pytest.raises(KeyboardInterrupt):
        follow(running)
    assert closed


def test_json_is_one_line_that_parses(parts: Path, tmp_path: Path) -> None:
    for command in (["check", parts, "-o", tmp_path / "s.png"], ["split", parts, "-o", tmp_path / "s.json"]):
        result = run(*command, "--json")
        assert result.stdout.count("\n") == 1 and json.loads(result.stdout)


def test_check_exits_1_on_an_error_and_still_lists_everything(tmp_path: Path, parts: Path) -> None:
    broken = shutil.copytree(parts, tmp_path / "broken")
    (broken / "images" / "pit0.png").write_bytes(b"no image")
    (broken / "images" / "good1.png").write_bytes(b"")
    result = run("check", broken, "-o", tmp_path / "sheet.png")
    assert result.exit_code == 1
    assert "pit0.png" in result.stdout and "good1.png" in result.stdout and (tmp_path / "sheet.png").exists()


def test_split_repeats_itself_but_never_overwrites_another(parts: Path, tmp_path: Path) -> None:
    file = tmp_path / "split.json"
    assert run("split", parts, "-o", file).exit_code == 0
    before = file.read_bytes()
    assert run("split", parts, "-o", file).exit_code == 0
    result = run("split", parts, "-o", file, "--test", "0.25")
    assert result.exit_code == 2 and "split.json" in result.stderr and file.read_bytes() == before
