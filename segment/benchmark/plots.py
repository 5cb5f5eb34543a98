"""Drawings for a page as inline SVG: intervals about zero, and lines in a frame. The page's style gives the colours."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from xml.etree.ElementTree import Element, SubElement, tostring

WIDTH = 360  # units of a drawing: a phone shows it unscaled, so its letters stay readable
EDGE = 20  # between a forest's lines and the drawing's sides
ROW, GROUP = 42, 28  # heights: a row has its words above its line
HEIGHT = 250  # of a frame

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """Values low..high along units start..end, with (value, label) at its ticks."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    label: str = ""
    start: float = 0
    end: float = 1

    def at(self, value: float) -> float:
        """Where a value lies."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


@dataclass(frozen=True)
class Effect:
    """A difference with its interval; None where it is not defined."""

    name: str
    mean: float | None
    low: float | None = None
    high: float | None = None
    per_seed: tuple[float, ...] = ()

    @property
    def kind(self) -> str:
        """On which side of zero the interval lies: above, below, or open where it holds zero or is not known."""
        if self.low is None or self.high is None:
            return "open"
        return "above" if self.low > 0 else "below" if self.high < 0 else "open"


@dataclass(frozen=True)
class Line:
    """A line through points, None where it is broken; dots are the single seeds; `kind` names its colour."""

    kind: str
    name: str
    points: tuple[Point | None, ...]
    dots: tuple[Point, ...] = ()


def number_axis(low: float, high: float, label: str, most: int = 4, signed: bool = False) -> Axis:
    """From a round number at or below `low` to one at or above `high`, at most `most` steps of 1, 2 or 5."""
    if high - low < 1e-9:
        high = low + 1e-3
    step = _step((high - low) / most)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    digits = max(0, -floor(log10(step) + 1e-9))
    ticks = tuple(
        (n * step, signed_text(n * step, digits) if signed else f"{n * step:.{digits}f}")
        for n in range(first, last + 1)
    )
    return Axis(first * step, last * step, ticks, label)


def signed_text(value: float | None, digits: int = 3) -> str:
    """+0.012, −0.012 or 0.000, a dash where there is no value."""
    if value is None:
        return "–"
    text = f"{abs(value):.{digits}f}"
    return text if not float(text) else f"{'+' if value > 0 else '−'}{text}"


def forest(groups: Sequence[tuple[str, Sequence[Effect]]], axis: Axis, title: str) -> str:
    """Effects under headings: a line from low to high, a dot at the mean, small ones for the seeds, a rule at zero."""
    axis = Axis(axis.low, axis.high, axis.ticks, axis.label, EDGE, WIDTH - EDGE)
    bottom = sum(GROUP + ROW * len(effects) for _, effects in groups)
    drawing = _drawing(bottom + 38, title)
    top = 0.0
    for heading, effects in groups:
        _text(drawing, (0, top + 18), heading, "heading")
        top += GROUP
        _rules(drawing, axis, top + 6, top + ROW * len(effects) - 4)
        for effect in effects:
            _effect(drawing, effect, axis, top)
            top += ROW
    for value, label in axis.ticks:
        _text(drawing, (axis.at(value), bottom + 14), label, "tick middle")
    _text(drawing, (WIDTH / 2, bottom + 32), axis.label, "label middle")
    return tostring(drawing, "unicode")


def frame(lines: Sequence[Line], across: Axis, up: Axis, title: str) -> str:
    """Lines in a frame with ticks on both sides."""
    across = Axis(across.low, across.high, across.ticks, across.label, 40, WIDTH - 14)
    up = Axis(up.low, up.high, up.ticks, up.label, HEIGHT - 42, 22)
    drawing = _drawing(HEIGHT, title)
    for value, label in up.ticks:
        _line(drawing, (across.start, up.at(value)), (across.end, up.at(value)), "grid")
        _text(drawing, (across.start - 7, up.at(value) + 4), label, "tick end")
    for value, label in across.ticks:
        _line(drawing, (across.at(value), up.start), (across.at(value), up.start + 4), "grid")
        _text(drawing, (across.at(value), up.start + 18), label, "tick middle")
    _text(drawing, (0, 10), up.label, "label")
    _text(drawing, ((across.start + across.end) / 2, HEIGHT - 6), across.label, "label middle")
    for line in lines:
        path = SubElement(drawing, "path", {"class": f"curve {line.kind}", "d": _path(line.points, across, up)})
        SubElement(path, "title").text = line.name
        for x, y in line.dots:
            _dot(drawing, (across.at(x), up.at(y)), 2.5, f"seed {line.kind}")
    return tostring(drawing, "unicode")


def swatch(kind: str) -> str:
    """A short piece of a line for a legend."""
    drawing = Element("svg", {"viewBox": "0 0 28 10", "width": "28", "height": "10", "aria-hidden": "true"})
    SubElement(drawing, "path", {"class": f"curve {kind}", "d": "M0 5H28"})
    return tostring(drawing, "unicode")


def _step(least: float) -> float:
    """The first of 1, 2, 5 times a power of ten that is not below `least`."""
    power = 10.0 ** floor(log10(least))
    return next(power * one for one in (1, 2, 5, 10) if power * one >= least - 1e-12)


def _rules(drawing: Element, axis: Axis, top: float, bottom: float) -> None:
    """The grid behind a group of effects, zero darker."""
    for value, _ in axis.ticks:
        _line(drawing, (axis.at(value), top), (axis.at(value), bottom), "zero" if abs(value) < 1e-12 else "grid")


def _effect(drawing: Element, effect: Effect, axis: Axis, top: float) -> None:
    """Name and figures above, the interval below."""
    middle = top + 28
    _text(drawing, (0, top + 12), effect.name, "name")
    if effect.mean is None:
        _text(drawing, (WIDTH, top + 12), "not defined", "range end")
        return
    if effect.low is not None and effect.high is not None:
        _line(drawing, (axis.at(effect.low), middle), (axis.at(effect.high), middle), f"interval {effect.kind}")
    for value in effect.per_seed:
        _dot(drawing, (axis.at(value), middle), 2.5, "seed")
    _dot(drawing, (axis.at(effect.mean), middle), 5, f"mean {effect.kind}")
    words = _text(drawing, (WIDTH, top + 12), "", f"value {effect.kind} end")
    SubElement(words, "tspan").text = signed_text(effect.mean)
    if effect.low is not None and effect.high is not None:
        between = f" ({signed_text(effect.low)} to {signed_text(effect.high)})"
        SubElement(words, "tspan", {"class": "range"}).text = between


def _drawing(height: float, title: str) -> Element:
    return Element("svg", {"viewBox": f"0 0 {WIDTH} {height:g}", "role": "img", "aria-label": title})


def _text(parent: Element, at: Point, content: str, kind: str) -> Element:
    text = SubElement(parent, "text", {"x": f"{at[0]:.1f}", "y": f"{at[1]:.1f}", "class": kind})
    text.text = content
    return text


def _line(parent: Element, start: Point, end: Point, kind: str) -> None:
    names = zip(("x1", "y1", "x2", "y2"), (*start, *end), strict=True)
    SubElement(parent, "line", {**{name: f"{value:.1f}" for name, value in names}, "class": kind})


def _dot(parent: Element, at: Point, radius: float, kind: str) -> None:
    SubElement(parent, "circle", {"cx": f"{at[0]:.1f}", "cy": f"{at[1]:.1f}", "r": f"{radius:g}", "class": kind})


def _path(points: Sequence[Point | None], across: Axis, up: Axis) -> str:
    return " ".join(_steps(points, across, up))


def _steps(points: Sequence[Point | None], across: Axis, up: Axis) -> Iterator[str]:
    """Move to the first point, and to the first after a break; draw to the others."""
    drawn = False
    for point in points:
        if point is not None:
            yield f"{'L' if drawn else 'M'}{across.at(point[0]):.1f} {up.at(point[1]):.1f}"
        drawn = point is not None
