"""The report of a benchmark: verdict first, self-contained, light, and whole whatever is missing."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest
from PIL import Image

from flawsmith.gan.bank import Bank
from flawsmith.segment.benchmark import charts, gallery, plots, tables
from flawsmith.segment.benchmark.outcome import Outcome, score
from flawsmith.segment.benchmark.plots import Axis, Effect, Line, forest, frame, number_axis, signed_text
from flawsmith.segment.benchmark.report import EXPLAINED, facts, write_report
from flawsmith.segment.overlay import GAP
from flawsmith.segment.report import LIMIT, SCORES
from flawsmith.segment.trial import ARMS

KINDS = ("pit", "scratch")
VERDICT = "Painted defects help: use real+gan <with> 5 real images."


def _trial(arm: str, real: int | str, seed: int) -> dict[str, Any]:
    values = dict.fromkeys(SCORES, 0.3 + 0.1 * list(EXPLAINED).index(arm) + 0.01 * seed)
    metrics = {
        "overall": values,
        "per_class": dict.fromkeys(KINDS, values),
        "images": {"all": 9, "good": 5, "per_class": dict.fromkeys(KINDS, 2)},
        "threshold": 0.5,
    }
    seconds = {"train": 60.0, "evaluate": 6.0}
    return {"arm": arm, "real": real, "seed": seed, "metrics": metrics, "images": [], "seconds": seconds, "sham": None}


def _gain(arm: str, over: str, real: int, defect: str | None = None, low: float | None = 0.01) -> dict[str, Any]:
    interval = {"mean": 0.05, "low": low, "high": None if low is None else 0.09, "level": 0.95}
    place = {"real": real, "over_real": real, "metric": "pixel_ap", "class": defect}
    return {"arm": arm, "over": over, **place, **interval, "seeds": 3, "per_seed": [0.04, 0.05, 0.06]}


def _figure(name: str, value: float | None, sense: str, passed: bool | None) -> dict[str, Any]:
    what = f"What {name} is."
    return {"name": name, "value": value, "limit": 0.2, "sense": sense, "passed": passed, "what": what, "detail": {}}


def make_results(budgets: tuple[int, ...] = (5, 10), seeds: tuple[int, ...] = (0, 1, 2)) -> dict[str, Any]:
    """A whole results.json, fabricated."""
    arms, painted = ("real", "real+paste", "real+gan", "all-real"), ("real+paste", "real+gan")
    cells = list(product(budgets, seeds))
    gains = [_gain(arm, "real", real, defect) for real in budgets for arm in painted for defect in (None, *KINDS)]
    gains += [_gain("real+gan", "best copy-paste", real, low=-0.02) for real in budgets]
    text = "5 real + gan is worth 9 real ones (6 to more than 10)"
    curve = {"recall": [0.0, 0.5, 1.0], "precision": [1.0, None, 0.1]}
    distance = {"kid": 0.05, "kid_std": 0.01, "floor": 0.01, "floor_std": None, "network": "Net", "n_real": 4}
    figures = [_figure("near-copies", 0.1, "max", True), _figure("latent", 0.1, "min", False)]
    return {
        "verdict": VERDICT,
        "recommended": {str(real): "real+gan" if real == 5 else None for real in budgets},
        "data": {"name": "parts", "classes": list(KINDS), "images": 16, "groups": 8, "notes": ["groups were guessed"]},
        "setting": {
            "command": "flawsmith benchmark parts",
            "budgets": list(budgets),
            "seeds": list(seeds),
            "arms": list(arms),
            "config": {"steps": 1},
            "versions": {"flawsmith": "0.1.0"},
            "device": "cpu",
            "seconds": 7500.0,
        },
        "trials": [_trial(arm, real, seed) for real, seed in cells for arm in arms[:3]]
        + [_trial("all-real", "all", seed) for seed in seeds],
        "gains": gains,
        "worth": [{"arm": "real+gan", "real": 5, "equals": 9.0, "low": 6.0, "high": None, "text": text}],
        "curves": [{"arm": arm, "real": 5, "class": name, **curve} for arm in arms[:3] for name in (None, *KINDS)],
        "integrity": [
            {"seed": seed, "real": real, "figures": [*figures, _figure("sham", None, "max", None)]}
            for real, seed in cells
        ],
        "distance": [
            {"seed": seed, "real": real, "painter": "gan", "class": "pit", "n_synthetic": 8, **distance}
            for real, seed in cells
        ],
    }


def _triptych(random: np.random.Generator) -> np.ndarray:
    """Three panels of 60 × 80 px, a red outline in the second."""
    plain = random.integers(60, 190, (60, 80, 1)).repeat(3, 2).astype(np.uint8)
    truth = plain.copy()
    truth[20:31, 40], truth[20:31, 50], truth[20, 40:51], truth[30, 40:51] = ((230, 60, 50),) * 4
    gap = np.full((60, GAP, 3), 255, np.uint8)
    return np.concatenate([plain, gap, truth, gap, plain], axis=1)


def make_bench(folder: Path, bank: Bank, budget: int = 5) -> Path:
    """The pictures of a benchmark's first cell, fabricated."""
    cell, random = folder / "trials" / "seed-0" / f"real-{budget}", np.random.default_rng(0)
    for arm, name in product(("real", "real+gan"), ("1-pit-best", "1-pit-median", "2-scratch-worst", "good-worst")):
        path = cell / "arms" / arm / "eval" / "overlays" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(_triptych(random)).save(path)
    bank.save(cell / "fit" / "bank.safetensors")
    painted = cell / "synthetic" / "gan" / "images"
    painted.mkdir(parents=True)
    for index in range(6):
        Image.fromarray(random.integers(0, 255, (96, 112)).astype(np.uint8)).save(painted / f"{index}.png")
    listed = [
        {
            "painted": f"synthetic/gan/images/{index}.png",
            "box": [10, 20, 22, 30],
            "defect": "pit",
            "nearest": {"image": 0, "similarity": 0.5, "instance": bank.members[0][0]},
        }
        for index in range(6)
    ]
    (cell / "judged.json").write_text(json.dumps({"gallery": listed}))
    return folder


