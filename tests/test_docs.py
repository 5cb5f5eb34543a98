"""The documents: every command in them can be typed, every link leads somewhere, nothing of one machine is in them."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from flawsmith.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def _code(page: Path) -> list[str]:
    """The lines of a page's shell blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return [line.split("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


def _anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_each_flawsmith_line_can_be_typed(page: Path) -> None:
    for line in _code(page):
        program, *arguments = shlex.split(line)
        if Path(program).name == "flawsmith":
            assert main.commands[arguments[0]].make_context(arguments[0], arguments[1:]).params, line


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_each_make_line_names_a_target(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    said = re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8"))
    said += [line.split()[1] for line in _code(page) if line.startswith("make ")]
    assert set(said) <= targets


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_each_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        assert not anchor or anchor in _anchors(linked), target


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_no_page_names_a_path_of_one_machine(page: Path) -> None:
    assert not re.findall(r"(?<![\w.])/(?:home|root|tmp|work|Users|opt)/", page.read_text(encoding="utf-8"))


def test_the_page_of_commands_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("make_cli", ROOT / "docs" / "make_cli.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == module.page(), "run make cli-docs"


def test_every_command_is_in_the_page_of_commands() -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert [name for name in main.commands if f"## flawsmith {name}\n" not in page] == []


def test_readme_shows_the_two_commands_first() -> None:
    assert [line.split()[:2] for line in _code(ROOT / "README.md")[:2]] == [["make", "demo"], ["make", "test"]]


def test_the_version_is_in_the_changelog() -> None:
    (version,) = re.findall(r"^version = (\S+)$", (ROOT / "setup.cfg").read_text(), re.MULTILINE)
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
