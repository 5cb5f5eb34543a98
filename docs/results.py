r"""The figures of docs/results.md: whole benchmarks on real parts, and what they come to together.

python docs/results.py blowhole=FOLDER:blowhole ball_screw=FOLDER --real 5,10 --seeds 3 --workers 2 \
    --pictures "ball_screw=BSData, Schlagenhauf et al., CC BY-SA 4.0"

What is finished in the work folder is not done again, so that it goes on where it stopped.
"""

import argparse
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from flawsmith.data.device import pick_device
from flawsmith.data.files import read_json, write_text
from flawsmith.data.read import read
from flawsmith.data.split import Split
from flawsmith.gan.preview import preview
from flawsmith.segment.benchmark.bootstrap import Estimate, interval, over_seeds
from flawsmith.segment.benchmark.cell import Budget, grid
from flawsmith.segment.benchmark.estimates import Estimates
from flawsmith.segment.benchmark.outcome import CEILING, HEADLINE, Outcome
from flawsmith.segment.benchmark.plan import DEFAULT_ARMS, Plan
from flawsmith.segment.benchmark.results import finished, load_trials, write_results
from flawsmith.segment.benchmark.run import run
from flawsmith.segment.benchmark.setting import SETTING

HERE = Path(__file__).parent
WIDE = 1000  # px, of a picture of the page
MUCH = 0.08  # pixel average precision: the most that is asked of a painter
PARTS = {"fit": "fit", "gan": "paint", "train": "train", "evaluate": "evaluate"}  # of a trial, as its seconds name them
INTRODUCTION = """# Results on real parts

Written by `docs/results.py` from benchmarks; do not edit. See [how a gain is
measured](decisions.md#how-a-gain-is-measured): each seed draws its own split by part, images and weights; every arm has
the same network, steps, batch and augmentation, and is scored on whole held-out images. Figures are pixel average
precision, means over seeds; brackets hold 95 % intervals of a paired bootstrap over parts and seeds. A gain is one
whose whole interval lies above 0. What is believed to limit it: [experiments](experiments.md#what-limits-the-gain-now).

    {command}

{note}"""


@dataclass(frozen=True)
class Product:
    """A data set to measure on: its name, its folder, and the classes to use (None: all)."""

    name: str
    folder: Path
    classes: tuple[str, ...] | None

    @classmethod
    def parse(cls, text: str) -> "Product":
        """From NAME=FOLDER or NAME=FOLDER:class,class."""
        name, _, rest = text.partition("=")
        folder, _, classes = rest.partition(":")
        return cls(name, Path(folder), tuple(classes.split(",")) if classes else None)


def measure(product: Product, options: argparse.Namespace) -> Path:
    """Runs what is missing of the product's benchmark; the folder with its results."""
    folder = Path(options.work / product.name)
    seeds = tuple(range(options.seeds))
    plans = [Plan(product.folder, folder, options.real, seeds, options.arms, product.classes)]
    if options.alone:  # the curve of real images alone
        plans.append(Plan(product.folder, folder, options.alone, seeds, ("real",), product.classes))
    for plan in plans:
        text = ""
        for event in run(plan, pick_device(options.device), options.workers):
            if event.get("text") != text or "note" in event:
                text = event.get("text", "")
                print(f"{product.name}: {text} {event.get('note', '')}".rstrip(), flush=True)
    return folder


def estimates(folder: Path, seed: int) -> Estimates:
    """All finished trials of a benchmark."""
    setting = read_json(folder / SETTING)
    cells = grid(setting["seeds"], setting["budgets"], setting["arms"])
    found = [(cell, arm) for cell in cells for arm in cell.arms if arm in finished(folder / cell.folder)]
    return Estimates(load_trials(folder, found, setting["pools"]), seed)