class Page(HTMLParser):
    """What of a page can be asked for: its tags, its links, the words of its headings, cells and paragraphs."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        self.links += [found[name] or "" for name in ("src", "href", "srcset", "data", "action") if name in found]
        self.ids += [found["id"] or ""] if "id" in found else []
        self.pictures += [found] if tag == "img" else []

    def handle_data(self, data: str) -> None:
        self.words += [data.strip()] if data.strip() else []


def _outside(page: Page, text: str) -> list[str]:
    """Links to anything that is not in the page itself."""
    loaded = re.findall(r"@import|url\(|\bsrc=\"(?!data:)", text)
    return [link for link in page.links if not link.startswith(("data:image/jpeg;base64,", "#"))] + loaded


Write = Callable[[dict[str, Any]], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the report of some results without any pictures; returns its text."""
    return lambda results: write_report(tmp_path, results).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory, bank: Bank) -> str:
    """The report of a whole benchmark."""
    folder = make_bench(tmp_path_factory.mktemp("bench"), bank)
    return write_report(folder, make_results()).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    """The same, taken apart."""
    return Page(text)


def test_the_verdict_comes_first_and_is_escaped(page: Page, text: str) -> None:
    body = page.words[next(at for at, word in enumerate(page.words) if word == VERDICT) :]
    assert text.index("<h1>") == min(text.index(tag) for tag in ("<h1>", "<h2>", "<p", "<table"))
    assert body[0] == VERDICT and "with" not in page.tags


def test_the_report_needs_no_other_file_no_network_and_no_script(page: Page, text: str) -> None:
    assert _outside(page, text) == [] and "script" not in page.tags and "viewport" in text


@pytest.mark.parametrize("bad", ['<img src="a.png">', '<a href="https://x.y">', "<style>@import 'a'</style>"])
def test_a_page_that_needs_something_is_seen(bad: str) -> None:
    assert _outside(Page(bad), bad)


