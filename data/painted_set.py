"""A painted set on disk: its provenance, an image a line, and the tables that follow from it. All of it is streamed."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, Any

from flawsmith.data.errors import UserError
from flawsmith.data.files import atomic, read_json
from flawsmith.data.formats.coco import ANNOTATIONS
from flawsmith.data.formats.manifest import MANIFEST

Line = dict[str, Any]

PROVENANCE = "provenance.jsonl"
PLAN = "plan.json"
PRUNED = "pruned"  # folder within a set: what was taken out of it, under the same names
COLUMNS = ("image", "mask", "class", "group", "origin")
_APART = ("where", "shard", "versions")  # of a plan: differ from machine to machine, while the images are the same
AGAIN = "generate the set again"
_LONGEST = 2**26  # bytes of a line: a mask of half a gigapixel fits, what has no line ends does not fill the memory
_BROKEN = re.compile("[\ud800-\udfff]")  # half a surrogate pair
_CATEGORIES = '{"categories": '  # how annotations.json begins: its first line is the classes, whatever follows


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def is_painted_set(folder: Path) -> bool:
    """True for a folder that `generate` has finished."""
    return (folder / PROVENANCE).is_file()


def identity(out: Path) -> str:
    """As `identity_of` the folder's plan; raises UserError without one."""
    plan = read_json(out / PLAN)
    if not isinstance(plan, dict):
        raise UserError(out / PLAN, "a plan is a JSON object", type(plan).__name__, AGAIN)
    return identity_of(plan)


def identity_of(plan: Mapping[str, Any]) -> str:
    """The SHA-256 of what a set was planned as: wherever it lies, and whatever part of it was made with what."""
    known = {key: value for key, value in plan.items() if key not in _APART}
    return sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def read_lines(out: Path) -> Iterator[Line]:
    """The provenance of each image, in order; raises UserError naming the first damaged line."""
    return read_provenance(out / PROVENANCE)


def read_provenance(path: Path) -> Iterator[Line]:
    """The lines of one such file."""
    try:
        with path.open("rb") as file:
            number = 0
            while text := file.readline(_LONGEST):
                number += 1
                yield _line(f"{path}:{number}", text)
    except OSError as error:
        raise UserError(path, "cannot be read", error.strerror or str(error), AGAIN) from error


def pruned_lines(out: Path) -> Iterator[Line]:
    """The lines of the images that a person rejected, which lie in pruned/."""
    path = out / PRUNED / PROVENANCE
    return read_provenance(path) if path.exists() else iter(())


