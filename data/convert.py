"""From any format that is read to any that is written, with a report of what each object kept."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

from flawsmith.data.errors import UsageError
from flawsmith.data.files import new_folder, read_text, write_text
from flawsmith.data.formats.origin import write_origins
from flawsmith.data.formats.picture import Instance, Picture, Writer
from flawsmith.data.formats.reading import Data
from flawsmith.data.formats.size import size_of
from flawsmith.data.painted_set import PROVENANCE
from flawsmith.data.read import read
from flawsmith.data.record import DataSet, Record
from flawsmith.data.sample import instances
from flawsmith.data.sources import SOURCES

REPORT = "conversion.csv"
ENOUGH = 0.98  # intersection over union below which an object is told of
_WRITERS = {
    "coco": "coco.CocoWriter",
    "cvat": "cvat.CvatWriter",
    "labelme": "labelme.LabelmeWriter",
    "labelstudio": "labelstudio.LabelStudioWriter",
    "yolo": "yolo.YoloWriter",
    "mvtec": "mvtec.MvtecWriter",
    "png": "classpng.ClassPngWriter",
    "webdataset": "webdataset.WebDatasetWriter",
    "imagefolder": "imagefolder.ImageFolderWriter",
    "manifest": "manifest.ManifestWriter",
}
WRITTEN = tuple(_WRITERS)
LOST = {  # what a format has no way to say
    "yolo": "parts become objects of their own (--yolo-parts bridge: one outline); holes are reached by a seam",
    "mvtec": "one class an image, no single objects: an image of several classes goes to test/combined",
    "png": "of objects that overlap the later one has the pixels",
    "imagefolder": "of classes that overlap the later one has the pixels of the mask",
    "webdataset": "of classes that overlap the later one has the pixels of the mask; the objects in the JSON are whole",
    "manifest": "objects of one class that touch become one",
}
_FOLDERS = ("images", "JPEGImages")  # that writers add themselves


@dataclass(frozen=True)
class Kept:
    """One object of a conversion: its image, class, pixels, and the intersection over union that is left of it."""

    image: str
    defect: str
    area: int
    iou: float


def convert(data: Data, output: Path, to: str, **options: Any) -> Iterator[dict[str, Any]]:
    """Writes the data set into a new folder in the format `to`; `options` are the writer's own.

    Yields {"task", "done", "count"}; the last item has "kept", a list of Kept. Raises UserError.
    """
    if to not in _WRITERS:
        raise UsageError("--to", f"a format that is written is one of {', '.join(WRITTEN)}", to)
    dataset = read(data)
    new_folder(output)
    kept: list[Kept] = []
    writer = writer_of(to)(output, dataset.classes, **options)
    names = unique_names(dataset.records)
    for done, record in enumerate(dataset.records, 1):
        picture = picture_of(record, names[record.name], dataset)
        left = writer.add(picture)
        found = zip(picture.instances, left, strict=True)
        kept += [Kept(picture.name, one.defect, one.patch.area, iou) for one, iou in found]
        yield {"task": "convert", "done": done, "count": len(dataset.records)}
    writer.close()
    if to != "manifest":
        renamed: dict[str, str] = getattr(writer, "images", {})  # of formats that need names of their own
        told = [(names[one.name], one.group if dataset.grouped else "", one.origin) for one in dataset.records]
        write_origins(output, [(renamed.get(name, name), group, origin) for name, group, origin in told])
    for name in (SOURCES, PROVENANCE):  # what a painted set was made from: training refuses what a test image is in
        if (dataset.root / name).is_file():
            write_text(output / name, read_text(dataset.root / name))
    write_text(output / REPORT, report(kept))
    yield {"task": "convert", "done": len(names), "count": len(names), "kept": kept}


def writer_of(name: str) -> type[Writer]:
    """The class that writes a format, imported when it is needed."""
    place, _, kind = _WRITERS[name].partition(".")
    found: type[Writer] = getattr(import_module(f"flawsmith.data.formats.{place}"), kind)
    return found


def picture_of(record: Record, name: str, dataset: DataSet) -> Picture:
    """The record with its objects decoded."""
    height, width = size_of(record.image)
    objects = tuple(Instance(defect, patch) for defect, patch in instances(record, height, width))
    return Picture(name, record.image, height, width, objects, record.group if dataset.grouped else "", record.origin)


def unique_names(records: Sequence[Record]) -> dict[str, str]:
    """What each record's image is called by writers: its path without the first folder where that is a usual one."""
    short = {record.name: _short(record.name) for record in records}
    stems = [Path(name).with_suffix("").as_posix().casefold() for name in short.values()]
    if len(set(stems)) == len(stems):
        return short
    digits = len(str(len(records)))  # two images of one stem: numbered, so that labels never share a file
    return {
        name: f"{Path(one).with_suffix('').as_posix()}-{number:0{digits}d}{Path(one).suffix}"
        for number, (name, one) in enumerate(short.items(), 1)
    }


def _short(name: str) -> str:
    first, _, rest = name.partition("/")
    return rest if rest and first in _FOLDERS else name


def report(kept: Sequence[Kept]) -> str:
    """The table of all objects as CSV."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "class", "pixels", "iou"])
    writer.writerows((one.image, one.defect, one.area, f"{one.iou:.4f}") for one in kept)
    return text.getvalue()


def summary(kept: Sequence[Kept]) -> dict[str, Any]:
    """How many objects were written, how many exactly, and which of them lost more than a little."""
    lost = sorted((one for one in kept if one.iou < ENOUGH), key=lambda one: one.iou)
    facts: dict[str, Any] = {"objects": len(kept), "exact": sum(one.iou == 1 for one in kept)}
    if lost:
        worst = f"{lost[0].image}, {lost[0].defect}, {lost[0].area} px: {lost[0].iou:.2f}"
        facts["damaged"] = f"{len(lost)} below an intersection over union of {ENOUGH}, worst {worst}; see {REPORT}"
    return facts
