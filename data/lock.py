"""One process a folder: a lock that the system takes back when its holder dies, however it dies."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from flawsmith.data.errors import UsageError
from flawsmith.data.files import cannot_write

try:
    import fcntl
except ImportError:  # Windows: no lock there
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
_TAKEN = (errno.EAGAIN, errno.EACCES)
_UNKNOWN = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)  # file systems without locks: the user has to see to it


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds `folder`, made where it is missing; raises UsageError at once where another process holds it.

    The file names process and host for a person to read; the kernel's lock (flock) on it is what counts, so that a
    lock is never stale.
    """
    path, new = folder / LOCK, not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = _take(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is held: a holder never removes another's
        os.close(handle)
        if new:
            with suppress(OSError):  # what was refused before it wrote anything leaves nothing
                folder.rmdir()


def _take(path: Path) -> int:
    """The open, locked file."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if fcntl is not None:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _UNKNOWN:
                return handle
            holder = os.read(handle, 200).decode(errors="replace").strip()
            os.close(handle)
            if error.errno not in _TAKEN:
                raise
            fix = "wait for it, or choose another -o"
            raise UsageError(path.parent, "another command is writing here", holder or "a process", fix) from error
        if _still_there(path, handle):
            os.ftruncate(handle, 0)
            os.write(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
            return handle
        os.close(handle)  # the holder before removed it between our opening and our locking


def _still_there(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
