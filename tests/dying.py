"""Prunes sets in processes that die at a rename, as if somebody had pulled the plug.

Run as a program it has no threads, and may fork: a child of the tests' own process, which has some, can wait for ever
for a lock that a thread held.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


class Mortal:
    """Prunes on demand, until it is closed."""

    def __init__(self) -> None:
        command = [sys.executable, __file__]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def die_at(self, step: int, *places: Path | None) -> bool:
        """Prunes by the arguments of `prune` in a process that is killed at its n-th rename; True where it was."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps([step, *(place and str(place) for place in places)]) + "\n")
        self.process.stdin.flush()
        return {"0": False, "9": True}[self.process.stdout.readline().strip()]

    def close(self) -> None:
        """Ends it."""
        self.process.communicate()


def _serve() -> None:
    from flawsmith.data.prune import prune

    for line in sys.stdin:
        step, *places = json.loads(line)
        child = os.fork()
        if not child:
            _prune(prune, step, [place and Path(place) for place in places])
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _prune(prune: Any, step: int, places: list[Path | None]) -> None:
    left, replace = [step], Path.replace

    def counted(self: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] < 0:
            os._exit(9)
        return replace(self, target)

    Path.replace = counted  # type: ignore[method-assign, assignment]
    code = 1
    try:
        prune(*places)
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    _serve()
