"""The words of an option's value, as what they mean; raises UsageError where they mean nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from flawsmith.data.errors import UsageError

if TYPE_CHECKING:
    import torch


def to_device(ctx: click.Context, param: click.Parameter, value: str) -> torch.device:
    """The torch device of an option; torch is imported only when a command really runs."""
    from flawsmith.data.device import pick_device

    return pick_device(value)


def to_names(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """The class names of "a,b"."""
    return None if value is None else tuple(name.strip() for name in value.split(",") if name.strip())


def to_budgets(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int | Literal["all"], ...]:
    """The budgets of "5,10,all"."""
    words = [word.strip() for word in value.split(",")]
    if not all(word == "all" or (word.isascii() and word.isdigit()) for word in words):
        raise UsageError("--real", "budgets are numbers, or all, with commas between them", value)
    return tuple("all" if word == "all" else int(word) for word in words)


def to_pairs(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[tuple[str, str], ...]:
    """The pairs of "crack=pitting,blowhole=pitting", sorted."""
    words = [] if value is None else [word for word in value.split(",") if word.strip()]
    pairs = [tuple(name.strip() for name in word.split("=", 1)) for word in words]
    if any(len(pair) < 2 or not all(pair) for pair in pairs) or (value is not None and not pairs):
        raise UsageError(param.opts[-1], "pairs of classes as in crack=pitting,blowhole=pitting", value)
    return tuple(sorted((pair[0], pair[1]) for pair in pairs))


def to_counts(ctx: click.Context, param: click.Parameter, value: str) -> int | dict[str, int]:
    """The images of "1000", or those of each class of "scratch=500,pit=200"."""
    rule = "a number from 1 on, or numbers of classes as in scratch=500,pit=200"
    pairs = [word.rpartition("=")[::2] for word in value.split(",") if word.strip()]
    counts = {
        name.strip(): int(number) for name, number in pairs if number.strip().isascii() and number.strip().isdigit()
    }
    if len(counts) < len(pairs) or not counts or min(counts.values()) < 1 or ("" in counts and len(counts) > 1):
        raise UsageError("-n/--count", rule, value)
    return counts.get("") or counts


def to_range(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[float, float] | None:
    """The range of "1:3"; of "2" it is 2 to 2."""
    if value is None:
        return None
    low, _, high = value.partition(":")
    try:
        return float(low), float(high or low)
    except ValueError:
        raise UsageError(param.opts[-1], "a range LOW:HIGH, as in 1:3", value) from None
