"""One image whose objects are read from one file: what is drawn, left out and refused there, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from flawsmith.data.errors import UserError
from flawsmith.data.formats.collect import Collector
from flawsmith.data.formats.document import load_json
from flawsmith.data.geometry.shape import BadShape, Line, Points, Polygon, Shape, points
from flawsmith.data.problem import refused

Make = Callable[[], Shape]  # raises BadShape
_SHOWN = 40  # characters of a value in a message


@dataclass(frozen=True)
class Canvas:
    """The row `key` of a collector while `file` is read; all places are named by `where`."""

    collector: Collector
    file: Path
    key: str

    def draw(self, where: str, defect: Any, make: Make | None) -> None:
        """Adds an object; nothing where a problem left no way to make it. What is no class name is an error."""
        if make is None:
            return
        if isinstance(defect, str) and defect.strip():
            self.collector.draw(self.key, self.file, where, defect, make)
        else:
            self.refuse(where, f"has no class (found {said(defect)})", "give it one, or delete it")

    def refuse(self, where: str, what: str, fix: str) -> None:
        """Notes an error."""
        self.collector.refuse(self.file, f"{self.key}, {where}", what, fix)

    def leave(self, where: str, what: str) -> None:
        """Notes an object that has no area, which is left out."""
        self.collector.leave(self.key)
        self.collector.warn(self.file, f"{self.key}, {where}", f"{what}: left out", "outline it, or delete it")

    def polygon(self, where: str, values: Any, scale: tuple[float, float] = (1.0, 1.0)) -> Make | None:
        """How to fill a ring of pairs; None, and a warning, where it has fewer than three."""
        if isinstance(values, list) and len(values) < 3:
            self.leave(where, f"is a polygon of {len(values)} points")
            return None
        return lambda: Polygon((points(pairs(values) * scale),))

    def line(self, where: str, values: Any, scale: tuple[float, float] = (1.0, 1.0)) -> Make | None:
        """How to draw an open line of pairs; None, and a problem, without two of them or a width."""
        if isinstance(values, list) and len(values) < 2:
            self.leave(where, f"is a line of {len(values)} points")
            return None
        width = self.collector.reading.line_width
        if width is None:
            self.refuse(where, "is an open line, which has no area", "give its width in px: --line-width 3")
            return None
        return lambda: Line(points(pairs(values, 2) * scale, 2), width)


def pairs(values: Any, least: int = 3) -> Points:
    """(N, 2) float64 from a list of pairs; raises BadShape."""
    if not isinstance(values, list) or not all(isinstance(pair, list | tuple) for pair in values):
        raise BadShape("has points that are no list of pairs")
    return points(values, least)


def side(value: Any, name: str) -> int:
    """A whole number of pixels, 1 or more; raises BadShape."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 1e6 or value != int(value):
        raise BadShape(f"has a {name} of {said(value)}, which is no number of pixels")
    return int(value)


def said(value: Any) -> str:
    """A value of a hostile file as it can be shown."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    if isinstance(value, int) and not -1e15 < value < 1e15:
        return "a huge number"
    text = repr(value[: _SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def called(value: Any, number: int) -> str:
    """How an entry of a file is named: by its id where that is a text or a number, else by its place, from 1."""
    if (isinstance(value, str) and value) or (isinstance(value, int) and not isinstance(value, bool)):
        return said(value).strip("'")
    return f"no. {number}"


def loaded(collector: Collector, file: Path) -> Iterator[Any]:
    """The file's JSON; nothing, and an error, where it has none."""
    try:
        yield load_json(file)
    except UserError as reason:
        problem = refused("", reason)
        collector.refuse(file, "", problem.what, problem.fix)


def moment(entry: dict[str, Any]) -> float:
    """When something was last changed, else made, as seconds; minus infinity where it does not say."""
    for key in ("updated_at", "created_at"):
        try:
            when = datetime.fromisoformat(entry[key])
        except (KeyError, TypeError, ValueError):
            continue
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return (when - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    return -np.inf
