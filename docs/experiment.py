r"""An experiment inside a pool: arms of a trial, scored on a held-out half of the pool of seed 0, never on a test part.

python docs/experiment.py FOLDER --classes crack --arms real,real+gan --train '{"painted_share": 0.5}' --work runs/half

For one class the pool is that of all of --pool-classes, as it is for docs/experiments.md.
"""

import argparse
import csv
import json
from io import StringIO
from pathlib import Path

from flawsmith.data.device import pick_device
from flawsmith.data.files import write_text
from flawsmith.data.read import read
from flawsmith.data.record import GOOD, DataSet, Record
from flawsmith.data.split import make_split
from flawsmith.gan.game import GameConfig
from flawsmith.gan.trainer import FitConfig
from flawsmith.segment.evaluate import TABLE
from flawsmith.segment.report import as_text, score_table
from flawsmith.segment.train import TrainConfig
from flawsmith.segment.trial import TrialConfig, trial


def pool_folder(dataset: DataSet, classes: tuple[str, ...], output: Path) -> Path:
    """A folder of links to the pool of seed 0: good parts and those of the classes; what is not there cannot leak."""
    if not (output / "manifest.csv").exists():
        pool = make_split(dataset, 0.5, 0).pool(dataset)
        chosen = [record for record in pool if record.good or set(record.defects) & set(classes)]
        rows = [row(record, dataset.root, output) for record in chosen]
        text = StringIO()
        csv.writer(text).writerows([("image", "mask", "class", "group"), *rows])
        write_text(output / "manifest.csv", text.getvalue())
    return output


def row(record: Record, root: Path, output: Path) -> tuple[str, str, str, str]:
    """Links the record's files; its line of the manifest, of its first label alone."""
    label = record.labels[0] if record.labels else None
    masks = "" if label is None else label.mask.relative_to(root).as_posix()
    for name in filter(None, (record.name, masks)):
        (output / name).parent.mkdir(parents=True, exist_ok=True)
        (output / name).symlink_to((root / name).resolve())
    return record.name, masks, GOOD if label is None else label.defect, record.group


def alarms(arm: str, table: Path) -> str:
    """What was missed of the defects, and taken for one on good parts, at the threshold of the evaluation."""
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    missed = sum(int(row["missed_px"]) for row in rows if row["defects"])
    false = [int(row["false_px"]) for row in rows if not row["defects"]]
    return (
        f"{arm}: {missed:,} px missed; {sum(false):,} px false on {sum(map(bool, false))} of {len(false)} good images"
    )


def main() -> None:
    """Runs the arms and prints their scores; the same work folder goes on where it stopped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--classes", type=lambda text: tuple(text.split(",")), required=True)
    parser.add_argument("--pool-classes", type=lambda text: tuple(text.split(",")), help="default: --classes")
    parser.add_argument("--arms", type=lambda text: text.split(","), default=["real", "real+paste", "real+gan"])
    parser.add_argument("--real", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fold", type=int, default=0, help="seed of the split of the pool")
    parser.add_argument("--train", type=json.loads, default={}, help="TrainConfig, what differs, as JSON")
    parser.add_argument("--fit", type=json.loads, default={}, help="FitConfig, what differs, as JSON")
    parser.add_argument("--game", type=json.loads, default={}, help="GameConfig, what differs, as JSON")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    pool = pool_folder(read(options.folder), options.pool_classes or options.classes, options.work / "pool")
    split = options.work / "split.json"
    if not split.exists():
        make_split(read(pool), 0.5, options.fold).save(split)
    config = TrialConfig(FitConfig(game=GameConfig(**options.game), **options.fit), TrainConfig(**options.train))
    plan = (pool, split, options.real, options.seed, options.arms, config)
    task = ""
    for event in trial(*plan, options.work / "trial", pick_device(options.device), options.classes):
        if event["task"] != task:
            task = event["task"]
            print(task, flush=True)
    results = {arm: metrics["overall"] for arm, metrics in event["results"].items()}
    print(as_text(score_table(", ".join(options.classes), results)))
    for arm in results:
        print(alarms(arm, options.work / "trial" / "arms" / arm / "eval" / TABLE))


if __name__ == "__main__":
    main()
