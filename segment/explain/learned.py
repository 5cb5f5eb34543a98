"""What a model has learned from: found again by a note beside it, and by the digests of its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flawsmith.data.errors import UserError
from flawsmith.data.files import file_digest, read_json, write_json
from flawsmith.data.painted import painted_records
from flawsmith.data.read import read
from flawsmith.data.record import Record
from flawsmith.data.select import Selection, select
from flawsmith.data.sources import read_sources

NOTE = "learned.json"


@dataclass(frozen=True)
class Learned:
    """Where a model's training data lay."""

    data: str
    synthetic: tuple[str, ...] = ()

    @classmethod
    def of(cls, data: Path, synthetic: Sequence[Path] = ()) -> Learned:
        """The note of a data set and painted sets, wherever the next command is given."""
        return cls(str(data.absolute()), tuple(str(one.absolute()) for one in synthetic))

    def save(self, folder: Path) -> None:
        """Writes the note into the model's folder."""
        write_json(folder / NOTE, asdict(self))

    @staticmethod
    def load(model: Path) -> Learned | None:
        """The note beside a model's folder or file; None where there is none. Raises UserError on a damaged one."""
        path = _folder(model) / NOTE
        if not path.is_file():
            return None
        content: Any = read_json(path)
        try:
            return Learned(str(content["data"]), tuple(map(str, content["synthetic"])))
        except (KeyError, TypeError) as error:
            raise UserError(path, "the note of what was learned from is damaged", error, "remove it") from error


@dataclass(frozen=True)
class Recall:
    """The places of the training data that are there, and a line for each that is not."""

    data: Path | None = None
    synthetic: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def recall(model: Path, data: Path | None, synthetic: Sequence[Path]) -> Recall:
    """The places that were given; where none was, those of the model's note."""
    if data is not None or synthetic:
        return Recall(data, tuple(synthetic))
    noted = Learned.load(model)
    if noted is None:
        return Recall(notes=("no training defects beside it: give --learned, the data set that train had",))
    places = [Path(noted.data), *map(Path, noted.synthetic)]
    fix = "say where it is with --learned or --synthetic"
    lost = tuple(f"{place}: {model} learned from it, and it is gone; {fix}" for place in places if not place.exists())
    own, *painted = (place if place.exists() else None for place in places)
    return Recall(own, tuple(place for place in painted if place is not None), lost)


def selection_of(
    model: Path, data: Path, split: Path | None, real: int | None, classes: Sequence[str], seed: int
) -> Selection:
    """What of a data set the model has learned from: the images that it names itself, else as train would select.

    Raises UserError where it names others than these.
    """
    known = set(read_sources(_folder(model)).values())
    if not known:
        return select(data, split, real, classes, seed)
    dataset = read(data)
    chosen = tuple(record for record in dataset.records if file_digest(record.image) in known)
    defects = tuple(record for record in chosen if set(record.defects) & set(classes))
    if not defects:
        rule = f"{model} has learned from none of its images with a defect"
        raise UserError(data, rule, None, "give the data set that train had")
    return Selection(dataset, defects, tuple(record for record in chosen if record.good), tuple(classes))


def painted_of(places: Sequence[Path], classes: Sequence[str]) -> tuple[tuple[Path, tuple[Record, ...]], ...]:
    """The painted images of each set that show any of the classes; raises UserError where there are none."""
    return tuple((place, painted_records(place, classes)) for place in places)


def _folder(model: Path) -> Path:
    return model if model.is_dir() else model.parent
