"""The review sheet and the preview page in a real browser: clicks, keys, downloads, phones, the dark."""

import json
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest
from browser import PROGRAM, Browser
from painted_sets import make_painted_set

from flawsmith.data.painted_set import identity, read_lines, write_tables
from flawsmith.data.prune import prune
from flawsmith.gan.bank import Bank
from flawsmith.gan.gate import Gate, GateConfig
from flawsmith.gan.preview import page, sheets
from flawsmith.gan.procedural import Procedural
from flawsmith.gan.review import review
from flawsmith.gan.sheets import Studio

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium or Chrome on the PATH")
EVIL = "<script>window.evil = 1</script><img src=x onerror='window.evil = 1'>\"&"
CHECKED = "[...document.querySelectorAll('.reject:checked')].map(one => one.value)"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_painted_set(tmp_path_factory.mktemp("set") / "out")


@pytest.fixture(scope="module")
def sheet(out: Path) -> Path:
    list(review(out, out.with_name("sheet.html")))
    return out.with_name("sheet.html")


@pytest.fixture(scope="module")
def overview(tmp_path_factory: pytest.TempPathFactory, bank: Bank) -> Path:
    path = tmp_path_factory.mktemp("preview") / "index.html"
    studio = Studio(bank, Procedural(bank), Gate(bank, "paste", GateConfig()), None, 0)
    path.write_text(page(list(sheets(studio)), EVIL, "paste"), encoding="utf-8")
    return path


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with Browser(tmp_path) as one:
        yield one


@pytest.mark.parametrize("name", ["sheet", "overview"])
def test_the_page_is_whole_and_fits_in_light_and_dark(
    name: str, browser: Browser, request: pytest.FixtureRequest
) -> None:
    for width, dark in ((1280, False), (1280, True), (390, False), (390, True)):
        browser.open(request.getfixturevalue(name), width, dark)
        assert min(browser.run("[...document.images].map(one => one.naturalWidth)")) > 0
        assert browser.run("document.documentElement.scrollWidth") <= width
        assert (browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)") == dark
        assert browser.said == [] and browser.run("window.evil") is None


def test_what_is_clicked_or_chosen_by_key_is_saved_and_prune_takes_it(
    out: Path, sheet: Path, browser: Browser, tmp_path: Path
) -> None:
    ids = [line["id"] for line in read_lines(out)]
    browser.open(sheet)
    browser.click(f".tile:has([value='{ids[4]}']) .crop")
    browser.run(f"document.querySelector(\"[value='{ids[4]}']\").focus()")
    browser.press("Tab", 9)
    browser.press(" ", 32, " ")  # the next one of the class: the classes come in turn
    assert browser.run(CHECKED) == [ids[4], ids[6]]
    assert browser.run("document.getElementById('count').textContent") == "2 of 12 rejected"
    browser.press(" ", 32, " ")  # and back
    assert browser.run(CHECKED) == [ids[4]]
    browser.click(f".tile:has([value='{ids[7]}']) .name")
    browser.click("#save")
    saved = browser.downloaded("rejected.json")
    assert json.loads(saved.read_text()) == {"set": identity(out), "rejected": [ids[4], ids[7]]}
    assert prune(copytree(out, tmp_path / "copy"), saved) == {"pruned": 2, "kept": 12} and browser.said == []


def test_what_was_rejected_is_remembered_until_it_is_cleared(out: Path, sheet: Path, browser: Browser) -> None:
    first = next(read_lines(out))["id"]
    browser.open(sheet)
    browser.click(f".tile:has([value='{first}'])")
    browser.open(sheet)
    assert browser.run(CHECKED) == [first]
    browser.click("#clear")
    browser.open(sheet)
    assert browser.run(CHECKED) == []


def test_a_list_can_be_loaded_and_ids_of_other_images_stay_on_it(
    out: Path, sheet: Path, browser: Browser, tmp_path: Path
) -> None:
    ids = [line["id"] for line in read_lines(out)]
    (tmp_path / "list.json").write_text(json.dumps({"set": identity(out), "rejected": [ids[2], "elsewhere"]}))
    browser.open(sheet)
    browser.choose("#load", tmp_path / "list.json")
    assert browser.run(CHECKED) == [ids[2]]
    assert browser.run("document.getElementById('count').textContent") == "1 of 12 rejected and 1 not shown here"
    browser.click("#save")
    assert json.loads(browser.downloaded("rejected.json").read_text())["rejected"] == [ids[2], "elsewhere"]


def test_a_wrong_list_is_refused_and_changes_nothing(out: Path, sheet: Path, browser: Browser, tmp_path: Path) -> None:
    first = next(read_lines(out))["id"]
    browser.open(sheet)
    browser.click(f".tile:has([value='{first}'])")
    for text, said in (
        ('{"set": "another", "rejected": []}', "This list belongs to another set."),
        ('{"set": "another"}', "This is no list that was saved here."),
        ("null", "This is no list that was saved here."),
        ("{", "This file is no JSON."),
    ):
        (tmp_path / "list.json").write_text(text)
        browser.choose("#load", tmp_path / "list.json")
        assert browser.run("document.getElementById('said').textContent") == said
        assert browser.run(CHECKED) == [first]


def test_outlines_can_be_hidden(sheet: Path, browser: Browser) -> None:
    browser.open(sheet)
    shown = "getComputedStyle(document.querySelector('.line')).visibility"
    assert browser.run(shown) == "visible"
    browser.click("#lines")
    assert browser.run(shown) == "hidden"


def test_hostile_names_are_shown_and_not_run(tmp_path: Path, browser: Browser) -> None:
    line = next(read_lines(make_painted_set(tmp_path / "out")))
    line["class"] = line["defects"][0]["class"] = line["id"] = EVIL
    write_tables(tmp_path / "out", [EVIL], [line])
    list(review(tmp_path / "out", tmp_path / "sheet.html"))
    browser.open(tmp_path / "sheet.html")
    assert browser.run("window.evil") is None and browser.said == []
    assert browser.run("document.querySelector('h2').firstChild.textContent").strip() == EVIL
    browser.click(".tile")
    assert browser.run(CHECKED) == [EVIL]


def test_what_goes_wrong_in_a_page_is_heard(tmp_path: Path, browser: Browser) -> None:
    body = '<img src="https://example.invalid/a.png"><script>throw new Error("no")</script>'
    (tmp_path / "broken.html").write_text(f"<!doctype html>{body}")
    browser.open(tmp_path / "broken.html")
    assert any("no" in one for one in browser.said) and any("example.invalid" in one for one in browser.said)
