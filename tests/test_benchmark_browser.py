"""The report in a real browser: pictures load, nothing complains, and a phone need not scroll sideways."""

import json
import re
import runpy
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from flawsmith.gan.bank import Bank
from flawsmith.segment.benchmark.report import write_report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on the PATH")
EXAMPLE = runpy.run_path(str(Path(__file__).with_name("test_benchmark_report.py")))

LISTEN = """<script>window.said = [];
addEventListener("error", e => said.push(String(e.message || e.target.src)), true);
console.error = (...words) => said.push(words.join(" "));</script>"""
# A window is never narrower than 500 px in headless Chromium, a frame may be: the page is looked at in one.
LOOK = """<pre id="found"></pre><script>onload = () => {
  const page = document.querySelector("iframe").contentDocument, root = page.documentElement;
  document.getElementById("found").textContent = JSON.stringify({
    said: page.defaultView.said, scroll: root.scrollWidth, client: root.clientWidth,
    pictures: [...page.images].map(one => one.naturalWidth), dark: matchMedia("(prefers-color-scheme: dark)").matches,
    paper: page.defaultView.getComputedStyle(page.body).backgroundColor }); };</script>"""


def look(page: Path, width: int, folder: Path, dark: bool = False) -> dict[str, Any]:
    """What the page does at a width: its errors, its pictures' sizes, how wide it is and how wide its window."""
    (folder / "page.html").write_text(page.read_text(encoding="utf-8").replace("<head>", f"<head>{LISTEN}", 1))
    frame = f'<iframe src="page.html" style="width: {width}px; height: 900px; border: 0"></iframe>'
    (folder / "look.html").write_text(f"<!doctype html>{frame}{LOOK}")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--allow-file-access-from-files",
        "--hide-scrollbars",
    ]
    options += [f"--user-data-dir={folder / 'profile'}", f"--blink-settings=preferredColorScheme={int(not dark)}"]
    call = [str(BROWSER), *options, "--dump-dom", f"file://{folder / 'look.html'}"]
    done = subprocess.run(call, capture_output=True, text=True, timeout=300)
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found and found[1], done.stderr[-1000:]
    result: dict[str, Any] = json.loads(unescape(found[1]))
    return result


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, bank: Bank) -> Path:
    """The report of a fabricated benchmark."""
    folder: Path = EXAMPLE["make_bench"](tmp_path_factory.mktemp("bench"), bank)
    return write_report(folder, EXAMPLE["make_results"]())


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_the_report_is_whole_and_fits(report: Path, width: int, dark: bool, tmp_path: Path) -> None:
    found = look(report, width, tmp_path, dark)
    assert found["said"] == [] and found["pictures"] and min(found["pictures"]) > 0
    assert found["client"] == width and found["scroll"] <= width
    assert (found["paper"] == "rgb(20, 23, 26)") == dark


def test_a_broken_page_is_seen(tmp_path: Path) -> None:
    body = '<img src="data:image/jpeg;base64,AAAA"><p style="width: 500px">wide</p><script>console.error("no")</script>'
    (tmp_path / "broken.html").write_text(f"<!doctype html><html><head></head><body>{body}</body></html>")
    found = look(tmp_path / "broken.html", 390, tmp_path)
    assert min(found["pictures"]) == 0 and found["scroll"] > 390 and "no" in found["said"]
