"""The page of explanations: one file, no network, no script."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flawsmith.data.page import render
from flawsmith.data.problem import counted
from flawsmith.data.record import Record
from flawsmith.segment.explain.cases import ALARM, FOUND, KINDS, MASK, MISSED, Chosen
from flawsmith.segment.explain.nearest import Neighbour
from flawsmith.segment.explain.occlusion import OcclusionConfig
from flawsmith.segment.explain.row import FALL, Row, Tools
from flawsmith.segment.explain.views import TURNS
from flawsmith.segment.models.threshold import Threshold
from flawsmith.segment.picture import Picture, data_urls
from flawsmith.segment.report import LIMIT

HEADS = {MISSED: "Missed defects", ALARM: "False alarms", MASK: "Worst masks", FOUND: "Found"}
ORDER = {
    MISSED: "the largest first",
    ALARM: "the surest first",
    MASK: "the least overlap first",
    FOUND: "of each image the surest first",
}
NAMES = 60  # images without an object that are named on the page; explain.json has all


@dataclass
class Account:
    """Everything that was found out."""

    classes: tuple[str, ...]
    threshold: float
    labelled: bool
    chosen: Chosen
    images: list[tuple[str, int]] = field(default_factory=list)  # path, and how many objects the model found
    rows: list[Row] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    rules: dict[str, str] = field(default_factory=dict)  # by class, in words: of the baseline, or of the model itself
    facts: dict[str, Any] = field(default_factory=dict)

    def add(self, record: Record, objects: int) -> None:
        """Notes an image that was looked at."""
        self.images.append((str(record.image), objects))

    def about(self, tools: Tools) -> None:
        """Notes what explains."""
        rule = tools.model if isinstance(tools.model, Threshold) else tools.baseline
        if rule is not None:
            self.rules = {name: str(one) for name, one in zip(rule.classes, rule.settings, strict=True)}
        compared = None if tools.eye is None else tools.eye.name
        known = {kind: sum(one.kind == kind for one in tools.library.known) for kind in tools.library.left}
        self.facts = {
            "layer": tools.layer,
            "own_rule": isinstance(tools.model, Threshold),
            "compared": compared,
            "known": known,
            "left": {kind: count for kind, count in tools.library.left.items() if count},
        }

    @property
    def empty(self) -> list[str]:
        """The images on which the model found nothing."""
        return [name for name, objects in self.images if not objects]

    @property
    def title(self) -> str:
        """What was found, in a line."""
        count = self.chosen.counts.get
        if not self.labelled:
            return f"{counted(count(FOUND, 0), 'object')} found on {counted(len(self.images), 'image')}"
        words = counted(count(MISSED, 0), "missed defect"), counted(count(ALARM, 0), "false alarm")
        return f"{words[0]} and {words[1]} on {counted(len(self.images), 'image')}"

    def json(self) -> dict[str, Any]:
        """The content of explain.json."""
        return {
            "classes": list(self.classes),
            "labelled": self.labelled,
            "images": [{"image": name, "objects": objects} for name, objects in self.images],
            "counts": self.chosen.counts,
            "rows": [row.json() for row in self.rows],
            "rules": self.rules,
            **self.facts,
            "failed": self.failed,
        }


def page(account: Account, limit: int = LIMIT) -> str:
    """The page, at most `limit` bytes where that can be: pictures shrink until they fit."""
    sections = [
        {
            "name": HEADS[kind],
            "order": ORDER[kind],
            "count": account.chosen.counts[kind],
            "rows": [(row, list(words(row))) for row in account.rows if row.case.kind == kind],
        }
        for kind in KINDS
        if account.chosen.counts.get(kind)
    ]
    usual, empty = OcclusionConfig(), account.empty
    values = {
        "account": account,
        "sections": sections,
        "empty": empty[:NAMES],
        "more": len(empty) - len(empty[:NAMES]),
        "passes": usual.near + usual.far,
        "views": len(TURNS),
        "beside": beside,
        "fall": FALL,
    }
    bare: defaultdict[Picture, str] = defaultdict(str)
    left = limit - len(_filled(bare, values).encode())
    pictures = [one for row in account.rows for one in (*row.panels, *row.crops)]
    return _filled(data_urls(pictures, left), values)


def _filled(urls: dict[Picture, str], values: dict[str, Any]) -> str:
    return render("flawsmith.segment.explain", "explain.html", urls=urls, **values)


def words(row: Row) -> Iterator[tuple[str, str]]:
    """What an explanation says, as pairs of a question and its answer."""
    if row.case.labelled:
        yield "mind", f"These pixels are labelled {', '.join(row.case.labelled)}."
    yield "what drove it", " ".join(_driven(row))
    doubt = row.doubt
    answer = f"{doubt.agree} of {doubt.views} views call it {row.name}; the probability varies by {doubt.spread:.2f}."
    yield "how sure", answer
    if row.verdict is not None:
        yield "the plain rule", _ruled(row)
    near = [one for one in row.neighbours if one.known.record.image == row.case.record.image]
    if near:
        yield "mind", "This image is among those that were learned from."


def _driven(row: Row) -> Iterator[str]:
    occlusion = row.occlusion
    if occlusion.most < FALL:
        yield f"No single place: covering any lowers {occlusion.probability:.2f} by less than {FALL}."
    else:
        where = f"{occlusion.away} px away from it" if occlusion.away else "on the object"
        yield f"Covering what matters most, {where}, lowers {occlusion.probability:.2f} by {occlusion.most:.2f}."
    if row.cam is not None:
        there = f"{row.cam.share or 0:.0%} of Grad-CAM's heat lie within a cell ({row.cam.cell} px) of it."
        yield there if row.cam.share is not None else "Nothing in the layer speaks for it."


def _ruled(row: Row) -> str:
    assert row.verdict is not None
    if row.verdict.agrees is None:
        return f"It does not know {row.name}."
    sees = f"it marks {row.verdict.share:.0%} of these pixels"
    if row.case.kind == MISSED:
        return f"It finds it: {sees}." if row.verdict.agrees else f"It misses it too: {sees}."
    return f"It agrees: {sees}." if row.verdict.agrees else f"It does not agree: {sees}."


def beside(one: Neighbour) -> str:
    """What is said below a neighbour's picture."""
    known = one.known
    where = f"{known.place.name} {known.record.origin}" if known.record.origin else known.record.name
    return f"{known.kind} {known.defect}, distance {one.distance:.3f}, {where}, {known.record.group}"
