"""The figures of docs/transfer.md across products.

python docs/across.py table FOLDER...: the table of benchmarks with --target, finished or not.
python docs/across.py goods TILES SCREWS blowhole=pitting -o WORK: which good parts make the strongest `real`, judged
inside the target's pool; no test part is read.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flawsmith.data.device import pick_device
from flawsmith.data.files import read_json
from flawsmith.data.read import read
from flawsmith.data.split import make_split
from flawsmith.segment.across import Across
from flawsmith.segment.benchmark.outcome import FIRST, HEADLINE, TARGET, Outcome, mean
from flawsmith.segment.benchmark.tables import interval, number
from flawsmith.segment.evaluate import evaluate
from flawsmith.segment.model import load_model
from flawsmith.segment.target import Target
from flawsmith.segment.train import TrainConfig, train

ARMS = ("real", FIRST, "real+paste", "real+gan", TARGET)
HEAD = ("from → to", "seeds", *ARMS, "real+paste − real", "real+gan − real", "gap closed by real+gan")
EVERY = 3, 6  # so many-th defect and good image of the pool judges


def table(folders: Sequence[Path]) -> Iterator[str]:
    """In Markdown, a row a folder and budget."""
    yield f"| {' | '.join(HEAD)} |"
    yield f"| {' | '.join('---' for _ in HEAD)} |"
    for folder in folders:
        outcome = Outcome(read_json(folder / "results.json"))
        for real in outcome.budgets:
            yield f"| {' | '.join(_row(outcome, real))} |"


def _row(outcome: Outcome, real: int | str) -> Iterator[str]:
    first, target = outcome.products
    pairs = ", ".join(f"{ours} → {theirs}" for ours, theirs in outcome.target["match"].items())
    yield f"{first} → {target}: {pairs}, {real} real"
    yield str(len(outcome.seeds))
    yield from (number(mean(outcome.scores(arm, real, HEADLINE))) for arm in ARMS)
    gains = {one["arm"]: one for one in outcome.gains(real, "real")}
    yield from (_gain(gains.get(arm)) for arm in ARMS[2:4])
    gap = next((one for one in outcome.rows("gap") if (one["arm"], one["real"]) == ("real+gan", real)), None)
    yield "–" if gap is None or gap["share"] is None else f"{100 * gap['share']:.0f} %".replace("-", "−")


def _gain(gain: dict[str, Any] | None) -> str:
    return "–" if gain is None else f"{gain['mean']:+.3f} ({interval(gain)})".replace("-", "−")


def goods(options: argparse.Namespace) -> Iterator[str]:
    """Pixel AP of `real` on the target's pool, with good parts of the target, of both, and of the first product."""
    roots, splits = (options.first, options.target), [options.work / f"{name}.json" for name in ("first", "target")]
    for root, path in zip(roots, splits, strict=True):
        if not path.exists():
            make_split(read(root), 0.5, options.seed).save(path)
    ours, _, theirs = options.match.partition("=")
    target = Target(options.target, ((ours, theirs),), splits[1])
    data, device = Across(options.first, splits[0], options.real, options.seed, (ours,), target), pick_device("cpu")
    shown = [record for record in data.pool.defective if theirs in record.defects]
    judge = (*shown[:: EVERY[0]], *data.pool.good[:: EVERY[1]])
    both = {"the target's": data.clean, "both": (*data.clean, *data.fitted.good), "the first's": data.fitted.good}
    for name, good in both.items():
        folder = options.work / name
        if not (folder / "eval" / "metrics.json").exists():
            list(
                train(
                    replace(data.learned("drawn"), good=good), (), TrainConfig(), folder / "model", options.seed, device
                )
            )
            list(evaluate(load_model(folder / "model", device), judge, folder / "eval"))
        yield f"good parts: {name}: {read_json(folder / 'eval' / 'metrics.json')['overall'][HEADLINE]:.3f}"


def main() -> None:
    """Prints what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("table")
    one.add_argument("folders", type=Path, nargs="+")
    one.set_defaults(lines=lambda options: table(options.folders))
    one = commands.add_parser("goods")
    one.add_argument("first", type=Path)
    one.add_argument("target", type=Path)
    one.add_argument("match", help="crack=pitting")
    one.add_argument("--real", type=int, default=10)
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("-o", dest="work", type=Path, required=True)
    one.set_defaults(lines=goods)
    options = parser.parse_args()
    for line in options.lines(options):
        print(line, flush=True)


if __name__ == "__main__":
    main()
