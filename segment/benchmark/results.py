"""The results of a benchmark, from its folder alone: it needs no data, nor that all is done."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flawsmith.data.checkpoint import config_of
from flawsmith.data.files import read_json, write_json
from flawsmith.segment.benchmark.cell import Cell, grid
from flawsmith.segment.benchmark.counts import Trial
from flawsmith.segment.benchmark.setting import SETTING
from flawsmith.segment.segmenter import MODEL
from flawsmith.segment.trial import ARMS, SECONDS

RESULTS, JUDGED = "results.json", "judged.json"
_FEW = 5  # unfinished trials that are named


def write_results(folder: Path) -> dict[str, Any]:
    """Writes results.json and returns its content."""
    results = assemble(folder)
    write_json(folder / RESULTS, results)
    return results


def assemble(folder: Path) -> dict[str, Any]:
    """Verdict, recommendation, trials, gains, worth, curves, integrity and distance of what is finished.

    Across products also the gap to the target's own defects.
    """
    from flawsmith.segment.benchmark.curves import all_curves
    from flawsmith.segment.benchmark.gains import all_gains
    from flawsmith.segment.benchmark.gap import all_gaps, best_gaps
    from flawsmith.segment.benchmark.verdict import across, give_verdict
    from flawsmith.segment.benchmark.worth import all_worth

    setting = read_json(folder / SETTING)
    pools = setting.pop("pools")
    cells = grid(setting["seeds"], setting["budgets"], setting["arms"])
    judged = {cell: _judged(folder / cell.folder) for cell in cells}
    found = [(cell, arm) for cell in cells for arm in cell.arms if arm in finished(folder / cell.folder)]
    trials = load_trials(folder, found, pools)
    seed = setting["seeds"][0]
    gains = all_gains(trials, seed)
    base = [cell for cell, arm in found if arm == "real"]
    present = [real for real in setting["budgets"] if real in {cell.real for cell in base}]
    verdict = give_verdict(gains, present, len({cell.seed for cell in base}))
    data = setting.pop("data")
    target = data.get("target", {}).get("name")
    gaps = {} if target is None else {"gap": all_gaps(trials, seed, target)}
    text = verdict.text if target is None else across(data["name"], target, verdict.text, gains, best_gaps(gaps["gap"]))
    more = [note for content in judged.values() for note in content.get("notes", [])]
    return {
        "verdict": text,
        "recommended": verdict.recommended,
        "data": data | {"notes": [*dict.fromkeys([*data["notes"], *more]), *_unfinished(cells, found)]},
        "setting": setting | {"seconds": _spent(folder, cells)},
        "trials": [
            {
                **_place(cell),
                "arm": arm,
                "metrics": trial.metrics,
                "images": list(trial.images),
                "seconds": _seconds(folder / cell.folder / "arms" / arm),
                "shrink": _shrink(folder / cell.folder / "arms" / arm / "model" / MODEL),
                "sham": judged[cell].get("sham", {}).get(arm),
            }
            for (cell, arm), trial in zip(found, trials, strict=True)
        ],
        "gains": gains,
        "worth": all_worth(trials, seed, target),
        **gaps,
        "curves": all_curves(trials),
        "integrity": [_place(cell) | {"figures": of["integrity"]} for cell, of in judged.items() if of],
        "distance": [_place(cell) | row for cell, of in judged.items() for row in of.get("distance", [])],
    }


def _place(cell: Cell) -> dict[str, Any]:
    """What names a cell in every row."""
    return {"seed": cell.seed, "real": cell.real}


def load_trials(folder: Path, found: Sequence[tuple[Cell, str]], pools: Mapping[str, float]) -> list[Trial]:
    """The finished arms of cells, with what their pools hold: real defect images a class, by seed."""
    return [
        Trial.load(
            folder / cell.folder / "arms" / arm / "eval",
            arm,
            cell.real,
            cell.seed,
            pools[str(cell.seed)] if cell.real == "all" else None,
        )
        for cell, arm in found
    ]


def finished(cell: Path) -> tuple[str, ...]:
    """The arms of a cell's folder that are trained and scored."""
    return tuple(arm for arm in ARMS if (cell / "arms" / arm / "eval" / "metrics.json").exists())


def settled(folder: Path, cell: Cell) -> bool:
    """True where nothing is left to do in a cell."""
    done = finished(folder / cell.folder)
    return set(cell.arms) <= set(done) and (
        not painted(done) or _judged(folder / cell.folder).get("arms") == list(done)
    )


def painted(arms: tuple[str, ...]) -> bool:
    """True where one of the arms learns from painted defects, so that there is something to judge."""
    return any(ARMS[arm].painters for arm in arms)


def _judged(cell: Path) -> dict[str, Any]:
    content: dict[str, Any] = read_json(cell / JUDGED) if (cell / JUDGED).exists() else {}
    return content


def _seconds(folder: Path) -> dict[str, float]:
    content: dict[str, float] = read_json(folder / SECONDS) if (folder / SECONDS).exists() else {}
    return content


def _shrink(model: Path) -> int | None:
    """How many times smaller the network sees the parts; None of a model that is gone, or is none of maps."""
    shrink: int | None = config_of(model).get("shrink") if model.exists() else None
    return shrink


def _spent(folder: Path, cells: tuple[Cell, ...]) -> float:
    """The seconds of all steps of all cells, one after the other."""
    places = [folder / cell.folder / below for cell in cells for below in ("", *(f"arms/{arm}" for arm in cell.arms))]
    return round(sum(sum(_seconds(place).values()) for place in places), 1)


def _unfinished(cells: tuple[Cell, ...], found: list[tuple[Cell, str]]) -> list[str]:
    """A note on the trials that are missing, none where all are done."""
    missing = [f"{arm} ({cell})" for cell in cells for arm in cell.arms if (cell, arm) not in found]
    if not missing:
        return []
    more = f" and {len(missing) - _FEW} more" if len(missing) > _FEW else ""
    total = sum(len(cell.arms) for cell in cells)
    return [f"{len(missing)} of {total} trials are not done: {', '.join(missing[:_FEW])}{more}."]
