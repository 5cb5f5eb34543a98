"""What a trial works with: what its painters and arms learn from, what is painted on, what judges them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from flawsmith.data.formats.reading import Data
from flawsmith.data.read import read
from flawsmith.data.record import Record
from flawsmith.data.select import Selection, select, test_records

# Which real defects: the draw, none, the whole pool (of the target, where there is one); across products also the draw
# with good parts of the first product alone, and a draw of the target's.
Real = Literal["drawn", "none", "all", "first", "target"]


@dataclass(frozen=True, eq=False)
class Material:
    """Of one product: everything comes from its pool, but for what judges."""

    root: Data
    split: Path | None
    real: int | None  # defect images drawn of each class; None: all
    seed: int
    wanted: Sequence[str] | None  # classes; None: all

    @cached_property
    def fitted(self) -> Selection:
        """What the painters learn from."""
        return select(self.root, self.split, self.real, self.wanted, self.seed)

    @property
    def clean(self) -> tuple[Record, ...]:
        """The good parts that are painted on."""
        return self.fitted.good

    @property
    def test(self) -> tuple[Record, ...]:
        """The images that judge: with a defect of the classes, and good ones."""
        return test_records(self.root, self.split, self.fitted.classes)

    def learned(self, real: Real) -> Selection:
        """What an arm's network learns from, beside painted images."""
        if real == "all":
            return select(self.root, self.split, None, self.fitted.classes, self.seed)
        return replace(self.fitted, defects=()) if real == "none" else self.fitted

    def painted(self, folder: Path) -> tuple[Record, ...]:
        """The images of a painted set, with the classes that a network is to learn."""
        return read(folder).records

    def compared(self, name: str) -> tuple[tuple[Record, ...], tuple[Record, ...], str]:
        """Real defects of a painted class: those drawn, those that no painter saw, and what it is called there."""
        drawn = {record.name for record in self.fitted.defects}
        held = tuple(record for record in self.fitted.dataset.defective if record.name not in drawn)
        return self.fitted.defects, held, name
