"""Writing files so that a crash, a full disk or Ctrl-C never leaves half a file under a final name."""

import errno
import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any

from flawsmith.data.errors import UsageError, UserError

PART = ".part"  # how the names of unfinished files end; they begin with a dot, so no reader takes one for data

_FIXES = {
    errno.ENOSPC: "free some space and run the same command again",
    errno.EDQUOT: "free some of the quota and run the same command again",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f)",
    errno.EROFS: "choose a folder that can be written to",
    errno.EACCES: "choose a folder that can be written to",
    errno.EPERM: "choose a folder that can be written to",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOTDIR: "choose a folder that is not below a file",
    errno.EISDIR: "choose the name of a file",
}


class CannotWrite(UserError):
    """The system refused to write: disk full, read-only, no permission, name too long."""


def cannot_write(path: Path, error: OSError) -> CannotWrite:
    """The one-line error for a failed write to `path`: the system's reason, and the fix where one is known."""
    return CannotWrite(path, "cannot be written", error.strerror or str(error), _FIXES.get(error.errno or 0))


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` and moves it there at the end; removed on any failure.

    Raises UserError where the system refuses: disk full, read-only, no permission, name too long.
    """
    part = path.with_name(f".{token_hex(8)}{PART}")  # short: a final name may already have the full 255 bytes
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):  # it may never have been made, or the folder neither
            part.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    """Writes bytes to `path`, whole or not at all."""
    with atomic(path) as part:
        part.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text with unix line ends to `path`, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Writes JSON (keys sorted, one space of indent, a newline at the end); raises ValueError on NaN or infinity."""
    write_text(path, json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def read_text(path: Path) -> str:
    """The file's text, UTF-8, a byte order mark dropped; raises UserError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(path, "cannot be read", error.strerror or str(error)) from error
    except ValueError as error:  # UnicodeDecodeError, or a null byte in the path
        raise UserError(path, "must be UTF-8 text", error, "save it as UTF-8") from error


def read_json(path: Path) -> Any:
    """The file's JSON; raises UserError where it is missing or no JSON, with line and column."""
    text = read_text(path)
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        found = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise UserError(path, "must be JSON", found) from error
    except (ValueError, RecursionError) as error:
        raise UserError(path, "must be JSON", error) from error


def new_folder(path: Path, leavings: Collection[str] = ()) -> Path:
    """Creates the folder (parents too) or takes an empty one; raises UsageError on a file or a folder with content.

    `leavings` are names that an interrupted run may have left there: they do not count.
    """
    fix = "choose another --output, or remove it first"
    if path.exists() and not path.is_dir():
        raise UsageError(path, "the output must be a new folder", "a file", fix)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with os.scandir(path) as entries:
            first = next((entry for entry in entries if entry.name not in leavings), None)
    except OSError as error:
        raise cannot_write(path, error) from error
    if first is not None:
        raise UsageError(path, "the output must be a new folder", f"a folder that holds {first.name}", fix)
    return path


def file_digest(path: Path) -> str:
    """The SHA-256 of a file of any size; raises UserError where it cannot be read."""
    state = sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(2**20):
                state.update(block)
    except OSError as error:
        raise UserError(path, "cannot be read", error.strerror or str(error)) from error
    return state.hexdigest()
