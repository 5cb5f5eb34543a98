"""What a command prints: facts as text or JSON, and its progress."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from flawsmith.data.record import Record

WORK = "{desc}: {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}{postfix}]"  # of a bar whose unit says nothing


def show(facts: Mapping[str, Any], as_json: bool) -> None:
    """Prints facts as one line of JSON, or as one line each; of processes that train together, the first one does."""
    from flawsmith.data.distributed import Place

    if not Place.here().is_first:
        return
    if as_json:
        click.echo(json.dumps(facts, default=str))
        return
    for name, value in facts.items():
        text = ", ".join(f"{key} {item}" for key, item in value.items()) if isinstance(value, Mapping) else value
        click.echo(f"{name:<12} {text}")


def follow(events: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Runs progress to its end and returns the last item: a bar a task on a terminal, a line each tenth in a log.

    An item's "note" is printed; its "text" stands in place of its figures, which are seconds of work then.
    """
    from tqdm import tqdm

    bar: tqdm[Any] | None = None
    last: Mapping[str, Any] = {}
    shown: tuple[str, int] | None = None
    try:
        for last in events:
            if "note" in last:
                tqdm.write(last["note"], file=sys.stderr)
            task, figures, text = last.get("task", ""), "text" not in last, last.get("text") or loss(last)
            done, total = last.get("step", last.get("done", 0)), max(last.get("steps", last.get("count", 1)), 1)
            before, shown = shown, (task, int(done * 10 // total))
            if not sys.stderr.isatty():
                if shown != before:
                    share = f"{done}/{total}" if figures else f"{done / total:.0%}"
                    share = str(done) if last.get("endless") else share
                    click.echo(" ".join(f"{task} {share} {text}".split()), err=True)
                continue
            if bar is None or before is None or before[0] != task:
                style: dict[str, Any] = {} if figures else {"bar_format": WORK, "smoothing": 0}
                bar = tqdm(total=total, initial=done, desc=task or None, dynamic_ncols=True, **style)
            bar.set_postfix_str(text, refresh=False)
            bar.update(done - bar.n)
    finally:
        if bar is not None:
            bar.close()
        if isinstance(events, Generator):
            events.close()  # now, and not when it is collected: it may have processes to end
    return last


def loss(event: Mapping[str, Any]) -> str:
    """What is said beside the steps of a training."""
    return f"loss {event['loss']:.3f}" if "loss" in event else ""


def by_class(records: Sequence[Record]) -> dict[str, int]:
    """How many images show each class, and how many are good."""
    return dict(sorted(Counter(name for record in records for name in record.defects or ("good",)).items()))