def test_every_picture_says_what_it_shows_and_how_large_it_is(page: Page) -> None:
    assert len(page.pictures) == 2 * gallery.PAIRS + 3 * 8
    assert all(one["alt"] and int(one["width"] or 0) and int(one["height"] or 0) for one in page.pictures)


def test_sections_are_linked_and_there(page: Page) -> None:
    wanted = {link[1:] for link in page.links if link.startswith("#")}
    assert wanted == set(page.ids) and {"gain", "painted", "parts", "integrity", "distance"} <= wanted


def test_every_trial_has_its_row(text: str) -> None:
    results = make_results()
    assert text.count("<td>66 s</td>") == len(results["trials"])


def test_a_heavy_benchmark_keeps_the_limit(tmp_path: Path, bank: Bank) -> None:
    folder = make_bench(tmp_path, bank)
    noise = np.random.default_rng(0).integers(0, 256, (900, 3 * 1000 + 2 * GAP, 3)).astype(np.uint8)
    noise[100, 5], noise[800, 990] = (1, 2, 3), (4, 5, 6)
    for path in folder.rglob("overlays/*.png"):
        Image.fromarray(noise).save(path, compress_level=0)
    results = make_results((5, 10, 25, 50), tuple(range(10)))
    assert write_report(folder, results).stat().st_size <= LIMIT


@pytest.mark.parametrize("part", [name for name in make_results() if name != "trials"])
@pytest.mark.parametrize("empty", ["missing", "null"])
def test_any_part_may_be_missing(part: str, empty: str, write: Write) -> None:
    results = {**make_results(), part: None}
    if empty == "missing":
        del results[part]
    assert "How it was run" in write(results)


def test_nothing_at_all_is_a_report_too(write: Write) -> None:
    page = Page(write({}))
    assert page.tags.count("h2") == 1 and not page.pictures


def test_undefined_scores_and_gains_are_dashes(write: Write) -> None:
    results = make_results()
    for one in results["trials"]:
        one["metrics"]["overall"] = dict.fromkeys(SCORES)
        one["metrics"]["per_class"] = {}
    for gain in results["gains"]:
        gain.update(mean=None, low=None, high=None, per_seed=[None])
    text = write(results)
    assert "–" in text and "None" not in text and "nan" not in text


def test_one_seed_is_said_to_be_no_evidence(write: Write) -> None:
    assert "One seed is no evidence" in write(make_results(seeds=(4,)))
    assert "One seed is no evidence" not in write(make_results())


def test_without_a_gan_there_is_nothing_of_it(write: Write) -> None:
    results = make_results()
    for part in ("trials", "gains", "curves"):
        results[part] = [one for one in results[part] if "gan" not in one["arm"]]
    results |= {"recommended": {}, "integrity": [], "distance": [], "worth": [], "verdict": "None."}
    assert "real+gan" not in re.sub(r"<style>.*</style>", "", write(results), flags=re.DOTALL)


def test_a_missing_picture_is_left_out(tmp_path: Path, bank: Bank) -> None:
    folder = make_bench(tmp_path, bank)
    for path in folder.rglob("synthetic/gan/images/*.png"):
        path.unlink()
    assert len(Page(write_report(folder, make_results()).read_text(encoding="utf-8")).pictures) == 3 * 8


def test_all_real_images_are_a_budget_after_the_numbers() -> None:
    results = make_results((25, 5))
    results["trials"] += [_trial("real", "all", 0)]
    assert Outcome(results).budgets == [5, 25, "all"]


def test_the_ceiling_is_the_same_at_every_budget() -> None:
    outcome = Outcome(make_results())
    assert outcome.scores("all-real", 5, "dice") == outcome.scores("all-real", 10, "dice") != []


def test_mean_class_ap_is_the_mean_of_those_that_are_defined() -> None:
    metrics = {"per_class": {"a": {"pixel_ap": 0.2}, "b": {"pixel_ap": 0.4}, "c": {"pixel_ap": None}}}
    assert score(metrics, "mean_class_ap") == pytest.approx(0.3)


