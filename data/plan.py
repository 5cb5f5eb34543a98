"""What an output folder was begun with: the same plan continues it, another is refused, nothing is overwritten."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flawsmith.data.errors import UsageError
from flawsmith.data.files import read_json, write_json

PLAN = "config.json"
_SHOWN = 3  # differences that a message names


def open_run(output: Path, plan: dict[str, Any], name: str = PLAN) -> None:
    """Start the folder, or take up one that was begun with the same JSON-able plan; raises UsageError on any other."""
    begun = output / name
    if begun.exists():
        refuse_difference(output, read_json(begun), plan)
        return
    refuse_content(output)
    write_json(begun, plan)


def refuse_difference(output: Path, before: Any, plan: dict[str, Any]) -> None:
    """Raises UsageError that names what of `plan` is not as it was."""
    # Keys that a later version has added, or an earlier one had, are no difference by themselves.
    now = json.loads(json.dumps(plan))
    found = list(differences({key: before.get(key) for key in now} if isinstance(before, dict) else {}, now))
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise UsageError(output, "this run was begun differently", "; ".join(found[:_SHOWN]) + more, "choose a new -o")


def refuse_content(output: Path) -> None:
    """Raises UsageError where `output` is a file or holds anything but what an interrupted start leaves."""
    if output.exists() and (not output.is_dir() or any(not one.name.startswith(".") for one in output.iterdir())):
        raise UsageError(
            output, "the output must be new, empty, or a run to continue", "other files", "choose a new -o"
        )


def differences(before: Any, now: Any, name: str = "") -> Iterator[str]:
    """Where two JSON values differ: "config.count was 5, is 6"."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            yield from differences(before.get(key), now.get(key), f"{name}.{key}" if name else key)
    elif before != now:
        yield f"{name} was {shown(before)}, is {shown(now)}"


def shown(value: Any) -> str:
    """A value as a message has room for."""
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:60]}…"
