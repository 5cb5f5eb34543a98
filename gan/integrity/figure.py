"""A figure of integrity: one number with a limit, that a painter which cheats does not keep."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal

DIGITS = 4  # that are written down


@dataclass(frozen=True)
class Figure:
    """`value` keeps to `limit` if it is at most ("max") or at least ("min") that; None: it could not be measured."""

    name: str
    value: float | None
    limit: float
    sense: Literal["max", "min"]
    what: str  # one sentence for the report
    detail: Mapping[str, Any] = field(default_factory=dict)  # plain numbers and names

    @property
    def passed(self) -> bool | None:
        """Whether the limit is kept; None where there is no value."""
        if self.value is None:
            return None
        return self.value <= self.limit if self.sense == "max" else self.value >= self.limit

    def row(self) -> dict[str, Any]:
        """For JSON: what is undefined is null."""
        return {
            "name": self.name,
            "value": plain(self.value),
            "limit": self.limit,
            "sense": self.sense,
            "passed": self.passed,
            "what": self.what,
            "detail": {key: plain(value) for key, value in self.detail.items()},
        }


def plain(value: Any) -> Any:
    """A number as JSON takes it: rounded, None where it is not finite; numbers in dicts and lists alike."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    return round(float(value), DIGITS) if isfinite(value) else None
