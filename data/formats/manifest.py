"""Reads and writes the layout of a folder with manifest.csv: a row per image and mask.

Its columns are image,mask,class[,group][,roi][,origin].
"""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from flawsmith.data.errors import UserError
from flawsmith.data.files import read_text, write_text
from flawsmith.data.formats.picture import Picture, copy_image
from flawsmith.data.image import write_mask
from flawsmith.data.listing import Listing, Row, bad_class, by_stem, pictures, read_ids
from flawsmith.data.problem import Problem, below, counted, error, refused, warning
from flawsmith.data.record import GOOD

MANIFEST = "manifest.csv"
COLUMNS = ("image", "mask", "class")
FILES = ("image", "mask", "roi")  # the columns that name files
Line = tuple[int, dict[str, str]]  # number in the file, from 1, and the cells by column


def scan(root: Path) -> Listing:
    """The rows of manifest.csv (UTF-8, a byte order mark and CRLF are fine; comma, semicolon or tab)."""
    ids, problems = read_ids(root)
    try:
        lines, found = _lines(read_text(root / MANIFEST), needs_class=ids is None)
    except UserError as reason:
        return Listing(root, MANIFEST, (), (*problems, refused(MANIFEST, reason)), ids)
    unique, repeated = _once(lines)
    problems += [*found, *repeated]
    rows = []
    for number, cells in unique:
        row, wrong = _row(root, cells, needs_class=ids is None)
        problems += [error(_at(number), what, fix) for what, fix in wrong]
        if row is not None:
            rows.append(row)
    problems += _groups(rows)
    if lines:  # a table that was not understood lists nothing
        problems += _unlisted(root, lines, rows)
    return Listing(root, MANIFEST, tuple(rows), tuple(problems), ids)


def _at(number: int) -> str:
    return f"{MANIFEST}:{number}"


