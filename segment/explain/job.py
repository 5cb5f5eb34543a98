"""Explaining a model's predictions on images: which ones, in every way, as a page and as figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from flawsmith.data.errors import PartlyDone, UsageError, UserError
from flawsmith.data.files import new_folder, write_json, write_text
from flawsmith.data.image import read_image
from flawsmith.data.problem import printable
from flawsmith.data.record import Record
from flawsmith.data.sample import load
from flawsmith.data.select import Selection
from flawsmith.segment.explain.baseline import fit_baseline, fitted, load_baseline
from flawsmith.segment.explain.cases import Chosen, errors, graded, seen
from flawsmith.segment.explain.nearest import PAINTED, REAL, Eye, Library
from flawsmith.segment.explain.page import Account, page
from flawsmith.segment.explain.row import Row, Tools, explain
from flawsmith.segment.explain.subjects import Subjects
from flawsmith.segment.explain.tap import layer_of
from flawsmith.segment.look import look
from flawsmith.segment.model import Model
from flawsmith.segment.models.objects import Grader
from flawsmith.segment.models.threshold import Threshold
from flawsmith.segment.tiles import Tiling

PAGE, FIGURES, BASELINE = "index.html", "explain.json", "baseline"


@dataclass(frozen=True)
class ExplainConfig:
    """What is explained, and how much of it."""

    threshold: float = 0.5  # probability from which a pixel is a defect
    least: int = 1  # px: smaller objects are left out
    rows: int = 12  # of each kind: a minute or two, and a page that can be read
    layer: str | None = None  # of Grad-CAM; None: the last of the coarsest maps
    tiling: Tiling = field(default_factory=Tiling)

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise UsageError("--threshold", "lies between 0 and 1", self.threshold)
        if self.rows < 1:
            raise UsageError("--rows", "at least one row of each kind", self.rows)


@dataclass(frozen=True)
class Beside:
    """What predictions are compared with: the defects that were learned from, and a rule."""

    learned: Selection | None = None
    painted: tuple[tuple[Path, tuple[Record, ...]], ...] = ()  # sets, and their images
    baseline: Path | None = None  # a threshold; None: fitted on what was learned from
    seed: int = 0
    notes: tuple[str, ...] = ()  # what the user should know of these

    @property
    def fits(self) -> bool:
        """Is a threshold found on the training part?"""
        return self.baseline is None and self.learned is not None


def explain_all(
    model: Model,
    subjects: Subjects,
    output: Path,
    config: ExplainConfig | None = None,
    beside: Beside | None = None,
    device: torch.device | None = None,
) -> Iterator[dict[str, Any]]:
    """Writes index.html, explain.json and, where a rule was fitted, baseline/model.json.

    Of labelled images missed defects, false alarms and masks, the worst first; of others what was found. Yields
    {"task", "step", "steps"}, and {"note"} with what could not be read; the last item has "account". Raises PartlyDone
    at the end where an image could not be read: the rest is there.
    """
    config, beside, device = config or ExplainConfig(), beside or Beside(), device or torch.device("cpu")
    layer = layer_of(model, config.layer)
    rule = load_baseline(beside.baseline) if beside.baseline is not None else None
    new_folder(output, (PAGE, FIGURES, BASELINE))
    for text in (*beside.notes, *map(str, subjects.failed)):
        yield {"task": "predicting", "step": 0, "steps": len(subjects.records), "note": printable(text)}
    account = Account(tuple(model.classes), config.threshold, subjects.labelled, Chosen(config.rows))
    account.failed += map(str, subjects.failed)
    yield from _predict(model, subjects, config, account)
    library, eye = Library(), None
    if account.chosen.all():
        if beside.fits and not isinstance(model, Threshold):
            assert beside.learned is not None
            everything = [record for _, records in beside.painted for record in records]
            yield from fit_baseline(beside.learned, everything, output / BASELINE, beside.seed)
            rule = fitted(output / BASELINE)
        if beside.learned is not None or beside.painted:
            eye = Eye(model, layer, device)
            yield from _learn(eye, library, beside, model)
    tools = Tools(model, layer, eye, library, rule, config.threshold)
    account.about(tools)
    yield from _explain(tools, account)
    write_json(output / FIGURES, account.json() | {"config": asdict(config)})
    write_text(output / PAGE, page(account))
    yield {"task": "explaining", "step": len(account.rows), "steps": max(len(account.rows), 1), "account": account}
    if account.failed:
        count = len(subjects.records) + len(subjects.failed)
        raise PartlyDone(output, f"{len(account.failed)} of {count} images could not be read", account.failed[0])


def _predict(model: Model, subjects: Subjects, config: ExplainConfig, account: Account) -> Iterator[dict[str, Any]]:
    """Notes which objects to explain."""
    count = len(subjects.records)
    for step, record in enumerate(subjects.records, 1):
        where = {"task": "predicting", "step": step, "steps": count}
        try:
            sample = load(record, model.classes) if subjects.labelled else None
            image = read_image(record.image) if sample is None else sample.image
        except UserError as error:
            account.failed.append(str(error))
            yield {**where, "note": printable(str(error))}
            continue
        maps, found = look(model, image, config.threshold, config.least, config.tiling)
        truth = None if sample is None else sample.masks
        if isinstance(model, Grader):
            cases = list(graded(record, maps, truth, config.threshold))
            account.add(record, int((maps[:, 0, 0] >= config.threshold).sum()))
        else:
            listed = (
                seen(record, found, model.classes)
                if truth is None
                else errors(record, maps, found, truth, model.classes)
            )
            cases = list(listed)
            account.add(record, len(found))
        account.chosen.add(cases)
        yield where


def _learn(eye: Eye, library: Library, beside: Beside, model: Model) -> Iterator[dict[str, Any]]:
    """Looks at every defect that was learned from."""
    if beside.learned is not None:
        learned = beside.learned
        yield from library.learn(eye, REAL, learned.dataset.root, learned.defects, model.classes)
    for place, records in beside.painted:
        yield from library.learn(eye, PAINTED, place, records, model.classes)


def _explain(tools: Tools, account: Account) -> Iterator[dict[str, Any]]:
    cases = account.chosen.all()
    for step, case in enumerate(cases, 1):
        row: Row = explain(tools, case, read_image(case.record.image))
        account.rows.append(row)
        yield {"task": "explaining", "step": step, "steps": len(cases)}
