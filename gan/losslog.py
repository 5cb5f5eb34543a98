"""The losses of a run, one JSON object a line; a resumed run takes up where its checkpoint stands."""

import json
from pathlib import Path
from types import TracebackType


class LossLog:
    """Append to `path`; lines beyond step `kept` (written after the checkpoint that is resumed) are dropped first."""

    def __init__(self, path: Path, kept: int) -> None:
        lines = path.read_text().splitlines()[:kept] if path.exists() else []
        path.write_text("".join(line + "\n" for line in lines))
        self.file = path.open("a")

    def write(self, entry: dict[str, float]) -> None:
        """One line, five significant digits."""
        self.file.write(json.dumps({key: float(f"{value:.5g}") for key, value in entry.items()}) + "\n")

    def __enter__(self) -> "LossLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()