def test_pictures_are_of_the_first_budget_with_a_recommendation() -> None:
    results = make_results()
    results["recommended"] = {"5": None, "10": "real+gan"}
    assert Outcome(results).focus == 10


def test_every_arm_of_a_trial_is_explained() -> None:
    assert set(EXPLAINED) == set(ARMS)


def test_what_is_not_known_of_a_run_is_left_out() -> None:
    results = make_results()
    results["setting"] |= {"command": None, "device": None}
    found = facts(Outcome(results))
    assert not {"command", "device"} & set(found) and found["time"] == "2 h 05 min"


def test_how_much_smaller_parts_are_seen_is_told() -> None:
    results = make_results()
    assert "parts are seen" not in facts(Outcome(results))
    for one in results["trials"]:
        one["shrink"] = 4
    assert facts(Outcome(results))["parts are seen"] == "4 times smaller"
    first, *rest = results["trials"]
    for one in rest:
        one["shrink"] = None  # gone, or no network of maps
    told = f"4 times smaller by {first['arm']} of {first['real']}, seed {first['seed']}"
    assert facts(Outcome(results))["parts are seen"] == told


@pytest.mark.parametrize(
    ("values", "worst", "result"),
    [
        ([0.1, 0.15], "0.150", "✓ passed"),
        ([0.1, 0.3], "0.300", "✗ failed"),
        ([None, None], "–", "not measured"),
        ([None, 0.1], "0.100", "✓ passed"),
    ],
)
def test_a_figure_shows_its_worst_value(values: list[float | None], worst: str, result: str) -> None:
    figures = [_figure("copies", one, "max", None if one is None else one <= 0.2) for one in values]
    outcome = Outcome({"integrity": [{"seed": 0, "real": 5, "figures": [one]} for one in figures]})
    (row,) = tables.integrity_grid(outcome).rows
    assert [cell.text for cell in row[1:]] == [result, worst, "at most 0.2"]


def test_the_worst_of_a_lower_limit_is_the_least() -> None:
    figures = [_figure("fill", value, "min", True) for value in (0.5, 0.3)]
    (row,) = tables.integrity_grid(Outcome({"integrity": [{"seed": 0, "real": 5, "figures": figures}]})).rows
    assert row[2].text == "0.300"


def test_a_crop_lies_inside_and_holds_the_box() -> None:
    picture = np.arange(50 * 60, dtype=np.int32).reshape(50, 60, 1)
    for box in ((0, 0, 4, 4), (46, 56, 50, 60), (20, 20, 30, 26)):
        found = gallery.crop(picture, box, 32)  # type: ignore[arg-type]
        assert found.shape == (32, 32, 1) and set(picture[box[0] : box[2], box[1] : box[3]].flat) <= set(found.flat)
    assert gallery.crop(picture, (0, 0, 4, 4), 99).shape == picture.shape  # type: ignore[arg-type]


def test_a_triptych_is_taken_apart_and_cut_to_what_is_outlined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "VIEW", 40)
    panels = gallery.split(_triptych(np.random.default_rng(0)))
    assert [panel.shape for panel in panels] == [(60, 80, 3)] * 3
    shown = gallery.part_of_interest(panels)
    assert [panel.shape for panel in shown] == [(43, 43, 3)] * 3
    assert (shown[1] == (230, 60, 50)).all(-1).sum() == 40


def test_a_picture_that_is_no_triptych_is_shown_whole() -> None:
    assert len(gallery.split(np.zeros((10, 12, 3), np.uint8))) == 1


@pytest.mark.parametrize(
    ("stem", "named"),
    [("1-pit-best", ("pit", "best")), ("12-a-b-worst", ("a-b", "worst")), ("good-worst", ("good", "worst"))],
)
def test_overlays_are_told_by_their_names(stem: str, named: tuple[str, str]) -> None:
    assert gallery._named(stem) == named


