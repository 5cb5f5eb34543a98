"""What a learning command may see: the one entry through which every one of them reads a folder."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flawsmith.data.draw import draw
from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.formats.reading import Data
from flawsmith.data.read import read
from flawsmith.data.record import DataSet, Record
from flawsmith.data.split import Split


@dataclass(frozen=True)
class Selection:
    """The pool alone, as a data set, and what of it was chosen: the drawn defect images and all good ones."""

    dataset: DataSet
    defects: tuple[Record, ...]
    good: tuple[Record, ...]
    classes: tuple[str, ...]


def select(
    root: Data,
    split: Path | None = None,
    real: int | None = None,
    classes: Sequence[str] | None = None,
    seed: int = 0,
    painted: Sequence[str] = (),
) -> Selection:
    """Reads a folder for learning: its pool where a split is given, `real` defect images of each of the classes.

    Images with other defects only are left out. `painted` are the classes of painted images that are learned from
    beside it: with them good parts alone are enough. Raises UserError where there are no good or no defect images, a
    class has none, or a test image is among them; UsageError on an unknown class.
    """
    dataset = read(root)
    bare = bool(painted) and real is None and not dataset.defective
    chosen = choose(replace(dataset, classes=tuple(painted)) if bare else dataset, classes)
    if split is not None:
        parts = Split.load(split)
        records = parts.pool(dataset)
        parts.refuse_test(records)
        dataset = replace(dataset, records=records)
    where = f"the pool of {split}" if split is not None else str(root)
    if not dataset.good:
        raise UserError(
            where, "good images are needed, to paint on and to learn from", "none", "add parts without a defect"
        )
    if bare:
        return Selection(dataset, (), dataset.good, chosen)
    if not any(set(record.defects) & set(chosen) for record in dataset.defective):
        raise UserError(where, "at least one defect image is needed", "none", "add images with masks")
    return Selection(dataset, draw(dataset.defective, real, chosen, seed), dataset.good, chosen)


def test_records(root: Data, split: Path | None = None, classes: Sequence[str] | None = None) -> tuple[Record, ...]:
    """What a segmenter is judged on: the split's test part, or the whole folder; defects of the classes, and good.

    Raises UserError where none of them shows a defect, UsageError on an unknown class.
    """
    dataset = read(root)
    chosen = set(choose(dataset, classes))
    records = dataset.records if split is None else Split.load(split).test(dataset)
    wanted = tuple(record for record in records if record.good or chosen & set(record.defects))
    if all(record.good for record in wanted):
        raise UserError(split or root, "at least one defect image is needed to judge by", "none")
    return wanted


def choose(dataset: DataSet, classes: Sequence[str] | None) -> tuple[str, ...]:
    """The classes asked for, in that order, or all; raises UsageError on one that the data set has not."""
    if classes is None:
        return dataset.classes
    for name in classes:
        if name not in dataset.classes:
            raise UsageError("--classes", f"{dataset.root} holds {', '.join(dataset.classes) or 'no defects'}", name)
    if not classes:
        raise UsageError("--classes", "at least one class", "none")
    return tuple(dict.fromkeys(classes))
