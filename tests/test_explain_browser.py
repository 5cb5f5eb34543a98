"""The page of explanations in a real browser: whole on a desk and a phone, in light and dark, without a script."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import PROGRAM, Browser
from explained import Rule

from flawsmith.segment.explain.job import ExplainConfig, explain_all
from flawsmith.segment.explain.subjects import Subjects

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium or Chrome on the PATH")


@pytest.fixture(scope="module")
def sheet(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    class Long(Rule):
        classes = ("pit", "a_class_whose_name_has_no_end_and_no_space_in_it_either")

        def predict(self, image):  # type: ignore[no-untyped-def]
            return super().predict(image).repeat(2, 0)

    output = tmp_path_factory.mktemp("page") / "out"
    model = Long(lambda grey: (grey < 0.42).astype("float32"))
    subjects = Subjects.of([str(parts)], None, model.classes)
    list(explain_all(model, subjects, output, ExplainConfig(rows=1)))
    return output / "index.html"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with Browser(tmp_path) as one:
        yield one


def test_the_page_is_whole_and_fits_in_light_and_dark(sheet: Path, browser: Browser) -> None:
    for width, dark in ((1280, False), (1280, True), (390, False), (390, True)):
        browser.open(sheet, width, dark)
        assert min(browser.run("[...document.images].map(one => one.naturalWidth)")) > 0
        assert browser.run("document.documentElement.scrollWidth") <= width
        assert (browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)") == dark
        assert browser.said == [] and browser.run("document.scripts.length") == 0


def test_every_picture_says_what_it_shows(sheet: Path, browser: Browser) -> None:
    browser.open(sheet)
    assert min(browser.run("[...document.images].map(one => one.alt.length)")) > 3
    assert browser.run("document.querySelectorAll('article').length") >= 2
