"""The figures of docs/results.md: whole trials on real parts, every arm on the same split, draw and seed.

python docs/results.py magnetic_tile=FOLDER:blowhole,crack,break ball_screw=FOLDER --pictures ball_screw
"""

import argparse
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
SCORES = ("pixel_ap", "dice", "iou", "aupro", "image_auroc", "image_ap")
INTRODUCTION = """# Results on real parts

Written by `docs/results.py`; do not edit. One row is one segmenter: the same network, initial weights, steps, batch and
augmentation in every arm, scored on whole held-out parts (half of the groups, never seen by anything that learned or chose).
`real` sees {real} real defect images of each class and the good parts of the pool; the others see painted defects as well.
Figures are means over {seeds}; **a difference within one or two seeds is no evidence**: two trainings of one arm
differ by about 0.05 in pixel AP. Goals, intervals and a verdict are the business of the benchmark, which is not built yet.

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
    results = []
    for seed in range(options.seeds):
        work = options.work / product.name / str(seed)
        split = work / "split.json"
        if not split.exists():
            make_split(read(product.folder), 0.5, seed).save(split)
        config, task = TrialConfig(count=options.count), ""
        for event in trial(
            product.folder, split, options.real, seed, options.arms, config, work / "trial", device, product.classes
        ):
            if event["task"] != task:
                task = event["task"]
                print(f"{product.name}, seed {seed}: {task}", flush=True)
        results.append(event["results"])
    return results


def table(results: Sequence[Mapping[str, Any]], part: str, scores: Sequence[str]) -> str:
    """A Markdown table of one part of the metrics ("overall" or a class): rows are arms, means over seeds."""
    lines = ["| arm | " + " | ".join(scores) + " |", "|---" * (len(scores) + 1) + "|"]
    for arm in results[0]:
        found = [result[arm]["overall"] if part == "overall" else result[arm]["per_class"][part] for result in results]
        lines.append(f"| {arm} | " + " | ".join(f"{mean(one[score] for one in found):.3f}" for score in scores) + " |")
    return "\n".join(lines)


def section(product: Product, results: Sequence[Mapping[str, Any]], options: argparse.Namespace) -> str:
    """The product's part of the page."""
    work = options.work / product.name / "0"
    dataset, split = read(product.folder), Split.load(work / "split.json")
    test = [record for record in split.test(dataset) if record.good or set(record.defects) & set(next(iter(classes(results))))]
    good = sum(record.good for record in test)
    text = [f"## {product.name}", f"{len(test)} held-out images (of seed 0), {good} of them good.", table(results, "overall", SCORES)]
    per_class = list(next(iter(classes(results))))
    if len(per_class) > 1:
        text += [f"### {name}\n\n{table(results, name, SCORES)}" for name in per_class]
    if product.name in options.pictures:
        text += pictures(product, work, device=pick_device("cpu"))
    return "\n\n".join(text)


def classes(results: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """The class names of each result."""
    return [list(next(iter(result.values()))["per_class"]) for result in results]


def pictures(product: Product, work: Path, device: torch.device) -> list[str]:
    """Painted defects and the segmenter's best, median and worst image, as Markdown; only for data that may be shown."""
    sheet = HERE / "pictures" / f"{product.name}.png"
    good = Split.load(work / "split.json").pool(read(product.folder))
    preview(work / "trial" / "fit", [record for record in good if record.good], sheet, 0, device)
    text = [f"Real defects, painted ones and their masks:\n\n![painted](pictures/{sheet.name})"]
    for overlay in sorted((work / "trial" / "arms" / "real+gan" / "eval" / "overlays").glob("*.png")):
        copy = HERE / "pictures" / f"{product.name}_{overlay.name}"
        copyfile(overlay, copy)
        text.append(f"`real+gan`, {overlay.stem}: image, truth, prediction\n\n![{overlay.stem}](pictures/{copy.name})")
    notice = product.folder / "LICENSE"
    return [*text, f"Photographs: {notice.read_text().splitlines()[0]}" if notice.exists() else ""]


def main() -> None:
    """Run what is not done yet, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("products", nargs="+", type=Product.parse, metavar="NAME=FOLDER[:CLASS,CLASS]")
    parser.add_argument("--real", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--count", type=int, default=300, help="images from each painter")
    parser.add_argument("--arms", type=lambda text: text.split(","), default=["real", "real+paste", "real+gan", "real+gan+paste"])
    parser.add_argument("--pictures", type=lambda text: text.split(","), default=[], help="products whose licence lets them be shown")
    parser.add_argument("--work", type=Path, default=Path("runs/results"))
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = pick_device(options.device)
    shown = " ".join(f"{p.name}=FOLDER" + (f":{','.join(p.classes)}" if p.classes else "") for p in options.products)
    extra = f" --pictures {','.join(options.pictures)}" if options.pictures else ""
    command = f"python docs/results.py {shown} --real {options.real} --seeds {options.seeds}{extra}"
    seeds = "one seed" if options.seeds == 1 else f"{options.seeds} seeds"
    parts = [INTRODUCTION.format(real=options.real, seeds=seeds, command=command)]
    for product in options.products:
        parts.append(section(product, run(product, options, device), options))
    write_text(HERE / "results.md", "\n\n".join(parts).rstrip() + "\n")


if __name__ == "__main__":
    main()
