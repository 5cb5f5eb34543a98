"""The names of numbered classes, as YOLO trees have them: data.yaml, or a text file with a name a line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flawsmith.data.errors import UserError
from flawsmith.data.formats.collect import Collector
from flawsmith.data.formats.document import text_of
from flawsmith.data.problem import refused

_YAML = (".yaml", ".yml")
_LISTS = ("classes.txt", "obj.names")
_LARGEST = 2**20  # bytes
_DEEPEST = 32  # lists and tables within each other
_MOST = 50_000  # entries of such a file
_KEY = re.compile(rb"^[\"']?names[\"']?\s*:", re.MULTILINE)
_FIX = "write names: [pit, scratch, …]"

Names = dict[int, str]


def is_names(path: Path) -> bool:
    """True for a file that names classes; never raises."""
    if path.name.lower() in _LISTS:
        return True
    if path.suffix.lower() not in _YAML:
        return False
    try:
        with path.open("rb") as file:
            return _KEY.search(file.read(_LARGEST)) is not None
    except OSError:
        return False


def read_names(files: Sequence[Path], collector: Collector) -> Names | None:
    """Name by number; None where there are none, or where files differ: then why has been noted."""
    tables = [path for path in files if path.suffix.lower() in _YAML]
    found: dict[Path, Names] = {}
    for path in tables or files:
        try:
            found[path] = _from_yaml(path) if tables else _from_list(path)
        except UserError as reason:
            problem = refused("", reason)
            collector.refuse(path, "", problem.what, problem.fix)
            return None
    if not found:
        fix = "add data.yaml with names: [pit, scratch, …], or classes.txt with a name a line"
        collector.refuse(collector.root, "", "has labels with class numbers and no names of these classes", fix)
        return None
    first, names = next(iter(found.items()))
    for path, others in found.items():
        if others != names:
            collector.refuse(path, "", f"names other classes than {first.name}", "take one of the two out")
            return None
    for name in sorted(name for name, count in Counter(names.values()).items() if count > 1):
        collector.warn(first, "", f"has the name {name[:80]} twice: both numbers are one class", "rename one of them")
    return names


def _from_list(path: Path) -> Names:
    """The lines of a text file, numbered from 0."""
    lines = _text(path).rstrip().splitlines()
    return {number: line.strip() for number, line in enumerate(lines) if line.strip()}


def _from_yaml(path: Path) -> Names:
    """What data.yaml has under names, a list or a table; raises UserError, also for what is no segmentation."""
    content = _yaml(path, _text(path))
    if isinstance(content, dict) and "kpt_shape" in content:
        raise UserError(path, "outlines are needed", "kpt_shape: key points of a pose", "export it for segmentation")
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, list):
        names = {str(number): name for number, name in enumerate(names)}
    if not isinstance(names, dict):
        raise UserError(path, "names must be a list or a table", None, _FIX)
    for number, name in names.items():
        if not isinstance(name, str) or not re.fullmatch(r"\d{1,6}", str(number), re.ASCII):
            found = f"{str(number)[:40]}: {str(name)[:40]}"
            raise UserError(path, "names must be texts, by whole numbers", found, _FIX)
    return {int(number): name.strip() for number, name in names.items()}


def _text(path: Path) -> str:
    """The text of a file that is not too large to be one of names; raises UserError."""
    try:
        size = path.stat().st_size
    except OSError as reason:
        raise UserError(path, "cannot be read", reason.strerror or str(reason)) from reason
    if size > _LARGEST:
        raise UserError(path, f"names of classes take at most {_LARGEST} bytes", size, "take out what is none")
    return text_of(path)


def _yaml(path: Path, text: str) -> Any:
    """Lists, tables and texts; nothing else is made of YAML, and what points elsewhere in the file is refused."""
    import yaml  # imported here: of all formats one needs it

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        depth = 0
        for number, event in enumerate(yaml.parse(text, Loader=loader)):
            if number > _MOST:
                raise UserError(path, f"names of classes are YAML of at most {_MOST} entries", "more", _FIX)
            if getattr(event, "anchor", None):  # of an alias too: a few of them can stand for billions of entries
                raise UserError(path, "must be YAML without anchors and aliases", str(event.anchor)[:40], _FIX)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                raise UserError(path, f"must be YAML of at most {_DEEPEST} levels", "deeper nesting", _FIX)
        return yaml.load(text, Loader=loader)  # of texts alone: "no" stays a name, and no object is ever made
    except yaml.YAMLError as reason:
        found = " ".join(str(reason).split())[:200]
        raise UserError(path, "must be YAML", found, _FIX) from reason
    except (ValueError, RecursionError) as reason:
        raise UserError(path, "must be YAML", type(reason).__name__, _FIX) from reason
