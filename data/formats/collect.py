"""Gathers what a label file says about images, whatever the format; wrong entries become problems, the rest goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from flawsmith.data.formats.images import Images
from flawsmith.data.formats.reading import Reading
from flawsmith.data.geometry.shape import BadShape, Shape
from flawsmith.data.listing import ANY, Drawn, Listing, Row, bad_class
from flawsmith.data.problem import Problem, below, counted, error, warning
from flawsmith.data.record import GOOD

Size = tuple[int, int]  # H, W in px
SHOWN = 20  # images that are not found and are named, of each file
_FIX = "put it beside the labels, or name its folder with --images"


@dataclass
class _Open:
    """A row that is being filled."""

    path: Path
    file: str
    size: Size | None
    group: str | None
    origin: str | None
    drawn: list[Drawn] = field(default_factory=list)
    bare: str | None = None  # a defect of which nothing can be drawn: the image is not good for that


class Collector:
    """The rows and problems of one data set while its label files are read."""

    def __init__(self, root: Path, layout: str, reading: Reading) -> None:
        self.root, self.layout, self.reading = root, layout, reading
        self.images = Images(root, reading.images)
        self._rows: dict[str, _Open] = {}
        self._problems: list[Problem] = []
        self._lost: Counter[Path] = Counter()  # images that are not found, by the file that names them

    def image(
        self,
        file: Path,
        name: str,
        where: str,
        size: Size | None = None,
        group: str | None = None,
        origin: str | None = None,
    ) -> str | None:
        """Opens, or joins, the row of the image that the file calls `name`: its key, None where it is not found."""
        path, why = self.images.find(name)
        if path is None:
            said = f"{where}: " if where else ""
            self._lost[file] += 1
            if self._lost[file] <= SHOWN:
                self.refuse(file, "", f"{said}image {_short(name)} {why}", _FIX)
            return None
        return self.row(file, path, size, group, origin)

    def row(
        self, file: Path, path: Path, size: Size | None = None, group: str | None = None, origin: str | None = None
    ) -> str:
        """Opens, or joins, the row of an image that is known to be there: its key."""
        key = self.images.name(path) if path in self.images.known else path.name
        there = self._rows.setdefault(key, _Open(path, below(self.root, file), size, group, origin))
        there.size, there.group = there.size or size, there.group or group
        there.origin = there.origin or origin
        if size is not None and there.size is not None and there.size != size:
            what = f"{key} is {size[1]}×{size[0]} px here and {there.size[1]}×{there.size[0]} px in {there.file}"
            self.refuse(file, "", what, "keep the labels that fit the image")
        return key

    def draw(self, key: str | None, file: Path, where: str, defect: str, make: Callable[[], Shape]) -> None:
        """Adds an object to the image; one that cannot be becomes an error, one called "good" a warning."""
        if key is None:
            return
        name, place = defect.strip(), f"{key}, {where}"
        if rule := bad_class(name):
            self.refuse(file, place, f"{rule}, found {_short(defect)!r}", "rename the class")
        elif name.casefold() == GOOD:
            self.warn(file, place, f"outlines what is called {GOOD}: left out", "delete it, or name the defect")
        else:
            try:
                self._rows[key].drawn.append(Drawn(name, make(), where))
            except BadShape as reason:
                self.refuse(file, f"{place}, {name}", str(reason), "draw it again, or delete it")

    def leave(self, key: str | None, defect: str = ANY) -> None:
        """Says that the image shows a defect that cannot be drawn: without another object it is left out, not good."""
        if key is not None:
            self._rows[key].bare = self._rows[key].bare or defect

    def refuse(self, file: Path, where: str, what: str, fix: str) -> None:
        """Notes an error."""
        self._problems.append(error(self._at(file, where), what, fix))

    def warn(self, file: Path, where: str, what: str, fix: str) -> None:
        """Notes a warning."""
        self._problems.append(warning(self._at(file, where), what, fix))

    def _at(self, file: Path, where: str) -> str:
        name = below(self.root, file)
        return f"{name}: {where}" if where else name

    def listing(self) -> Listing:
        """All of it, sorted by name; each image file that no label file names gets a warning."""
        rows = [
            Row(
                key,
                one.path,
                defect=None if one.drawn else one.bare,
                group=one.group,
                drawn=tuple(one.drawn),
                file=one.file,
                size=one.size,
                origin=one.origin,
            )
            for key, one in sorted(self._rows.items())
        ]
        for file, count in self._lost.items():
            if count > SHOWN:
                self.refuse(file, "", f"{counted(count - SHOWN, 'more image')} of it cannot be found", _FIX)
        named = {row.image for row in rows}
        unlisted = [
            warning(self.images.name(path), f"is in no {self.layout} file: left out", "label it, or take it out")
            for path in self.images.paths
            if path not in named and not self._is_mask(path)
        ]
        return Listing(self.root, self.layout, tuple(rows), (*self._problems, *self.images.notes(), *unlisted))

    def _is_mask(self, path: Path) -> bool:
        """True for files of a folder that was named as one of masks."""
        masks = self.reading.labelbox_masks
        return masks is not None and path.absolute().is_relative_to(masks.absolute())


def _short(text: str) -> str:
    """A name as it can be shown."""
    return text if len(text) <= 80 else f"{text[:77]}…"
