"""What a data set is: records of image files, their groups and their labelled defects. No pixels are read here."""

from dataclasses import dataclass
from pathlib import Path

from flawsmith.data.geometry.shape import Shape

GOOD = "good"


@dataclass(frozen=True)
class Label:
    """What is labelled in an image: a whole class in a mask file, or one object as a tool drew it.

    In a file the pixels equal to `value` are meant, or every nonzero one where it is None.
    """

    defect: str
    mask: Path | Shape
    value: int | None = None


@dataclass(frozen=True)
class Record:
    """One image: `name` is its path below the data set's root (posix, unique), `group` the physical part it shows."""

    name: str
    image: Path
    group: str
    labels: tuple[Label, ...] = ()
    roi: Path | None = None  # pixels where defects may be placed; None: found automatically
    origin: str | None = None  # of a painted image: its provenance id, the same in every format

    @property
    def good(self) -> bool:
        """True where nothing is labelled."""
        return not self.labels

    @property
    def defects(self) -> tuple[str, ...]:
        """The classes labelled in this image, in order of appearance."""
        return tuple(dict.fromkeys(label.defect for label in self.labels))


@dataclass(frozen=True)
class DataSet:
    """The records of one folder, the sorted defect classes, and whether groups were given or are one per image."""

    root: Path
    records: tuple[Record, ...]
    classes: tuple[str, ...]
    grouped: bool

    @property
    def good(self) -> tuple[Record, ...]:
        """The records without a defect."""
        return tuple(record for record in self.records if record.good)

    @property
    def defective(self) -> tuple[Record, ...]:
        """The records with at least one labelled defect."""
        return tuple(record for record in self.records if not record.good)