def _marks(svg: str, kind: str) -> list[dict[str, str]]:
    return [dict(one.attrib) for one in fromstring(svg).iter() if one.get("class") == kind]


def test_an_interval_is_drawn_from_low_to_high_about_zero() -> None:
    axis = number_axis(-0.1, 0.1, "gain")
    drawn = forest([("over real", [Effect("a", 0.05, 0.0 + 1e-9, 0.1)])], axis, "gains")
    ((zero,), (line,), (dot,)) = (_marks(drawn, kind) for kind in ("zero", "interval above", "mean above"))
    assert float(line["x1"]) == float(zero["x1"]) < float(dot["cx"]) < float(line["x2"])
    assert float(dot["cx"]) - float(line["x1"]) == pytest.approx(float(line["x2"]) - float(dot["cx"]), abs=0.2)


@pytest.mark.parametrize(
    ("low", "high", "kind"),
    [(0.1, 0.2, "above"), (-0.1, 0.2, "open"), (-0.2, -0.1, "below"), (None, None, "open"), (0.0, 0.1, "open")],
)
def test_an_effect_is_told_from_zero_by_its_interval(low: float | None, high: float | None, kind: str) -> None:
    assert Effect("a", 0.1, low, high).kind == kind


def test_an_effect_that_is_not_defined_is_named_without_a_mark() -> None:
    drawn = forest([("", [Effect("a", None)])], number_axis(0, 1, ""), "")
    assert "not defined" in drawn and "circle" not in drawn


def test_names_are_escaped_in_drawings() -> None:
    line = Line("x", "<script>", ((0, 0), (1, 1)))
    for drawn in (
        forest([("<b>", [Effect("<i>", 0.1)])], number_axis(0, 1, "&"), '"'),
        frame([line], Axis(0, 1, ()), Axis(0, 1, ()), "<"),
    ):
        assert not {"b", "i", "script"} & {one.tag for one in fromstring(drawn).iter()}


def test_a_line_is_broken_where_a_value_is_missing() -> None:
    line = Line("x", "x", ((0, 0), (0.2, 0.1), None, (0.6, 0.3), (1, 1)))
    (path,) = _marks(frame([line], Axis(0, 1, ()), Axis(0, 1, ()), ""), "curve x")
    assert path["d"].count("M") == 2 and path["d"].count("L") == 2


@pytest.mark.parametrize(("low", "high"), [(0, 0.73), (-0.021, 0.103), (0, 0), (-3, 40), (0.0001, 0.0004)])
def test_an_axis_has_few_round_ticks_and_holds_its_values(low: float, high: float) -> None:
    axis = number_axis(low, high, "")
    values = [value for value, _ in axis.ticks]
    assert axis.low <= low + 1e-9 and axis.high >= high - 1e-9 and 2 <= len(values) <= 6
    assert np.allclose([float(label) for _, label in axis.ticks], values, atol=1e-9)


def test_signed_numbers() -> None:
    assert [signed_text(one) for one in (0.0123, -0.5, 0.0, -0.0001, None)] == [
        "+0.012",
        "−0.500",
        "0.000",
        "0.000",
        "–",
    ]


def test_all_forests_share_an_axis_and_leave_the_ceiling_out() -> None:
    results = make_results()
    results["gains"] += [{**_gain("all-real", "real", 5), "mean": 9.0, "high": 9.5}]
    panels = charts.gain_panels(Outcome(results))
    labels = [[one["x"] for one in _marks(panel.svg, "tick middle")] for panel in panels]
    assert len(panels) == 2 and labels[0] == labels[1] and "all-real" not in panels[0].svg


def test_one_budget_has_no_learning_curve() -> None:
    assert charts.learning_curve(Outcome(make_results((5,)))) is None
    assert charts.learning_curve(Outcome(make_results())) is not None


def test_every_arm_has_a_colour_of_its_own(text: str) -> None:
    for arm in ARMS:
        assert text.count(f"svg .curve.{charts.slug(arm)} {{") == 1
    assert plots.swatch("x").count("curve x") == 1
