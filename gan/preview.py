"""What a run paints, to be looked at: one picture, or a folder of sheets with a page over them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.files import write_text
from flawsmith.data.image import SUFFIXES, write_image
from flawsmith.data.page import render
from flawsmith.data.record import Record
from flawsmith.gan.gate import Gate, GateConfig
from flawsmith.gan.run import Run
from flawsmith.gan.sheets import KINDS, Sheet, Studio

PAGE = "index.html"
_PAGES = (".html", ".htm")


def preview(
    run: Path, clean: Sequence[Record] | None, output: Path, seed: int, device: torch.device, painter: str = "gan"
) -> None:
    """Write one picture, one page or a folder of both, as `output` is named; a picture has three rows a class.

    Painted on `clean` parts; None: where the real defects were, healed. Raises UserError where there is no good part,
    UsageError for a file of another kind.
    """
    if clean is not None and not clean:
        raise UserError(
            "--clean", "there are no good parts to paint on", 0, "name a folder with images without defects"
        )
    suffix = output.suffix.lower()
    if suffix and suffix not in (*SUFFIXES, *_PAGES) and not output.is_dir():
        raise UsageError(output, "a preview is a .png, an .html page or a folder", suffix, "change the extension")
    opened = Run.open(run)
    hand, gate = opened.painter(painter, device), Gate(opened.bank, painter, GateConfig())
    studio = Studio(opened.bank, hand, gate, None if clean is None else tuple(clean), seed)
    if suffix in SUFFIXES:
        write_image(output, np.concatenate([sheet.picture for sheet in sheets(studio, only_overview=True)]))
        return
    found = list(sheets(studio))
    if suffix in _PAGES:
        write_text(output, page(found, run.name, painter))
        return
    for name, sheet in zip(names(found), found, strict=True):
        write_image(output / name, sheet.picture)
    write_text(output / PAGE, page(found, run.name, painter))


def sheets(studio: Studio, only_overview: bool = False) -> Iterable[Sheet]:
    """The sheets of each class, one after the other."""
    for defect in range(len(studio.bank.classes)):
        spots = studio.spots(defect)
        yield from (make(studio, defect, spots) for make in KINDS[: 1 if only_overview else None])


def names(sheets: Sequence[Sheet]) -> list[str]:
    """The name of each sheet's file: its class and kind; with a number where two would share a name."""
    plain = ["-".join(filter(None, (sheet.defect, sheet.kind))) for sheet in sheets]
    if len({name.casefold() for name in plain}) < len(plain):
        plain = [f"{number}-{name}" for number, name in enumerate(plain, 1)]
    return [f"{name}.png" for name in plain]


def page(sheets: Sequence[Sheet], run: str, painter: str) -> str:
    """One HTML page that holds all pictures."""
    classes: dict[str, list[Sheet]] = {}
    for sheet in sheets:
        classes.setdefault(sheet.defect, []).append(sheet)
    return render("flawsmith.gan", "preview.html", title=f"What {run} paints", painter=painter, classes=classes)
