"""Painted images that a segmenter may learn from beside the real ones."""

from collections.abc import Sequence
from pathlib import Path

from flawsmith.data.errors import UserError
from flawsmith.data.formats.reading import Data
from flawsmith.data.read import read
from flawsmith.data.record import Record
from flawsmith.data.sources import refuse_test_sources
from flawsmith.data.split import Split


def painted_records(root: Data, classes: Sequence[str], split: Path | None = None) -> tuple[Record, ...]:
    """The folder's images that show any of the classes.

    Raises UserError where there are none, or where one is a test image of the split, a copy of one, or made with one.
    """
    dataset = read(root)
    shown = tuple(record for record in dataset.defective if set(record.defects) & set(classes))
    if not shown:
        found = ", ".join(dataset.classes) or "no defect"
        raise UserError(root, f"painted images of {', '.join(classes)} are needed", found, "choose with --classes")
    if split is not None:
        held_out = Split.load(split)
        held_out.refuse_test(shown)
        refuse_test_sources(dataset.root, held_out)
    return shown
