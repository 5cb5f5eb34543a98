"""The losses of a run, one JSON object a line; a resumed run takes up where its checkpoint stands."""

import json
from pathlib import Path
from types import TracebackType

from flawsmith.data.files import cannot_write, write_text


class LossLog:
    """Append to `path`; lines beyond step `kept` (written after the checkpoint that is resumed) are dropped first."""

    def __init__(self, path: Path, kept: int) -> None:
        lines = path.read_text(encoding="utf-8").splitlines()[:kept] if path.exists() else []
        write_text(path, "".join(line + "\n" for line in lines))
        self.path, self.file = path, path.open("a", encoding="utf-8")

    def write(self, entry: dict[str, float]) -> None:
        """One line, five significant digits; raises UserError where the disk refuses."""
        line = json.dumps({key: float(f"{value:.5g}") for key, value in entry.items()})
        try:
            self.file.write(line + "\n")
            self.file.flush()  # a run that is killed shows how far it came
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def __enter__(self) -> "LossLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()