def _lines(text: str, needs_class: bool) -> tuple[list[Line], list[Problem]]:
    """The table's lines with stripped cells; a line of another length is an error, an empty one is skipped."""
    first = text.partition("\n")[0]
    reader = csv.reader(StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    try:
        table = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as reason:
        return [], [error(MANIFEST, f"is not a table ({reason}, line {reader.line_num})", "save it as CSV again")]
    table = [(number, cells) for number, cells in table if any(cells)]
    if not table:
        return [], [error(MANIFEST, "is empty", f"write a first line: {','.join(COLUMNS)},group")]
    header = [name.lower() for name in table[0][1]]
    missing = [name for name in COLUMNS if name not in header and (name != "class" or needs_class)]
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if missing or twice:
        what = f"has no column {', '.join(missing)}" if missing else f"has the column {', '.join(twice)} twice"
        found = f"{what} (found {', '.join(header)})"
        return [], [error(MANIFEST, found, f"the first line names the columns: {','.join(COLUMNS)},group")]
    lines, problems = [], []
    for number, cells in table[1:]:
        if len(cells) == len(header):
            lines.append((number, dict(zip(header, cells, strict=True))))
        else:
            what = f"has {len(cells)} cells where the first line has {len(header)}"
            problems.append(error(_at(number), what, "put names with a comma in double quotes"))
    if len(table) == 1:
        problems.append(error(MANIFEST, "lists no image", "write a line per image below the first one"))
    return lines, problems


def _once(lines: Iterable[Line]) -> tuple[list[Line], list[Problem]]:
    """The lines without exact repetitions, and a warning for each of those."""
    unique: list[Line] = []
    problems = []
    seen: dict[tuple[str, ...], int] = {}
    for number, cells in lines:
        first = seen.setdefault(tuple(cells.values()), number)
        if first == number:
            unique.append((number, cells))
        else:
            problems.append(warning(_at(number), f"repeats line {first}: counted once", "take one of them out"))
    return unique, problems


def _row(root: Path, cells: dict[str, str], needs_class: bool) -> tuple[Row | None, list[tuple[str, str]]]:
    """One line as a row, None where it cannot be used, and what is wrong with it (what, fix)."""
    wrong: list[tuple[str, str]] = []
    paths: dict[str, Path | None] = {}
    for column in FILES:
        text = cells.get(column, "")
        paths[column], rule = _place(root, text) if text else (None, None)
        if rule:
            wrong.append((f"{column} {text!r} {rule[0]}", rule[1]))
    image = paths["image"]
    if not cells["image"]:
        wrong.append(("names no image", "write its path below the folder of the manifest"))
    defect = cells.get("class") or None
    if defect is not None and defect.casefold() == GOOD:
        defect = GOOD
    if defect is None and needs_class:
        wrong.append(("names no class", f"write the defect, or {GOOD}"))
    elif defect is not None and (rule_of_class := bad_class(defect)):
        wrong.append((f"{rule_of_class}, found {defect!r}", "rename the class"))
    if image is None or wrong:
        return None, wrong
    return Row(
        below(root, image),
        image,
        paths["mask"],
        defect,
        cells.get("group") or None,
        paths["roi"],
        origin=cells.get("origin") or None,
    ), []


def _parts(text: str) -> tuple[str, ...]:
    """A path's parts; the manifest may have been written on Windows."""
    return PurePosixPath(text.replace("\\", "/")).parts


def _place(root: Path, text: str) -> tuple[Path | None, tuple[str, str] | None]:
    """The file that a cell names, or the rule that it breaks (what, fix); links inside the folder are followed."""
    parts = _parts(text)
    if "\0" in text:
        return None, ("has a null byte", "write the manifest again")
    if PureWindowsPath(text).drive or text[0] in "/\\" or ".." in parts:
        return None, ("lies outside the folder", "copy the file into the folder and name it from there, without ..")
    path = root.joinpath(*parts)
    try:
        if path.is_file():
            return path, None
    except OSError as reason:
        return None, (f"cannot be read ({reason.strerror})", "choose a shorter name")
    return None, ("is missing", "put the file there, or take the line out")


def _groups(rows: Iterable[Row]) -> list[Problem]:
    """Images in two groups, and images without one in a table that has some."""
    groups: dict[str, set[str | None]] = {}
    for row in rows:
        groups.setdefault(row.name, set()).add(row.group)
    problems = [
        error(name, f"is in several groups ({', '.join(sorted(str(one) for one in found))})", "give it one group")
        for name, found in groups.items()
        if len(found) > 1
    ]
    alone = [name for name, found in groups.items() if found == {None}]
    if alone and len(alone) < len(groups):
        what = f"{counted(len(alone), 'image')} without a group, first {alone[0]}: each is taken for a part of its own"
        problems.append(warning(MANIFEST, what, "give images of one part the same group, or the test leaks"))
    return problems


def _unlisted(root: Path, lines: Iterable[Line], rows: Iterable[Row]) -> list[Problem]:
    """A warning for each image file beside the listed ones that no line names, and for images of one stem."""
    named = {root.joinpath(*_parts(text)) for _, cells in lines for key in FILES if (text := cells.get(key))}
    folders = {root / "images", root / "masks"} | {row.image.parent for row in rows if row.image.parent != root}
    tops = [folder for folder in folders if folder.is_dir() and not any(up in folders for up in folder.parents)]
    problems, fix = [], f"add a line for it to {MANIFEST}, or take it out"
    for folder in sorted(tops):
        found, others = pictures(root, folder)
        problems += others
        problems += [warning(below(root, path), f"is not in {MANIFEST}", fix) for path in found if path not in named]
    images = sorted({row.image for row in rows})
    for same in by_stem(images, root).values():
        if len(same) > 1:
            what = f"has the stem of {', '.join(path.name for path in same[:-1])}"
            problems.append(warning(below(root, same[-1]), what, "rename one: results are named by the stem"))
    return problems


class ManifestWriter:
    """Writes images/, masks/ (a PNG for each class of an image) and manifest.csv: the layout that flawsmith writes."""

    def __init__(self, output: Path, classes: Sequence[str]) -> None:
        self.output, self._grouped = output, False
        self._lines: list[tuple[str, str, str, str, str]] = []

    def add(self, picture: Picture) -> list[float]:
        """Writes one image; every class keeps its pixels, objects of one class become one mask."""
        copy_image(picture, self.output / "images" / picture.name)
        stem, image = Path(picture.name).with_suffix("").as_posix(), f"images/{picture.name}"
        about = (picture.group, picture.origin or "")
        classes = dict.fromkeys(one.defect for one in picture.instances)
        for number, defect in enumerate(classes):
            mask = np.zeros((picture.height, picture.width), bool)
            for one in picture.instances:
                if one.defect == defect:
                    one.patch.onto(mask)
            name = f"masks/{stem}{f'-{number}' if number else ''}.png"
            write_mask(self.output / name, mask)
            self._lines.append((image, name, defect, *about))
        if not classes:
            self._lines.append((image, "", GOOD, *about))
        self._grouped |= bool(picture.group)
        return [1.0] * len(picture.instances)

    def close(self) -> None:
        """Writes manifest.csv; without the column of groups where there are none."""
        text = StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow([*COLUMNS, *(["group"] if self._grouped else []), "origin"])
        table.writerows([*line[:3], *(line[3:4] if self._grouped else []), line[4]] for line in self._lines)
        write_text(self.output / MANIFEST, text.getvalue())
