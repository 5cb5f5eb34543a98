r"""The figures of docs/results.md: whole trials on real parts, every arm on the same split, draw and seed.

python docs/results.py magnetic_tile=FOLDER:blowhole,crack,break ball_screw=FOLDER \
    --pictures "ball_screw=BSData, Schlagenhauf et al., CC BY-SA 4.0"
"""

import argparse
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from statistics import mean
from typing import Any

import torch

from flawsmith.data.device import pick_device
from flawsmith.data.files import write_text
from flawsmith.data.read import read
from flawsmith.data.split import Split, make_split
from flawsmith.gan.preview import preview
from flawsmith.segment.trial import TrialConfig, trial

HERE = Path(__file__).parent
ARMS = ("real", "real+paste", "real+gan", "real+gan+paste")
SCORES = ("pixel_ap", "dice", "iou", "aupro", "image_auroc", "image_ap")
INTRODUCTION = """# Results on real parts

Written by `docs/results.py`; do not edit. One row is one segmenter: the same network, initial weights, steps, batch and
augmentation in every arm, scored on whole held-out images at native size. The test part is half of the groups; no image
of it was learned from (what else was seen of it: [decisions](decisions.md#the-label)). `real` learns from {real} real
defect images of each class and the good parts of the pool; the other arms see painted defects as well. Means over
{seeds}. **One or two seeds are no evidence**: intervals and a verdict need the benchmark, which is not built yet.

    {command}
"""


@dataclass(frozen=True)
class Product:
    """A data set to run on: its name, its folder, and the classes to use (None: all)."""

    name: str
    folder: Path
    classes: tuple[str, ...] | None

    @classmethod
    def parse(cls, text: str) -> "Product":
        """From NAME=FOLDER or NAME=FOLDER:class,class."""
        name, _, rest = text.partition("=")
        folder, _, classes = rest.partition(":")
        return cls(name, Path(folder), tuple(classes.split(",")) if classes else None)


def run(product: Product, options: argparse.Namespace, device: torch.device) -> list[Mapping[str, Any]]:
    """One trial a seed, each with its own split; what is finished in the work folder is not done again."""
    results, config = [], TrialConfig(count=options.count)
    for seed in range(options.seeds):
        work, task = options.work / product.name / str(seed), ""
        split = work / "split.json"
        if not split.exists():
            make_split(read(product.folder), 0.5, seed).save(split)
        plan = (product.folder, split, options.real, seed, options.arms, config, work / "trial", device)
        for event in trial(*plan, classes=product.classes):
            if event["task"] != task:
                task = event["task"]
                print(f"{product.name}, seed {seed}: {task}", flush=True)
        results.append(event["results"])
    return results


def table(results: Sequence[Mapping[str, Any]], part: str) -> str:
    """A Markdown table of one part of the metrics ("overall" or a class): rows are arms, means over seeds."""
    lines = ["| arm | " + " | ".join(SCORES) + " |", "|---" * (len(SCORES) + 1) + "|"]
    for arm in results[0]:
        found = [result[arm]["overall"] if part == "overall" else result[arm]["per_class"][part] for result in results]
        lines.append(f"| {arm} | " + " | ".join(f"{mean(one[score] for one in found):.3f}" for score in SCORES) + " |")
    return "\n".join(lines)


def differences(results: Sequence[Mapping[str, Any]]) -> str:
    """What every arm adds to the first one's pixel AP, in words."""
    first, *others = results[0]
    scores = {arm: mean(result[arm]["overall"]["pixel_ap"] for result in results) for arm in results[0]}
    return (
        f"Pixel AP over `{first}`: " + ", ".join(f"`{arm}` {scores[arm] - scores[first]:+.3f}" for arm in others) + "."
    )


def section(product: Product, results: Sequence[Mapping[str, Any]], options: argparse.Namespace) -> str:
    """The product's part of the page."""
    work = options.work / product.name / "0"
    classes = list(next(iter(results[0].values()))["per_class"])
    held_out = Split.load(work / "split.json").test(read(product.folder))
    good = sum(record.good for record in held_out)
    bad = sum(bool(set(record.defects) & set(classes)) for record in held_out)
    counts = f"Held out (of seed 0): {bad} images with a defect, {good} good ones."
    text = [f"## {product.name}", counts, table(results, "overall"), differences(results)]
    if len(classes) > 1:
        text += [f"### {name}\n\n{table(results, name)}" for name in classes]
    if product.name in options.pictures:
        text += pictures(product, work, options.pictures[product.name])
    return "\n\n".join(text)


def pictures(product: Product, work: Path, whom: str) -> list[str]:
    """Painted defects and the segmenter's best, median and worst image, as Markdown, with the photographs' credit."""
    sheet = HERE / "pictures" / f"{product.name}.png"
    pool = Split.load(work / "split.json").pool(read(product.folder))
    preview(work / "trial" / "fit", [record for record in pool if record.good], sheet, 0, pick_device("cpu"))
    text = [f"Real defects, painted ones and their masks:\n\n![painted](pictures/{sheet.name})"]
    for overlay in sorted((work / "trial" / "arms" / "real+gan" / "eval" / "overlays").glob("*.png")):
        copy = HERE / "pictures" / f"{product.name}_{overlay.name}"
        copyfile(overlay, copy)
        text.append(f"`real+gan`, {overlay.stem}: image, truth, prediction\n\n![{overlay.stem}](pictures/{copy.name})")
    return [*text, f"Photographs: {whom}; the pictures here are under the same licence."]


def credit(text: str) -> tuple[str, str]:
    """NAME=CREDIT: a product whose licence lets its pictures be shown, and whom to name."""
    name, _, whom = text.partition("=")
    return name, whom


def main() -> None:
    """Run what is not done yet, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("products", nargs="+", type=Product.parse, metavar="NAME=FOLDER[:CLASS,CLASS]")
    parser.add_argument("--real", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--count", type=int, default=300, help="images from each painter")
    parser.add_argument("--arms", type=lambda text: text.split(","), default=ARMS)
    parser.add_argument("--pictures", nargs="*", type=credit, default=[], metavar="NAME=CREDIT")
    parser.add_argument("--work", type=Path, default=Path("runs/results"))
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    options.pictures = dict(options.pictures)
    device = pick_device(options.device)
    shown = " ".join(f"{p.name}=FOLDER" + (f":{','.join(p.classes)}" if p.classes else "") for p in options.products)
    command = f"python docs/results.py {shown} --arms {','.join(options.arms)} --real {options.real}"
    command += f" \\\n        --seeds {options.seeds} --count {options.count}"
    if options.pictures:
        credited = [f"{name}={whom}" for name, whom in options.pictures.items()]
        command += f" --pictures {shlex.join(credited)}"
    seeds = "one seed" if options.seeds == 1 else f"{options.seeds} seeds"
    parts = [INTRODUCTION.format(real=options.real, seeds=seeds, command=command)]
    parts += [section(product, run(product, options, device), options) for product in options.products]
    write_text(HERE / "results.md", "\n\n".join(parts).rstrip() + "\n")


if __name__ == "__main__":
    main()
