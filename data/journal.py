"""A log of finished items, one JSON object a line: what a stopped run has behind it."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flawsmith.data.files import cannot_write, write_text


class Journal:
    """The entries of finished images, appended after their files exist; a torn last line is dropped."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self) -> list[dict[str, Any]]:
        """What is finished; rewrites the file without a torn end."""
        if not self.path.exists():
            return []
        lines = self.path.read_text().split("\n")
        kept = [line for line in lines[:-1] if line]  # what follows the last line end was torn
        if lines[-1]:
            write_text(self.path, "".join(line + "\n" for line in kept))
        return [json.loads(line) for line in kept]

    def append(self, entries: Iterable[dict[str, Any]]) -> None:
        """Add finished entries."""
        try:
            with self.path.open("a") as file:
                file.writelines(json.dumps(entry, sort_keys=True) + "\n" for entry in entries)
        except OSError as error:
            raise cannot_write(self.path, error) from error
