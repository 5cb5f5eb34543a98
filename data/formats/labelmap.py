"""Which class a number or a colour in a mask means: labelmap.txt of CVAT, class_names.txt of LabelMe, or PASCAL VOC."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flawsmith.data.errors import UserError
from flawsmith.data.files import read_text
from flawsmith.data.formats.palette import Colour, Numbered, voc_colour
from flawsmith.data.listing import bad_class
from flawsmith.data.problem import Problem, error, refused, warning
from flawsmith.data.record import GOOD

LABELMAP, CLASS_NAMES = "labelmap.txt", "class_names.txt"
BACKGROUND, BORDER = "background", "ignored"
VOID = 255  # number of the border around objects, of which nobody says what it shows
VOID_COLOUR = voc_colour(VOID)
_SAME = {"_background_": BACKGROUND, "__ignore__": BORDER}  # LabelMe's words
_LINE = re.compile(r"(.*?):(?:(\d{1,3}),(\d{1,3}),(\d{1,3}))?:[^:]*:[^:]*")  # datumaro leaves the colours out
_MOST = 65536
_VOC = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


@dataclass(frozen=True)
class LabelMap:
    """The class of each number and of each colour, and where that is written."""

    names: dict[int, str]
    colours: dict[Colour, str]
    source: str

    def of(self, mask: Numbered) -> dict[int, str]:
        """The class, BACKGROUND or BORDER of each number in a mask; those that nobody names are left out.

        The colours of a palette count where all of them are known, else its numbers.
        """
        colours = {(0, 0, 0): BACKGROUND, VOID_COLOUR: BORDER} | self.colours
        numbers = {0: BACKGROUND, VOID: BORDER} | self.names
        by_colour = {value: colours.get(colour) for value, colour in mask.colours.items()}
        known = len(by_colour) == len(mask.values) and None not in by_colour.values()
        found = by_colour if known or not mask.own else {value: numbers.get(value) for value in mask.values}
        return {value: name for value, name in found.items() if name is not None}


def read_labels(root: Path) -> tuple[LabelMap, list[Problem]]:
    """The labels that a folder names, those of PASCAL VOC where it names none."""
    try:
        if (root / LABELMAP).is_file():
            return _coloured(read_text(root / LABELMAP))
        if (root / CLASS_NAMES).is_file():
            return _listed(read_text(root / CLASS_NAMES))
    except UserError as reason:
        return LabelMap({}, {}, ""), [refused(Path(reason.where).name, reason)]
    voc = {voc_colour(number): name for number, name in enumerate(_VOC)}
    what = "does not exist: the masks' values count as the 21 classes of PASCAL VOC"
    missing = warning(LABELMAP, what, f"write one: a line label:r,g,b:: a class, {BACKGROUND} first")
    return LabelMap(dict(enumerate(_VOC)), voc, f"PASCAL VOC (there is no {LABELMAP})"), [missing]


def _coloured(text: str) -> tuple[LabelMap, list[Problem]]:
    """labelmap.txt: a line `label:r,g,b:parts:actions` a class, numbered in their order from the background on."""
    names: list[str] = []
    colours: dict[Colour, str] = {}
    problems = []
    fix = "write it as label:r,g,b:: with a name and a colour of its own"
    for number, line in _lines(text):
        found = _LINE.fullmatch(line)
        colour = _colour(found, names) if found else (256, 0, 0)
        if found is None or max(colour) > 255:
            problems.append(error(f"{LABELMAP}:{number}", f"is no label with a colour, found {line[:80]!r}", fix))
            continue
        name = found[1].strip()
        if wrong := _wrong(name, names) or (f"has the colour of {colours[colour]!r}" if colour in colours else None):
            problems.append(error(f"{LABELMAP}:{number}", wrong, fix))
        if name.casefold() == GOOD:
            problems.append(_good(f"{LABELMAP}:{number}"))
        names.append(_plain(name))
        colours.setdefault(colour, names[-1])
    return LabelMap(_numbered(names), colours, LABELMAP), problems


def _colour(line: re.Match[str], before: Sequence[str]) -> Colour:
    """The colour of a line; where it has none that of VOC for its place, of which 0 is the background's."""
    if line[2]:
        return int(line[2]), int(line[3]), int(line[4])
    first = before[0] if before else _plain(line[1].strip())
    return voc_colour(len(before) + (first != BACKGROUND))


def _listed(text: str) -> tuple[LabelMap, list[Problem]]:
    """class_names.txt: a class a line, numbered from 0; `__ignore__` has no number."""
    names: list[str] = []
    problems = []
    for number, line in _lines(text):
        if line == "__ignore__":
            continue
        if wrong := _wrong(line, names):
            problems.append(error(f"{CLASS_NAMES}:{number}", wrong, "give each class a name of its own"))
        if line.casefold() == GOOD:
            problems.append(_good(f"{CLASS_NAMES}:{number}"))
        names.append(_plain(line))
    numbered = _numbered(names)
    return LabelMap(numbered, {voc_colour(number): name for number, name in numbered.items()}, CLASS_NAMES), problems


def _lines(text: str) -> Iterable[tuple[int, str]]:
    """The lines that say something, with their numbers."""
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines()[:_MOST], 1))
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def _numbered(names: Sequence[str]) -> dict[int, str]:
    """The classes by number: 0 is the background, named or not."""
    return dict(enumerate(names, 0 if names[:1] == [BACKGROUND] else 1))


def _wrong(name: str, names: Sequence[str]) -> str | None:
    """What is wrong with a label, None if nothing."""
    if rule := bad_class(name):
        return f"{rule}, found {name[:80]!r}"
    return f"names {name!r} twice" if name.casefold() != GOOD and _plain(name) in names else None


def _plain(name: str) -> str:
    """The label as it is called here; what is good is background."""
    return BACKGROUND if name.casefold() == GOOD else _SAME.get(name, name)


def is_reserved(name: str) -> bool:
    """True for what cannot be a class in labelmap.txt: a comment, the background or the border, in any tool's words."""
    return name.startswith("#") or _plain(name) in (BACKGROUND, BORDER)


def _good(where: str) -> Problem:
    """The warning for a label of what is no defect."""
    return warning(where, f"labels what is called {GOOD}: its pixels count as background", "nothing, if it is meant")
