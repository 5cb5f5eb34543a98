"""Which format a folder is in: by what its files hold, not by how they are called."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.formats import manifest, mvtec, pairs
from flawsmith.data.formats.document import load_json, load_xml, parse_json, text_of
from flawsmith.data.formats.reading import Reading
from flawsmith.data.listing import Listing
from flawsmith.data.problem import Problem, error, refused, warning

LABELS = ("coco", "cvat", "labelbox", "via", "labelme", "labelstudio")  # formats that are files of labels
TREES = ("yolo", "png", "webdataset", "mvtec")  # formats that are arrangements of files
OURS = ("manifest", "pairs")
FORMATS = (*LABELS, *TREES, *OURS)
_MODULES = {"png": "classpng"}
_HEAD = 4096  # bytes of a table or an XML file that say what it is
_SUFFIXES = (".json", ".ndjson", ".jsonl", ".xml", ".csv")
_OURS = (
    "classes.json",
    "flawsmith.csv",
    "conversion.csv",
    "sources.json",
    "provenance.jsonl",
)  # no labels, whatever they look like
_DEEP = 3  # folders below the root in which labels are looked for


@dataclass(frozen=True)
class Found:
    """The files of one format in a folder."""

    format: str
    files: tuple[Path, ...]


def module(name: str) -> ModuleType:
    """The reader of a format, imported when it is needed."""
    return import_module(f"flawsmith.data.formats.{_MODULES.get(name, name)}")


def scan(root: Path, only: Path | None, reading: Reading) -> Listing | None:
    """The rows of the folder, or of the label file `only` in it; None where no format is found.

    Raises UsageError on a --format that there is not, or where the folder holds labels in several formats.
    """
    wanted = reading.format
    if wanted is not None and wanted not in FORMATS:
        raise UsageError("--format", f"a format is one of {', '.join(FORMATS)}", wanted)
    if only is None and wanted in (None, "manifest") and (root / manifest.MANIFEST).is_file():
        return manifest.scan(root)
    broken: list[Problem] = []
    unknown: list[Path] = []
    found = [one for one in _found(root, only, wanted, broken, unknown) if wanted in (None, one.format)]
    if wanted is not None and not found and wanted in LABELS and broken:
        return Listing(root, wanted, (), tuple(broken))
    if wanted is not None and not found:
        raise UsageError(only or root, f"holds nothing in the format {wanted}", None, "leave --format out to find out")
    if len(found) > 1:
        names = ", ".join(one.format for one in found)
        raise UsageError(root, "a folder holds one set of labels", names, f"choose one: --format {found[0].format}")
    if not found:
        return Listing(root, "unknown", (), tuple(broken)) if broken else None
    if found[0].format == "pairs" and wanted is None:
        unheard = _unused if (root / "masks").is_dir() else _unread
        broken += [unheard(root, path) for path in unknown]
    return _scan(root, found[0], reading, broken)


def _unread(root: Path, path: Path) -> Problem:
    """A file that may hold labels, in a folder whose images would all be good without them."""
    what = "is no file of labels that is known, and without labels every image would count as good"
    fix = f"export it as one of {', '.join(LABELS)}; if it holds none, take it out or say --format pairs"
    return error(path.relative_to(root).as_posix(), what, fix)


def _unused(root: Path, path: Path) -> Problem:
    """A file that may hold labels, in a folder whose labels are its masks."""
    fix = "nothing, if the masks are the labels; else say --format, or take masks/ out; --format pairs silences this"
    return warning(path.relative_to(root).as_posix(), "is no file of labels that is known, and is not read", fix)


def _scan(root: Path, found: Found, reading: Reading, broken: Sequence[Problem]) -> Listing:
    if found.format in OURS or found.format == "mvtec":
        listing = {"pairs": pairs, "mvtec": mvtec, "manifest": manifest}[found.format].scan(root)
    else:
        listing = module(found.format).scan(root, found.files, reading)
    return Listing(root, listing.layout, listing.rows, (*broken, *listing.problems), listing.ids)


def _found(
    root: Path, only: Path | None, wanted: str | None, broken: list[Problem], unknown: list[Path]
) -> list[Found]:
    """What there is: files of labels first, then arrangements of files; a folder of images and masks last."""
    files = label_files(root, only, broken, unknown)
    found = [Found(name, tuple(paths)) for name, paths in sorted(files.items())]
    if only is not None:
        return found
    for name in TREES if wanted is None else {wanted} & {*TREES}:
        paths = (root,) if name == "mvtec" and mvtec.is_mvtec(root) else ()
        paths = tuple(module(name).find(root)) if name != "mvtec" else paths
        if paths and not (found and wanted is None):
            found.append(Found(name, paths))
    masks = (root / "masks").is_dir()
    if (root / "images").is_dir() and (wanted == "pairs" or not found or (masks and found[0].format in LABELS)):
        found.append(Found("pairs", (root,)))
    return found


def label_files(root: Path, only: Path | None, broken: list[Problem], unknown: list[Path]) -> dict[str, list[Path]]:
    """The files of labels by format; one that cannot be read is a problem, one that is something else is unknown."""
    files: dict[str, list[Path]] = defaultdict(list)
    known: dict[tuple[Path, str], str] = {}  # the format of a folder's first file: LabelMe writes one an image
    for path in [only] if only is not None else _candidates(root):
        key = path.parent, path.suffix.lower()
        if known.get(key) == "labelme":
            files["labelme"].append(path)
            continue
        try:
            name = sniff(path)
        except UserError as reason:
            broken.append(refused(path.relative_to(root).as_posix(), reason))
            continue
        if name is not None:
            known[key] = name
            files[name].append(path)
        elif path.name not in _OURS:
            unknown.append(path)
    return files


def _candidates(root: Path) -> Iterator[Path]:
    for folder, below, names in os.walk(root):
        depth = len(Path(folder).relative_to(root).parts)
        below[:] = sorted(name for name in below if not name.startswith(".")) if depth < _DEEP else []
        for name in sorted(names):
            if name.lower().endswith(_SUFFIXES) and not name.startswith("."):
                yield Path(folder) / name


def sniff(path: Path) -> str | None:
    """The format of a file of labels, None where it is something else; raises UserError where it cannot be read."""
    suffix = path.suffix.lower()
    if suffix == ".xml":
        return _sniff_xml(path)
    if suffix == ".csv":
        with path.open("rb") as file:
            head = file.read(_HEAD).decode("utf-8-sig", "replace")
        return "via" if module("via").matches_csv(head) else None
    document = _document(path)
    matching: Callable[[str], bool] = lambda name: bool(module(name).matches(document))  # noqa: E731
    return next((name for name in ("labelbox", "labelstudio", "labelme", "via", "coco") if matching(name)), None)


def _sniff_xml(path: Path) -> str | None:
    with path.open("rb") as file:
        head = file.read(_HEAD)
    with closing(load_xml(path)) as events:
        for _, element in events:
            return "cvat" if module("cvat").matches(element.tag, head) else None
    return None


def _document(path: Path) -> Any:
    """The file's JSON, or that of its first line where it is JSON lines, whatever the ending; raises UserError."""
    if path.suffix.lower() == ".json":
        try:
            return load_json(path)
        except UserError:
            with suppress(UserError):
                return _first_line(path)
            raise
    return _first_line(path)


def _first_line(path: Path) -> Any:
    """The JSON of the first line that is not empty; raises UserError."""
    for line in text_of(path).split("\n"):
        if line.strip():
            return parse_json(path, line)
    return None
