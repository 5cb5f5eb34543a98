"""What an output folder was begun with: the same plan continues it, another is refused, nothing is overwritten."""

import json
from pathlib import Path
from typing import Any

from flawsmith.data.errors import UsageError
from flawsmith.data.files import read_json, write_json

PLAN = "config.json"


def open_run(output: Path, plan: dict[str, Any]) -> None:
    """Start the folder, or take up one that was begun with the same JSON-able plan; raises UsageError on any other."""
    begun = output / PLAN
    if begun.exists():
        before = read_json(begun)
        changed = sorted(key for key in plan if json.loads(json.dumps(plan[key])) != before.get(key))
        if changed:
            raise UsageError(
                output, "this run was begun differently", f"another {', '.join(changed)}", "choose a new -o"
            )
        return
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError(
            output, "the output must be new, empty, or a run to continue", "other files", "choose a new -o"
        )
    write_json(begun, plan)
