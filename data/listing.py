"""What a folder's layout says, before any pixel is read: one row per image and mask, and what is wrong so far."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flawsmith.data.errors import UserError
from flawsmith.data.files import read_text
from flawsmith.data.geometry.shape import Shape
from flawsmith.data.image import SUFFIXES
from flawsmith.data.problem import Problem, below, error, refused, warning
from flawsmith.data.record import GOOD

IDS = "classes.json"
ANY = "defect"  # the class of a boolean mask, or of an object, where nothing names one
_LONGEST = 100  # characters of a class name, which becomes the name of files
_LITTER = ("thumbs.db", "desktop.ini")  # of file managers; so are names that begin with a dot


@dataclass(frozen=True)
class Drawn:
    """One object as a labelling tool wrote it; `where` names it in its file, such as "annotation 17"."""

    defect: str
    shape: Shape
    where: str


@dataclass(frozen=True)
class Row:
    """One image and at most one mask of it; `defect` is None where the mask alone decides (nothing in it: good).

    In the files of labelling tools an image has any number of drawn objects instead; none: good.
    """

    name: str  # path below the root, posix
    image: Path
    mask: Path | None = None
    defect: str | None = None
    group: str | None = None
    roi: Path | None = None
    drawn: tuple[Drawn, ...] = ()
    file: str | None = None  # that the objects stand in, below the root
    size: tuple[int, int] | None = None  # (H, W) in px that the labels were made for, where they say so
    origin: str | None = None  # provenance id of a painted image


@dataclass(frozen=True)
class Listing:
    """The rows of one folder; `ids` are the mask values of the classes (classes.json), None for boolean masks."""

    root: Path
    layout: str
    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]
    ids: dict[int, str] | None = None

    @property
    def grouped(self) -> bool:
        """True where the folder says which images show the same part."""
        return any(row.group is not None for row in self.rows)


def pictures(root: Path, folder: Path) -> tuple[list[Path], list[Problem]]:
    """All image files below the folder, sorted; a warning for each other file, except file managers' litter."""
    found, problems = [], []
    for path in sorted(folder.rglob("*")):
        names = path.relative_to(folder).parts
        if path.is_dir() or any(name.startswith(".") for name in names) or path.name.lower() in _LITTER:
            continue
        if path.suffix.lower() in SUFFIXES:
            found.append(path)
        else:
            fix = f"take it out, or export it as one of {' '.join(SUFFIXES)}"
            problems.append(warning(below(root, path), "is not an image by its ending: left out", fix))
    return found, problems


def by_stem(paths: Iterable[Path], folder: Path) -> dict[str, list[Path]]:
    """The paths by their place below the folder without the ending: a mask and its image have the same."""
    stems: dict[str, list[Path]] = {}
    for path in paths:
        stems.setdefault(path.relative_to(folder).with_suffix("").as_posix(), []).append(path)
    return stems


def twins(root: Path, stems: dict[str, list[Path]]) -> list[Problem]:
    """An error for each stem that several files share: which of them a mask or a result belongs to is unknown."""
    fix = "rename one of them"
    return [
        error(below(root, same[-1]), f"has the stem of {', '.join(path.name for path in same[:-1])}", fix)
        for same in stems.values()
        if len(same) > 1
    ]


def read_ids(root: Path) -> tuple[dict[int, str] | None, list[Problem]]:
    """The classes of the masks' values, {"1": "pit", …}, from classes.json; None where the file is absent."""
    if not (root / IDS).exists():
        return None, []
    fix = 'write it as {"1": "pit", "2": "scratch"}'
    try:
        pairs = json.loads(read_text(root / IDS), object_pairs_hook=lambda found: found)
    except UserError as reason:
        return {}, [refused(IDS, reason)]
    except (ValueError, RecursionError) as reason:
        return {}, [error(IDS, f"is not JSON ({reason})", fix)]
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        return {}, [error(IDS, "must map mask values to class names", fix)]
    ids: dict[int, str] = {}
    problems = []
    for key, name in pairs:
        if key == "0" and name in (GOOD, "background"):  # many tools write it; zero never means anything else
            continue
        wrong = _wrong_id(key, name, ids)
        if wrong is None:
            ids[int(key)] = name.strip()
        else:
            problems.append(error(IDS, wrong, fix))
    return ids, problems


def _wrong_id(key: str, name: Any, ids: dict[int, str]) -> str | None:
    """What is wrong with one entry of classes.json, None if nothing."""
    if not (key.isascii() and key.isdigit() and len(key) <= 5 and 1 <= int(key) <= 65535):
        return f"a mask's value is a number from 1 to 65535, found {key!r}"
    if not isinstance(name, str) or (rule := bad_class(name.strip())):
        return f"{key}: {rule if isinstance(name, str) else 'a class name is a text'}, found {name!r}"
    if name.strip().casefold() == GOOD:
        return f"{key}: a defect cannot be called {GOOD!r}"
    if int(key) in ids or name.strip() in ids.values():
        return f"{key}: {name!r} has the value or the name of another class"
    return None


def bad_class(name: str) -> str | None:
    """What is wrong with a class name, None if nothing: it becomes the name of files and folders."""
    if not name:
        return "a class has a name"
    if len(name) > _LONGEST:
        return f"a class name has at most {_LONGEST} characters"
    if any(ord(char) < 32 or 0xD800 <= ord(char) < 0xE000 for char in name):
        return "a class name has no control characters and no broken UTF-8 in it"
    if name in (".", "..") or any(char in '/\\:*?"<>|' for char in name):
        return 'a class name has none of / \\ : * ? " < > | in it'
    return None