def together(folders: Mapping[str, Path], arms: Sequence[str], budgets: Sequence[Budget]) -> str:
    """What each arm adds to `real`, and to the better copy-paste, in the mean over the products."""
    known = {name: estimates(folder, seed) for seed, (name, folder) in enumerate(folders.items())}
    seeds = {name: len(one.of("real", budgets[0], HEADLINE)) for name, one in known.items()}
    heads = [f"{name}, {count} seed{'s' * (count != 1)}" for name, count in seeds.items()]
    lines = ["| arm | over | real images | mean over products | " + " | ".join(heads) + " |"]
    lines.append("|---" * (4 + len(known)) + "|")
    comparisons = [(arm, real, "real", real) for arm in arms if arm != "real" for real in budgets]
    comparisons += [(arm, real, "real+paste", real) for arm in arms if "gan" in arm for real in budgets]
    comparisons += [(arm, real, CEILING, "all") for arm in arms if arm not in ("real", CEILING) for real in budgets]
    numbers = [real for real in budgets if isinstance(real, int)]
    known_budgets = sorted({one.real for e in known.values() for one in e.trials if isinstance(one.real, int)})
    comparisons += [
        (arm, a, "real", b) for arm in arms if "gan" in arm for a in numbers for b in known_budgets if a < b
    ]
    for arm, real, over, over_real in comparisons:
        gains = {name: gain(one, (arm, real), there_is(one, over, over_real)) for name, one in known.items()}
        there = [one for one in gains.values() if one is not None]
        if len(there) == len(known):
            cells = [shown(mean_of(there)), *(shown(one) for one in there)]
            label = over if over_real in (real, "all") else f"{over}, {over_real} images or all"
            lines.append(f"| {arm} | {label} | {real} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, *goals(known, arms, numbers)])


def there_is(known: Estimates, arm: str, real: Budget) -> tuple[str, Budget]:
    """The arm with so many real images, and with all of a pool that has not as many."""
    return (CEILING, "all") if arm == "real" and not known.of(arm, real, HEADLINE) else (arm, real)


def goals(known: Mapping[str, Estimates], arms: Sequence[str], budgets: Sequence[int]) -> list[str]:
    """What an arm should gain on each product: half of the way from real to all real images, at most MUCH."""
    lines: list[str] = []
    for name, one in known.items():
        for real in budgets:
            way = gain(one, (CEILING, "all"), ("real", real))
            if way is None:
                continue
            shared = one.of(CEILING, "all", HEADLINE)
            found = {arm: gain(one, (arm, real), ("real", real)) for arm in arms if "gan" in arm}
            gains = [f"{arm} {value.value:+.3f}" for arm, value in found.items() if value is not None]
            goal = min(MUCH, way.value / 2)
            lines.append(f"| {name} | {real} | {len(shared)} | {way.value:+.3f} | {goal:+.3f} | {', '.join(gains)} |")
    head = (
        "| product | real images | seeds | all real images over these | asked for | gained |\n|---|---|---|---|---|---|"
    )
    why = f"A painter should gain half of the way from the real images to all of the pool's, at most {MUCH:+.2f}:"
    return ["", why, "", head, *lines] if lines else []


def gain(known: Estimates, arm: tuple[str, Budget], over: tuple[str, Budget]) -> Estimate | None:
    """The difference of two arms in the headline, None where they share no seed."""
    ours, theirs = (known.of(*one, HEADLINE) for one in (arm, over))
    shared = [ours[seed] - theirs[seed] for seed in ours if seed in theirs]
    return over_seeds(shared, known.seed) if shared else None


def mean_of(gains: Sequence[Estimate]) -> Estimate:
    """The mean over products, which are resampled independently."""
    return Estimate(float(np.mean([one.value for one in gains])), np.mean([one.moved for one in gains], axis=0))


def shown(one: Estimate) -> str:
    """A difference and its interval."""
    span = interval(one.replicates)
    return f"{one.value:+.3f} [{span.low:+.3f}, {span.high:+.3f}]"


def section(product: Product, folder: Path, options: argparse.Namespace) -> str:
    """The product's part of the page."""
    results = write_results(folder)
    outcome = Outcome(results)
    text = [f"## {product.name}", results["verdict"], scores(outcome)]
    text += absent(outcome, options)
    text += ["\n".join(f"- {row['text']}" for row in results["worth"])] if results["worth"] else []
    text.append(cost(folder))
    figures = list(integrity(results["integrity"]))
    if figures:
        text.append("What was painted, over all generator runs:\n\n" + "\n".join(figures))
    if product.name in options.pictures:
        text += pictures(product, folder, outcome, options.pictures[product.name])
    return "\n\n".join(text)


def absent(outcome: Outcome, options: argparse.Namespace) -> list[str]:
    """A line on the trials that were asked for and are not there, if any."""
    there = {(one["arm"], one["real"], one["seed"]) for one in outcome.trials}
    cells = [(arm, "all" if arm == CEILING else real) for real in options.real for arm in options.arms]
    lacking = {
        (arm, real): [str(seed) for seed in range(options.seeds) if (arm, real, seed) not in there]
        for arm, real in dict.fromkeys(cells)
    }
    told = [f"{arm} with {real} (seed {', '.join(seeds)})" for (arm, real), seeds in lacking.items() if seeds]
    return [f"Not run: {'; '.join(told)}."] if told else []


def scores(outcome: Outcome) -> str:
    """Every arm and budget, a column a seed."""
    seeds = outcome.seeds
    lines = ["| real images | arm | mean | " + " | ".join(f"seed {seed}" for seed in seeds) + " |"]
    lines.append("|---" * (3 + len(seeds)) + "|")
    for real in dict.fromkeys([*outcome.budgets, "all"]):
        for arm in outcome.arms:
            found = {
                one["seed"]: one["metrics"]["overall"][HEADLINE]
                for one in outcome.trials
                if (one["arm"], one["real"]) == (arm, real)
            }
            if found:
                cells = [f"{found[seed]:.3f}" if seed in found else "–" for seed in seeds]
                lines.append(f"| {real} | {arm} | {np.mean(list(found.values())):.3f} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cost(folder: Path) -> str:
    """How long the parts of a trial took, in the median."""
    known = [read_json(path) for path in sorted((folder / "trials").glob("seed-*/real-*/**/seconds.json"))]
    seconds = {part: [one[name] for one in known if name in one] for name, part in PARTS.items()}
    took = {part: float(np.median(some)) for part, some in seconds.items() if some}
    each, minutes = ", ".join(f"{part} {took[part]:.0f} s" for part in took), sum(took.values()) / 60
    return f"A trial, in the median and with whatever else the machine did: {each}, together {minutes:.1f} min."


def integrity(cells: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line for each integrity figure: its range over the runs, its limit, how many passed."""
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for cell in cells:
        for figure in cell["figures"]:
            if figure["value"] is not None:
                rows.setdefault(figure["name"], []).append(figure)
    if rows:
        yield "| figure | lowest | highest | limit | passed |\n|---|---|---|---|---|"
    for name, figures in rows.items():
        values = [one["value"] for one in figures]
        sign = {"max": "≤", "min": "≥"}[figures[0]["sense"]]
        passed = sum(bool(one["passed"]) for one in figures)
        limit = f"{sign} {figures[0]['limit']:g}"
        yield f"| {name} | {min(values):.2f} | {max(values):.2f} | {limit} | {passed} of {len(values)} |"


def pictures(product: Product, folder: Path, outcome: Outcome, whom: str) -> list[str]:
    """Painted defects and the segmenter's best, median and worst image, as Markdown, with the photographs' credit."""
    seed, real = outcome.seeds[0], outcome.focus
    cell, sheet = folder / "trials" / f"seed-{seed}" / f"real-{real}", HERE / "pictures" / f"{product.name}.png"
    pool = Split.load(folder / "splits" / f"seed-{seed}.json").pool(read(product.folder))
    preview(cell / "fit", [record for record in pool if record.good], sheet, 0, pick_device("cpu"))
    text = [f"Real defects, painted ones and their masks:\n\n![painted](pictures/{sheet.name})"]
    here = [one["arm"] for one in outcome.trials if (one["seed"], one["real"]) == (seed, real)]
    arm = [arm for arm in outcome.arms if "gan" in arm and arm in here][-1]
    for overlay in sorted((cell / "arms" / arm / "eval" / "overlays").glob("*.png")):
        copy = HERE / "pictures" / f"{product.name}_{overlay.name}"
        shrink(overlay, copy)
        text.append(f"`{arm}`, {overlay.stem}: image, truth, prediction\n\n![{overlay.stem}](pictures/{copy.name})")
    return [*text, f"Photographs: {whom}; the pictures here are under the same licence."]


def shrink(picture: Path, copy: Path) -> None:
    """A copy that is at most WIDE px wide."""
    with Image.open(picture) as image:
        image.thumbnail((WIDE, WIDE))
        image.save(copy, optimize=True)


def credit(text: str) -> tuple[str, str]:
    """NAME=CREDIT: a product whose licence lets its pictures be shown, and whom to name."""
    name, _, whom = text.partition("=")
    return name, whom


def to_budgets(text: str) -> tuple[Budget, ...]:
    """From "5,10,all"."""
    return tuple("all" if part == "all" else int(part) for part in text.split(","))


def command(options: argparse.Namespace) -> str:
    """The line that makes the page, folders left out."""
    words = [f"{p.name}=FOLDER" + (f":{','.join(p.classes)}" if p.classes else "") for p in options.products]
    words += ["--real", ",".join(map(str, options.real)), "--seeds", str(options.seeds)]
    words += ["--alone", ",".join(map(str, options.alone))] if options.alone else []
    words += ["--arms", ",".join(options.arms)]
    if options.pictures:
        words += ["--pictures", shlex.join(f"{name}={whom}" for name, whom in options.pictures.items())]
    return "python docs/results.py " + " ".join(words)


def main() -> None:
    """Run what is not done yet, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("products", nargs="+", type=Product.parse, metavar="NAME=FOLDER[:CLASS,CLASS]")
    parser.add_argument("--real", type=to_budgets, default=(5, 10))
    parser.add_argument("--alone", type=to_budgets, default=(), help="budgets for real images alone")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--arms", type=lambda text: tuple(text.split(",")), default=DEFAULT_ARMS)
    parser.add_argument("--pictures", nargs="*", type=credit, default=[], metavar="NAME=CREDIT")
    parser.add_argument("--note", default="", help="what else a reader must know, printed at the top")
    parser.add_argument("--work", type=Path, default=Path("runs/results"))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--as-is", action="store_true", help="show what is finished, and run nothing")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    options.pictures = dict(options.pictures)
    folders = {
        product.name: options.work / product.name if options.as_is else measure(product, options)
        for product in options.products
    }
    parts = [INTRODUCTION.format(command=command(options), note=options.note).rstrip()]
    parts += ["## All products", together(folders, options.arms, options.real)] if len(folders) > 1 else []
    parts += [section(product, folders[product.name], options) for product in options.products]
    write_text(HERE / "results.md", "\n\n".join(parts).rstrip() + "\n")


if __name__ == "__main__":
    main()
