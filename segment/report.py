"""The report of a trial: one HTML file that holds its pictures, and the same table as text for a terminal."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flawsmith.data.files import write_text
from flawsmith.data.page import template
from flawsmith.segment.picture import Picture, data_urls

LIMIT = 5_000_000  # bytes of a report: what a mailbox takes

SCORES = {
    "pixel_ap": "pixel AP",
    "dice": "Dice",
    "iou": "IoU",
    "aupro": "AUPRO",
    "image_auroc": "image AUROC",
    "image_ap": "image AP",
}


@dataclass(frozen=True)
class Table:
    """A table of scores: the header, and rows that start with a name."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def score_table(title: str, scores: Mapping[str, Mapping[str, float | None]]) -> Table:
    """One row for each name of `scores`; a score that is not defined for these images is shown as a dash."""
    rows = (
        (name, *("–" if values.get(key) is None else f"{values[key]:.3f}" for key in SCORES))
        for name, values in scores.items()
    )
    return Table(title, ("", *SCORES.values()), tuple(rows))


def tables(metrics: Mapping[str, Mapping[str, Any]]) -> list[Table]:
    """The table over all classes, then one a class, with a row for each arm; `metrics` as evaluate writes them."""
    found = [score_table("all defects", {arm: one["overall"] for arm, one in metrics.items()})]
    classes = dict.fromkeys(name for one in metrics.values() for name in one["per_class"])
    for name in classes if len(classes) > 1 else ():
        rows = {arm: one["per_class"][name] for arm, one in metrics.items() if name in one["per_class"]}
        found.append(score_table(name, rows))
    return found


def kind_tables(metrics: Mapping[str, Any]) -> list[Table]:
    """What only some models have: the average precision of objects, and how often an image is named rightly."""
    found = []
    if "instances" in metrics:
        objects = metrics["instances"]
        rows = {"all defects": objects["map"]} | objects["per_class"]
        rows |= {"at overlap 0.50": objects["map_50"], "at overlap 0.75": objects["map_75"]}
        found.append(_column(f"{objects['objects']} objects", "mAP", rows))
    if "accuracy" in metrics:
        found.append(_column("images that show", "named rightly", metrics["accuracy"]))
    return found


def _column(title: str, head: str, values: Mapping[str, float | None]) -> Table:
    rows = ((name, "–" if value is None else f"{value:.3f}") for name, value in values.items())
    return Table(title, ("", head), tuple(rows))


def as_text(table: Table) -> str:
    """The table in aligned columns, names to the left, figures to the right."""
    lines = [(table.title, *table.head[1:]), *table.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(size) for cell, size in zip(line[1:], widths[1:], strict=True))]
        )
        for line in lines
    )


def render(name: str, pictures: Sequence[Picture], limit: int = LIMIT, **values: Any) -> str:
    """A page of `values` and `pictures`, each shown once by the template; at most `limit` bytes where that can be."""
    page = template("flawsmith.segment", name)
    bare: defaultdict[Picture, str] = defaultdict(str)
    left = limit - len(page.render(urls=bare, **values).encode())
    return page.render(urls=data_urls(pictures, left), **values)


def write_report(
    output: Path, title: str, note: str, metrics: Mapping[str, Mapping[str, Any]], pictures: Sequence[Picture]
) -> None:
    """Writes a self-contained HTML file: the note, the tables of `metrics` (arm → overall, per_class), the pictures."""
    text = render("report.html", pictures, title=title, note=note, tables=tables(metrics), shown=pictures)
    write_text(output, text)
