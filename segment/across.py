"""Across products: defects of one are learned and painted on good parts of another, whose real defects judge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from flawsmith.data.apart import refuse_overlap
from flawsmith.data.errors import UserError
from flawsmith.data.formats.reading import Data
from flawsmith.data.read import read
from flawsmith.data.record import DataSet, Label, Record
from flawsmith.data.select import Selection, select, test_records
from flawsmith.data.split import Split
from flawsmith.segment.material import Material, Real
from flawsmith.segment.target import Match, Target, match_classes


@dataclass(frozen=True, eq=False)
class Across(Material):
    """Of two products, both split. The target's good parts are free to use; its defects are only the reference's.

    An arm learns from all that there is without a label on the target: the first product's drawn defects, under the
    target's names, and good parts of both; or of the first product alone, as a model that has never seen the target.
    """

    target: Target

    @cached_property
    def match(self) -> Match:
        """Which class is which."""
        return match_classes(read(self.root), read(self.target.root), self.wanted, self.target.match)

    @cached_property
    def own(self) -> Material:
        """The target by itself: what is learned where its defects are labelled."""
        return Material(self.target.root, self.target.split, self.real, self.seed, self.match.scored)

    @cached_property
    def fitted(self) -> Selection:
        """What the painters learn from: the first product alone; raises UserError where it shows what judges."""
        if self.split is not None and self.target.split is not None:
            pool, held = Split.load(self.split), Split.load(self.target.split)
            refuse_overlap(read(self.root), pool, read(self.target.root), held)
        return select(self.root, self.split, self.real, self.match.learned, self.seed)

    @cached_property
    def pool(self) -> DataSet:
        """The target's pool."""
        dataset = read(self.target.root)
        if self.target.split is None:
            return dataset
        return replace(dataset, records=Split.load(self.target.split).pool(dataset))

    @property
    def clean(self) -> tuple[Record, ...]:
        """The good parts that are painted on; raises UserError where there are none."""
        return good_parts(self.pool)

    @property
    def test(self) -> tuple[Record, ...]:
        """The target's images that judge: with a defect of the classes, and good ones."""
        return test_records(self.target.root, self.target.split, self.match.scored)

    def learned(self, real: Real) -> Selection:
        """What an arm's network learns from, beside painted images."""
        if real in ("all", "target"):
            return self.own.learned("all" if real == "all" else "drawn")
        defects = () if real == "none" else renamed(self.fitted.defects, self.match.names)
        seen = () if real == "first" else self.clean
        good = (*seen, *self.fitted.good)  # the target's first: a network has as many channels as they need
        return Selection(self.pool, defects, good, self.match.scored)

    def painted(self, folder: Path) -> tuple[Record, ...]:
        """The images of a painted set, under the target's names."""
        return renamed(read(folder).records, self.match.names)

    def compared(self, name: str) -> tuple[tuple[Record, ...], tuple[Record, ...], str]:
        """The drawn defects of a class, the target's of its counterpart, which no painter saw; the latter's name."""
        theirs = self.match.names[name]
        return renamed(self.fitted.defects, {name: theirs}), self.pool.defective, theirs


def material(
    root: Data, split: Path | None, real: int | None, seed: int, wanted: Sequence[str] | None, target: Target | None
) -> Material:
    """Of one product, or of two."""
    if target is None:
        return Material(root, split, real, seed, wanted)
    return Across(root, split, real, seed, wanted, target)


def renamed(records: Sequence[Record], names: Mapping[str, str]) -> tuple[Record, ...]:
    """The records with the classes of `names` under their other names; images that show only others are left out."""
    shown = [record for record in records if record.good or set(record.defects) & set(names)]
    return tuple(replace(record, labels=_renamed(record.labels, names)) for record in shown)


def _renamed(labels: Sequence[Label], names: Mapping[str, str]) -> tuple[Label, ...]:
    return tuple(replace(label, defect=names[label.defect]) for label in labels if label.defect in names)


def good_parts(dataset: DataSet) -> tuple[Record, ...]:
    """The good images of a target's pool; raises UserError where there are none."""
    if not dataset.good:
        rule = "good images are needed in the target's pool, to paint on and to learn from"
        raise UserError(dataset.root, rule, "none", "add parts without a defect")
    return dataset.good
