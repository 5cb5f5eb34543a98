"""The image files of a folder, found by whatever a label file calls them."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from flawsmith.data.image import SUFFIXES
from flawsmith.data.problem import Problem, warning

_UPLOAD = re.compile(r"^[0-9a-f]{8}-")  # Label Studio puts one before the name of an uploaded file
_USUAL = ("", "images", "data", "JPEGImages")  # folders that label files leave out of the name
_LONGEST = 4096  # characters of a name
_OUT = re.compile(r"[a-zA-Z]:|file:|/(?!data/)|(.*/)?\.\.(/|$)", re.DOTALL)  # /data/ is how Label Studio's names begin


class Images:
    """All image files below the root, and below `also`; nothing outside these is ever found."""

    def __init__(self, root: Path, also: Path | None = None) -> None:
        self.roots = tuple(dict.fromkeys([root, *([also] if also else [])]))
        self.paths = tuple(path for one in self.roots for path in _image_files(one))
        self.known = frozenset(self.paths)
        self._exact = {self.name(path): path for path in reversed(self.paths)}
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        self._elsewhere: dict[str, Path] = {}  # what was taken for names that lead out of the folder
        for path in self.paths:
            self._by_name[path.name].append(path)
            self._by_stem[path.stem].append(path)

    def name(self, path: Path) -> str:
        """The path below its root, posix."""
        root = next(one for one in self.roots if path.is_relative_to(one))
        return path.relative_to(root).as_posix()

    def find(self, name: str) -> tuple[Path | None, str | None]:
        """The image that a label file calls so, or None and why it is not found."""
        path, why = self._find(name)
        if path is not None and any(_OUT.match(said.replace("\\", "/")) for said in (name, unquote(name))):
            self._elsewhere.setdefault(name, path)
        return path, why

    def notes(self) -> list[Problem]:
        """A warning where an image here was taken for one that its name puts elsewhere."""
        if not self._elsewhere:
            return []
        (name, path), more = next(iter(self._elsewhere.items())), len(self._elsewhere) - 1
        what = f"is taken for {name[:80]!r}, a path out of the folder{f' ({more} more like it)' if more else ''}"
        return [warning(self.name(path), what, "nothing, if it is the same image")]

    def _find(self, name: str) -> tuple[Path | None, str | None]:
        """As above, wherever the name leads."""
        if not name or len(name) > _LONGEST or "\0" in name:
            return None, "is no name of a file"
        for said in dict.fromkeys((name, unquote(name))):
            parts = _parts(said)
            for folder in _USUAL:
                path = self._exact.get("/".join((folder, *parts)) if folder else "/".join(parts))
                if path is not None and parts:
                    return path, None
            last = parts[-1] if parts else ""
            same = self._by_name.get(last) or self._by_name.get(_UPLOAD.sub("", last), [])
            if not same and PurePosixPath(last).suffix.lower() not in SUFFIXES:  # some tools drop the ending
                same = self._by_stem.get(last, [])
            if len(same) > 1:
                same = _alike(same, parts)
            if len(same) == 1:
                return same[0], None
            if same:
                return None, f"is there {len(same)} times ({', '.join(map(self.name, same[:3]))})"
        return None, "is missing"


def _image_files(root: Path) -> list[Path]:
    """The files below a folder that end like images, sorted, without hidden ones."""
    found = []
    for folder, below, names in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith("."))
        found += [
            Path(folder) / name
            for name in sorted(names)
            if not name.startswith(".") and PurePosixPath(name).suffix.lower() in SUFFIXES
        ]
    return found


def _parts(name: str) -> tuple[str, ...]:
    """The parts of a path as any system writes it, without drive, protocol and query, and without a way up."""
    plain = name.partition("?")[0] if "://" in name else name.replace("\\", "/")
    plain = re.sub(r"^[a-zA-Z][a-zA-Z0-9+.-]+://[^/]*", "", plain)
    plain = re.sub(r"^[a-zA-Z]:", "", plain)
    return tuple(part for part in PurePosixPath(plain).parts if part not in ("/", "//", ".", ".."))


def _alike(paths: list[Path], parts: tuple[str, ...]) -> list[Path]:
    """Those of the paths that end with most of the parts."""

    def shared(path: Path) -> int:
        pairs = zip(reversed(path.parts), reversed(parts), strict=False)
        return next((i for i, (one, other) in enumerate(pairs) if one != other), min(len(path.parts), len(parts)))

    most = max(map(shared, paths))
    return [path for path in paths if shared(path) == most]