def _line(where: str, text: bytes) -> Line:
    """One line, with all that the tables need; raises UserError."""
    if not text.endswith(b"\n"):
        raise UserError(where, "a line of provenance ends", "a line that is cut off", AGAIN)
    try:
        line = _DECODER.decode(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(where, "a line of provenance is a JSON object", error, AGAIN) from error
    wrong = _wrong(line)
    if wrong:
        raise UserError(where, *wrong, AGAIN)
    return dict(line)


def _wrong(line: Any) -> tuple[str, str] | None:
    """The rule that a line breaks and what was found; None where it is whole."""
    if not isinstance(line, dict):
        return "a line of provenance is a JSON object", type(line).__name__
    for key in ("id", "image", "class", "group"):
        if not _is_text(line.get(key)):
            return f"{key} is a text", repr(line.get(key))[:80]
    if not line["id"]:
        return "an image has an id", "none"
    for key in ("image", "mask"):
        if line.get(key) is not None and not _is_below(line[key]):
            return f"{key} is a path below the set", repr(line[key])[:80]
    if not _whole(line.get("size"), 2):
        return "size is [height, width]", repr(line.get("size"))[:80]
    defects = line.get("defects")
    if not isinstance(defects, list):
        return "defects is a list", repr(defects)[:80]
    return next((found for one in defects if (found := _wrong_defect(one))), None)


def _wrong_defect(defect: Any) -> tuple[str, str] | None:
    """The same of one defect."""
    if not isinstance(defect, dict) or not _is_text(defect.get("class")):
        return "a defect has a class", repr(defect)[:80]
    if not _whole(defect.get("box"), 4) or not _whole([defect.get("area")], 1):
        return "a defect has a box of four whole numbers and an area", repr(defect.get("box"))[:80]
    rle = defect.get("rle")
    if not isinstance(rle, dict) or not _whole(rle.get("size"), 2) or not _is_text(rle.get("counts")):
        return "a defect has its pixels as RLE", repr(rle)[:80]
    return None


def _is_text(value: Any) -> bool:
    """True for a text that can be written: half a surrogate pair, which JSON can spell, cannot."""
    return isinstance(value, str) and (value.isascii() or _BROKEN.search(value) is None)


def _whole(values: Any, count: int) -> bool:
    """True for a list of so many whole numbers, none negative."""
    return isinstance(values, list) and len(values) == count and all(type(one) is int and one >= 0 for one in values)


def _is_below(name: Any) -> bool:
    """True for a plain relative path in posix form: files are moved by it."""
    if not _is_text(name) or not name or "\\" in name or "\0" in name or ":" in name:
        return False
    return not {"", ".", ".."}.intersection(name.split("/"))


def write_tables(out: Path, classes: Sequence[str], lines: Iterable[Line]) -> int:
    """Writes manifest.csv, annotations.json and provenance.jsonl, each whole or not at all; returns how many images.

    Categories are numbered from 1 in sorted order of `classes`, images and annotations from 1 in order of the lines.
    Raises UserError where the disk refuses, ValueError for a defect of a class that is not among `classes`.
    """
    with ExitStack() as stack:
        # Replaced in reverse: the provenance last, from which the other two can be made again.
        log, coco, table = (stack.enter_context(atomic(out / name)) for name in (PROVENANCE, ANNOTATIONS, MANIFEST))
        manifest = stack.enter_context(table.open("w", encoding="utf-8", newline=""))
        rows = csv.writer(manifest, lineterminator="\n")
        rows.writerow(COLUMNS)
        document = stack.enter_context(_Coco(coco, out, classes))
        provenance = stack.enter_context(log.open("w", encoding="utf-8", newline=""))
        for line in lines:
            rows.writerow([line["image"], line.get("mask") or "", line["class"], line["group"], line["id"]])
            document.add(line)
            provenance.write(json.dumps(line, sort_keys=True, allow_nan=False) + "\n")
    return document.images


class _Coco:
    """annotations.json, an entry a line; images first, annotations wait in a nameless file."""

    def __init__(self, path: Path, folder: Path, classes: Sequence[str]) -> None:
        self.numbers = {name: number for number, name in enumerate(sorted(set(classes)), 1)}
        self.path, self.folder = path, folder
        self.images = self.annotations = 0

    def __enter__(self) -> "_Coco":
        categories = [{"id": number, "name": name, "supercategory": "defect"} for name, number in self.numbers.items()]
        self.waiting: IO[str] = TemporaryFile("w+", encoding="utf-8", newline="", dir=self.folder)
        self.file: IO[str] = self.path.open("w", encoding="utf-8", newline="")
        self.file.write(f"{_CATEGORIES}{_json(categories)},\n")
        self.file.write('"info": {"description": "written by flawsmith"},\n"licenses": [],\n"images": [')
        return self

    def add(self, line: Line) -> None:
        """One image with its defects."""
        self.images += 1
        height, width = line["size"]
        about = {"id": self.images, "file_name": line["image"], "width": width, "height": height}
        extra = {"group": line["group"], "flawsmith_id": line["id"]}
        entry = about | {key: value for key, value in extra.items() if value}
        self.file.write(f"{',' * (self.images > 1)}\n{_json(entry)}")
        for defect in line["defects"]:
            self.annotations += 1
            entry = {
                "id": self.annotations,
                "image_id": self.images,
                "category_id": self._number(defect["class"]),
                "area": defect["area"],
                "bbox": defect["box"],
                "segmentation": {"size": defect["rle"]["size"], "counts": defect["rle"]["counts"]},
                "iscrowd": 0,
            }
            self.waiting.write(f"{',' * (self.annotations > 1)}\n{_json(entry)}")

    def _number(self, defect: str) -> int:
        if defect not in self.numbers:
            raise ValueError(f"{defect!r} is none of the classes {', '.join(self.numbers)}")
        return self.numbers[defect]

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Joins both parts; after an error nothing is kept anyway."""
        with self.file, self.waiting:
            if kind is None:
                self.file.write('\n],\n"annotations": [')
                self.waiting.seek(0)
                copyfileobj(self.waiting, self.file)
                self.file.write("\n]}\n")


def read_classes(out: Path) -> list[str]:
    """The classes of the set's categories in order, without reading its annotations; raises UserError."""
    path = out / ANNOTATIONS
    try:
        with path.open(encoding="utf-8") as file:
            first = file.readline(_LONGEST).rstrip("\n")
        if not first.startswith(_CATEGORIES) or not first.endswith(","):
            raise ValueError("another form than generate writes")
        return [str(one["name"]) for one in json.loads(first[len(_CATEGORIES) : -1])]
    except OSError as error:
        raise UserError(path, "cannot be read", error.strerror or str(error), AGAIN) from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(path, "the first line names the categories", error, AGAIN) from error


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False)


def file_size(path: Path) -> int:
    """The bytes of a file; raises UserError where there is none."""
    try:
        return path.stat().st_size
    except OSError as error:
        raise UserError(path, "cannot be read", error.strerror or str(error), AGAIN) from error
