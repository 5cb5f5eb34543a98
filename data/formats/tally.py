"""What is wrong with many entries for one reason, told once: the first of them, and how many more there are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from flawsmith.data.formats.collect import Collector
from flawsmith.data.problem import Level


@dataclass
class _Case:
    """The first entry and how many there are."""

    where: str
    count: int = 0


@dataclass
class Tally:
    """The problems of one file, counted by what is wrong."""

    _cases: dict[tuple[Level, str, str], _Case] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """True where anything is wrong."""
        return bool(self._cases)

    def refuse(self, where: str, what: str, fix: str) -> None:
        """Counts an error."""
        self._cases.setdefault(("error", what, fix), _Case(where)).count += 1

    def warn(self, where: str, what: str, fix: str) -> None:
        """Counts a warning."""
        self._cases.setdefault(("warning", what, fix), _Case(where)).count += 1

    def tell(self, collector: Collector, file: Path) -> None:
        """Hands one problem a kind to the collector."""
        for (level, what, fix), case in self._cases.items():
            more = f" ({case.count - 1} more like it)" if case.count > 1 else ""
            note = collector.refuse if level == "error" else collector.warn
            note(file, case.where, f"{what}{more}", fix)
