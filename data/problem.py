"""One thing that is wrong in a data set and what to do about it, and the table in which people read many of them."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Literal

from flawsmith.data.errors import UserError

Level = Literal["error", "warning"]
_UNSEEN = (
    "Cc",
    "Cf",
    "Cs",
    "Zl",
    "Zp",
)  # control, direction overrides, surrogates, line ends: never sent to a terminal

_LONGEST = 500  # characters of a cell: names within hostile files may have millions
_NARROW = 24  # characters: the width down to which a column gives way


@dataclass(frozen=True)
class Problem:
    """`file` as a path below the data set's root, what is wrong with it, what to do; errors forbid learning."""

    file: str
    what: str
    fix: str
    level: Level = "error"


def error(file: str, what: str, fix: str) -> Problem:
    """A problem that must be mended before anything is learned from the folder."""
    return Problem(_short(file), _short(what), _short(fix), "error")


def warning(file: str, what: str, fix: str) -> Problem:
    """A problem that limits what can be done, or that may be meant."""
    return Problem(_short(file), _short(what), _short(fix), "warning")


def _short(text: str) -> str:
    """The text with its middle left out where it is endless; paths and what is said of them fit in."""
    half = _LONGEST // 2
    return text if len(text) <= 2 * _LONGEST else f"{text[:half]}…{text[-half:]}"


def refused(file: str, reason: UserError) -> Problem:
    """The error of a file that could not be read, with that reader's words."""
    what = reason.rule if reason.found is None else f"{reason.rule} (found {reason.found})"
    return error(file, what, reason.fix or "replace the file or take it out")


def below(root: Path, path: Path) -> str:
    """The path as problems name it: posix, below the root."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def ordered(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Each problem once, errors first, then by file."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda one: (one.level, one.file, one.what)))


def printable(text: str) -> str:
    """The text with whatever a terminal would obey, or could not show, written as an escape."""
    return "".join(ascii(char)[1:-1] if unicodedata.category(char) in _UNSEEN else char for char in text)


def counted(number: int, noun: str) -> str:
    """Such as "1 image" and "2 images"."""
    return f"{number} {noun}" + "s" * (number != 1)


def table(rows: Sequence[Sequence[str]], width: int = 120) -> str:
    """Rows of cells as aligned text of about `width` columns; the first two cells of a row are never wrapped."""
    cells = [[printable(cell) for cell in row] for row in rows]
    natural = [max(map(len, column)) for column in zip(*cells, strict=True)]
    while sum(natural) + 2 * (len(natural) - 1) > width and max(natural[2:], default=0) > _NARROW:
        natural[natural.index(max(natural[2:]), 2)] -= 1
    return "\n".join(line for row in cells for line in _lines(row, natural))


def _lines(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """The text lines of one row, each cell wrapped to its column's width."""
    blocks = [
        [cell] if len(cell) <= size else wrap(cell, size, break_on_hyphens=False)
        for cell, size in zip(row, widths, strict=True)
    ]
    height = max(map(len, blocks))
    padded = [block + [""] * (height - len(block)) for block in blocks]
    return [
        "  ".join(part.ljust(size) for part, size in zip(parts, widths, strict=True)).rstrip()
        for parts in zip(*padded, strict=True)
    ]
