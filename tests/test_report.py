"""The report: self-contained, escaped, and the figures are those of the metrics."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flawsmith.segment.picture import Picture
from flawsmith.segment.report import LIMIT, SCORES, as_text, score_table, tables, write_report


def _metrics(value: float) -> dict[str, Any]:
    scores = dict.fromkeys(SCORES, value)
    return {"overall": scores, "per_class": {"pit": scores, "<script>alert(1)</script>": scores}, "images": 3}


class _Page(HTMLParser):
    """Collects the tags, the links of a page and the text of its cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture
def page(tmp_path: Path) -> _Page:
    metrics = {"real": _metrics(0.25), "real+gan": _metrics(0.5)}
    picture = Picture(np.zeros((4, 4, 3), np.uint8), '"sheet"')
    write_report(tmp_path / "r.html", "a & b", "no <b>evidence</b>", metrics, [picture])
    return _Page((tmp_path / "r.html").read_text(encoding="utf-8"))


def test_the_report_needs_no_other_file(page: _Page) -> None:
    assert page.links and all(link.startswith("data:image/jpeg;base64,") for link in page.links)


def test_heavy_pictures_do_not_make_a_heavy_report(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    noise = [Picture(random.integers(0, 256, (1000, 1200, 3)).astype(np.uint8), f"{n}") for n in range(4)]
    assert sum(picture.pixels.nbytes for picture in noise) > 2 * LIMIT
    write_report(tmp_path / "r.html", "", "", {"real": _metrics(0.5)}, noise)
    assert (tmp_path / "r.html").stat().st_size <= LIMIT


def test_names_and_notes_are_escaped(page: _Page) -> None:
    assert not {"script", "b"} & set(page.tags)
    assert "<script>alert(1)</script>" in page.text and "no <b>evidence</b>" in page.text


def test_there_is_a_table_for_all_and_one_a_class(page: _Page) -> None:
    assert page.tags.count("table") == 3
    assert page.text.count("0.250") == page.text.count("0.500") == 3 * len(SCORES)


def test_one_class_needs_no_table_of_its_own() -> None:
    metrics = {"real": {"overall": {"dice": 1.0}, "per_class": {"pit": {"dice": 1.0}}}}
    assert [table.title for table in tables(metrics)] == ["all defects"]


def test_a_score_that_is_not_defined_is_a_dash() -> None:
    (row,) = score_table("all", {"real": {"dice": 0.5, "aupro": None}}).rows
    assert row == ("real", "–", "0.500", "–", "–", "–", "–")


def test_the_text_table_is_aligned() -> None:
    lines = as_text(score_table("all", {"real": {"dice": 0.5}, "real+gan+paste": {"dice": 1.0}})).split("\n")
    assert len(lines) == 3 and len({len(line) for line in lines}) == 1
