import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flawsmith.data.errors import UsageError
from flawsmith.data.lock import LOCK, locked

HOLD = """
import sys, time
from pathlib import Path
from flawsmith.data.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_refused_at_once_and_told_who_holds_it(tmp_path: Path) -> None:
    with holder(tmp_path / "out") as process:
        start = time.monotonic()
        message = f"another command is writing here; found process {process.pid} on "
        with pytest.raises(UsageError, match=message), locked(tmp_path / "out"):
            pass
        assert time.monotonic() - start < 30  # the holder sleeps for 60
        process.kill()


def test_a_lock_whose_holder_was_killed_is_free(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        os.kill(process.pid, signal.SIGKILL)
    assert (tmp_path / LOCK).exists()
    with locked(tmp_path):
        assert str(os.getpid()) in (tmp_path / LOCK).read_text()
    assert not (tmp_path / LOCK).exists()


def test_the_lock_is_given_back_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    with locked(tmp_path):
        pass
