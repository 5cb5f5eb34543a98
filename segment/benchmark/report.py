"""The report of a benchmark: one HTML file that needs no other, no network and no script, verdict first."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flawsmith.data.files import write_text
from flawsmith.segment.benchmark import charts, gallery, tables
from flawsmith.segment.benchmark.outcome import CEILING, FIRST, TARGET, Outcome
from flawsmith.segment.overlay import COLOURS
from flawsmith.segment.report import render

REPORT = "report.html"

EXPLAINED = {
    "real": "the drawn real defect images with the full standard augmentation: the number to beat",
    "real+paste": "the same, and real defects cut out and pasted elsewhere with a feathered edge",
    "real+poisson": "the same, and real defects pasted by Poisson blending",
    "real+gan": "the same, and defects painted by the GAN",
    "real+gan+paste": "the same, and half of the made images painted by the GAN, half pasted",
    "gan": "painted defects and no real one: shown for information, never recommended",
    "first-real": "the first product's defects and good parts alone: a model that has never seen the target",
    "target-real": "as many of the target's own real defect images: the other way out, which is to label there",
    "all-real": "every real defect image of the pool: the ceiling, and what more labelled parts would bring",
}


def explained(outcome: Outcome) -> dict[str, str]:
    """What each arm learns from; across products it is said whose."""
    if not outcome.target:
        return {arm: EXPLAINED.get(arm, "") for arm in outcome.arms}
    first, target = outcome.products
    across = EXPLAINED | {
        "real": f"the drawn real defect images of {first} and good parts of both products, with the full standard "
        f"augmentation: all that there is without painting, and the number to beat",
        "real+paste": f"the same, and defects of {first} cut out and pasted on good parts of {target}, feathered",
        "real+poisson": f"the same, and defects of {first} pasted on good parts of {target} by Poisson blending",
        "real+gan": f"the same, and defects that the GAN learned on {first}, painted on good parts of {target}",
        "gan": f"defects painted on {target} and no real one: shown for information, never recommended",
        FIRST: f"the same real defects and good parts of {first} alone: a model that has never seen {target}; what is "
        "painted has to beat it too",
        TARGET: f"a reference: as many real defect images of {target} itself, and its good parts alone",
        CEILING: f"a reference: every real defect image of the pool of {target}, and its good parts alone: the ceiling",
    }
    return {arm: across.get(arm, "") for arm in outcome.arms}


def write_report(folder: Path, results: Mapping[str, Any]) -> Path:
    """Writes report.html from the content of results.json and the pictures in `folder`; returns its path."""
    outcome = Outcome(results)
    pairs, scenes = _pairs(folder, outcome), _scenes(folder, outcome)
    pictures = [picture for pair in pairs for picture in (pair.painted, pair.nearest)]
    pictures += [panel for scene in scenes for panel in scene.panels]
    text = render(
        "benchmark.html",
        pictures,
        outcome=outcome,
        title=" → ".join(outcome.products) or "Benchmark",
        target=outcome.target,
        verdict=results.get("verdict") or "No verdict: nothing has been scored yet.",
        data=dict.fromkeys(("name", "images", "groups", "notes")) | (results.get("data") or {}),
        advice=tables.advice(outcome),
        gains=charts.gain_panels(outcome),
        learning=charts.learning_curve(outcome),
        worth=list(
            dict.fromkeys(one["text"] for part in ("worth", "gap") for one in outcome.rows(part) if one.get("text"))
        ),
        scores=tables.score_grids(outcome),
        classes=tables.class_grids(outcome),
        recall=charts.recall_panels(outcome),
        legend=charts.legend(outcome),
        focus=charts.budget_name(outcome.focus),
        pairs=_by(pairs, "defect"),
        scenes=_by(scenes, "kind"),
        colours=[
            (name, "#{:02x}{:02x}{:02x}".format(*COLOURS[k % len(COLOURS)])) for k, name in enumerate(outcome.classes)
        ],
        integrity=tables.integrity_grid(outcome),
        distance=tables.distance_grids(outcome),
        networks=sorted({one["network"] for one in outcome.rows("distance") if one.get("network")}),
        facts=facts(outcome),
        arms=explained(outcome),
        every_gain=tables.gain_grid(outcome),
        every_figure=tables.figure_grid(outcome),
        every_trial=tables.seed_grid(outcome),
    )
    write_text(folder / REPORT, text)
    return folder / REPORT


def facts(outcome: Outcome) -> dict[str, str]:
    """How it was run, by name; what is not known is left out."""
    setting, data = outcome.setting, outcome.results.get("data") or {}
    known = {
        "command": setting.get("command"),
        "data": data.get("name"),
        "target": outcome.target.get("name"),
        "counted as": ", ".join(f"{ours} as {theirs}" for ours, theirs in (outcome.target.get("match") or {}).items()),
        "classes": ", ".join(outcome.classes),
        "images": data.get("images") and f"{data['images']} of {data.get('groups', '?')} groups",
        "images of the target": outcome.target.get("images")
        and f"{outcome.target['images']} of {outcome.target.get('groups', '?')} groups",
        "real images of each class": ", ".join(map(str, outcome.budgets)),
        "seeds": ", ".join(map(str, outcome.seeds)),
        "model": ((setting.get("config") or {}).get("train") or {}).get("model"),
        "parts are seen": _seen(outcome),
        "device": setting.get("device"),
        "time": setting.get("seconds") and tables.duration(setting["seconds"]),
        "versions": ", ".join(f"{name} {number}" for name, number in (setting.get("versions") or {}).items()),
    }
    return {name: str(value) for name, value in known.items() if value}


def _seen(outcome: Outcome) -> str:
    """How much smaller than they are the networks see the parts, and which do; nothing where none does."""
    seen: dict[int, list[str]] = {}
    for one in outcome.trials:
        seen.setdefault(one.get("shrink") or 1, []).append(f"{one['arm']} of {one['real']}, seed {one['seed']}")
    smaller = sorted(shrink for shrink in seen if shrink > 1)
    if len(seen) == 1 and smaller:
        return f"{smaller[0]} times smaller"
    return "; ".join(f"{shrink} times smaller by {', '.join(seen[shrink])}" for shrink in smaller)


def _pairs(folder: Path, outcome: Outcome) -> list[gallery.Pair]:
    """Painted defects of the first seed that has some, at the budget in focus."""
    cells = (gallery.cell_folder(folder, seed, real) for real in _focus(outcome) for seed in outcome.seeds)
    return next(filter(None, map(gallery.pairs, cells)), [])


def _scenes(folder: Path, outcome: Outcome) -> list[gallery.Scene]:
    """The test parts as `real` and the arm to look at see them, at the first seed and the budget in focus."""
    arms = list(dict.fromkeys(arm for arm in ("real", _watched(outcome)) if arm in outcome.arms))
    cells = (gallery.cell_folder(folder, seed, real) for real in _focus(outcome) for seed in outcome.seeds)
    return next(filter(None, (gallery.scenes(cell, arms) for cell in cells)), [])


def _focus(outcome: Outcome) -> list[Any]:
    return [] if outcome.focus is None else [outcome.focus]


def _watched(outcome: Outcome) -> str:
    """The arm that is recommended, else the best that was tried, else the last."""
    advice = next((one for one in tables.advice(outcome) if one.budget == charts.budget_name(outcome.focus)), None)
    return (advice and advice.tried) or next(reversed(outcome.arms), "")


def _by(things: list[Any], name: str) -> dict[str, list[Any]]:
    """The things under what an attribute of theirs says, in order of appearance."""
    groups: dict[str, list[Any]] = {}
    for one in things:
        groups.setdefault(getattr(one, name), []).append(one)
    return groups
