"""What is explained: the images of a labelled data set, whose errors are known, or images without labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flawsmith.data.check import Report, check
from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.formats.reading import is_archive
from flawsmith.data.image import SUFFIXES
from flawsmith.data.problem import counted
from flawsmith.data.read import read
from flawsmith.data.record import Record
from flawsmith.data.split import Split
from flawsmith.segment.places import VIDEOS, Sources

_LISTS = ("unknown", "pairs")  # layouts that plain images in a folder may have too


@dataclass(frozen=True)
class Subjects:
    """The images, whether their labels are known, and what of them could not be read."""

    records: tuple[Record, ...]
    labelled: bool
    failed: tuple[UserError, ...] = ()

    @classmethod
    def of(cls, places: Sequence[str], split: Path | None, classes: Sequence[str]) -> Subjects:
        """A data set alone, of a split its test part; or images, folders and patterns as `predict` takes them.

        Raises UsageError for several places of which one has labels, and for video; UserError where there is nothing.
        """
        for place in map(Path, places):
            report = check(place) if _is_set(place) else None
            if report is None or _plain(report):
                continue
            if len(places) > 1:
                rule = "a labelled data set is explained by itself"
                raise UsageError(place, rule, counted(len(places), "place"), "give it alone")
            return cls._of_set(place, report, split, classes)
        sources = Sources.of(places)
        if sources.videos:
            fix = "give it single frames"
            raise UsageError("explain", "images are explained", ", ".join(sources.videos), fix)
        records = (Record(str(path), path, name) for name, path in sources.images.items())
        return cls(tuple(records), labelled=False)

    @classmethod
    def _of_set(cls, place: Path, report: Report, split: Path | None, classes: Sequence[str]) -> Subjects:
        """Those that are good or show a class of the model: what shows another is neither, as for evaluate."""
        failed: tuple[UserError, ...] = ()
        if split is not None:  # it knows every image, so that none may be damaged
            records = Split.load(split).test(read(place) if report.errors else report.dataset)
        else:
            records = report.dataset.records
            failed = tuple(UserError(report.dataset.root / one.file, one.what, None, one.fix) for one in report.errors)
        chosen = tuple(record for record in records if record.good or set(record.defects) & set(classes))
        if failed and not chosen:
            more = f" ({counted(len(failed) - 1, 'more error')}: run flawsmith check {place})" if failed[1:] else ""
            raise UserError(failed[0].where, failed[0].rule, None, f"{failed[0].fix}{more}")
        if not chosen:
            shown = ", ".join(report.dataset.classes) or "none"
            rule = f"an image that is good or shows {', '.join(classes)} is needed"
            raise UserError(place, rule, shown, "explain the classes that the model was trained on")
        return cls(chosen, True, failed)


def _is_set(place: Path) -> bool:
    """True for a folder, an archive or a file that may hold labels."""
    return place.is_dir() or is_archive(place) or (place.is_file() and place.suffix.lower() not in (*SUFFIXES, *VIDEOS))


def _plain(report: Report) -> bool:
    """True where a folder holds no labels, but may hold images."""
    return report.layout in _LISTS and not report.dataset.defective
