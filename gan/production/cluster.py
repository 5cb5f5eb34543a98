"""A Ray cluster: the one that runs, or one of this machine alone; what was found running stays."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from secrets import token_hex
from tempfile import gettempdir
from typing import Any

from flawsmith.data.errors import UsageError, UserError

PATIENCE = 300.0  # seconds in which a cluster has to start a worker where it has none at work
GRACE = 1.0  # seconds in which Ray has to tell that what was killed is dead; it takes milliseconds
ADDRESS = "RAY_ADDRESS"
_ANSWER = 5.0  # seconds that a cluster has to take a connection
_QUIET = {"log_to_driver": False, "logging_level": "ERROR"}


def library() -> Any:
    """Ray, told to be silent before it is imported. Any: types are the same to mypy whether it is installed or not."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # no telemetry
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")  # it tells of deaths on stdout, where --json has its line
    return import_module("ray")


@contextmanager
def connected() -> Iterator[Any]:
    """Ray, connected to RAY_ADDRESS, to the cluster that `ray start` began here, or else to one started for the while.

    Raises UserError where there is no cluster at RAY_ADDRESS, or one of other versions.
    """
    ray = library()
    if ray.is_initialized():
        yield ray  # by the program that calls, which keeps it
        return
    address = _address()
    with nullcontext() if address else _guarded():
        try:
            with _own_sigterm():
                _join(ray, address) if address else _start(ray)
            yield ray
        finally:
            ray.shutdown()  # of a cluster that was found, only the connection ends


def _address() -> str | None:
    """Where there is a cluster to join; raises UserError where RAY_ADDRESS leads to none.

    Ray's own search would also find a cluster that another command has started for the while, and waits for minutes,
    deaf to Ctrl-C, at an address where nobody answers.
    """
    given = os.environ.get(ADDRESS, "")
    if given in ("", "auto"):
        told = Path(os.environ.get("RAY_TMPDIR") or gettempdir(), "ray", "ray_current_cluster")
        found = told.read_text(encoding="utf-8").strip() if told.is_file() else ""
        return found if _answers(found) else None  # a file without a cluster is left by one that was killed
    if given == "local":
        return None
    if "://" in given:
        fix = "run the command on a node of the cluster, or with ray job submit"
        raise UsageError(ADDRESS, "the first process is part of the cluster, no client of it", given, fix)
    if not _answers(given):
        raise UserError(
            ADDRESS, "a cluster is at this HOST:PORT", given, f"begin one with ray start, or unset {ADDRESS}"
        )
    return given


def _answers(address: str) -> bool:
    """Whether anybody listens at HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_ANSWER):
            return True
    except (OSError, ValueError):
        return False


def _join(ray: Any, address: str) -> None:
    """Connects to a cluster; raises UserError where its Ray or Python is another."""
    try:
        ray.init(address, **_QUIET)
    except (ConnectionError, RuntimeError) as error:
        fix = "use the cluster's versions of Python and Ray"
        raise UserError("--executor ray", f"the cluster at {address} can be joined", _first(error), fix) from error


def _start(ray: Any) -> None:
    """Starts a cluster of this machine alone."""
    ray.init("local", include_dashboard=False, **_QUIET)


@contextmanager
def _guarded() -> Iterator[None]:
    """Within it a cluster that is started takes orders from this process only, though its ports are open.

    Ray would put its token into the home folder, which may be read-only, and would leave its settings behind.
    """
    before = {name: os.environ.get(name) for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")}
    os.environ["RAY_AUTH_TOKEN"] = before["RAY_AUTH_TOKEN"] or _token()
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})


@cache
def _token() -> str:
    """This process's token; Ray remembers the first that it has seen."""
    return token_hex(32)


def _first(error: BaseException) -> str:
    """An error's first line; Ray's are pages long."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Ray takes SIGTERM for itself: it is given back."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set signals
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def nodes(ray: Any, resource: str) -> list[dict[str, int]]:
    """CPUs and GPUs of each living node that has the `resource`, one of these; raises UserError where none has."""
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    held = [{kind: int(one.get(kind, 0)) for kind in ("CPU", "GPU")} for one in alive]
    found = [one for one in held if one[resource]]
    if not found:
        raise UserError("--executor ray", f"the cluster has at least one {resource}", 0, "add a node that has")
    return found


def resource_of(device: str) -> str:
    """What a worker takes of the cluster: a CPU or a GPU."""
    return "GPU" if device.startswith("cuda") else "CPU"


def device_there(device: str) -> str:
    """The device's name in a worker, which sees no GPU but its own."""
    return "cuda:0" if device.startswith("cuda") else device


def actor(ray: Any, kind: type, device: str, cpus: int = 1) -> Any:
    """A class whose objects live in processes of the cluster, spread over its nodes; none is started again by Ray."""
    gpus = 1 if resource_of(device) == "GPU" else 0
    return ray.remote(num_cpus=cpus, num_gpus=gpus, max_restarts=0, scheduling_strategy="SPREAD")(kind)


def kill(ray: Any, actors: Sequence[Any]) -> None:
    """Ends actors at once, and waits until they have; each has a method `ready`."""
    last = [one.ready.remote() for one in actors]  # each fails when its actor is dead
    for one in actors:
        ray.kill(one)
    if last:
        ray.wait(last, num_returns=len(last), timeout=GRACE)


def out_of_patience() -> UserError:
    """The error of a cluster that starts no worker."""
    found = f"none within {PATIENCE:.0f} seconds"
    return UserError("--executor ray", "the cluster has room for a worker", found, "see ray status; free or add a node")


def not_installed(error: Exception) -> UserError | None:
    """The error of a worker that could not import what it needs; None for any other."""
    missing = [line for line in str(error).splitlines() if "ModuleNotFoundError" in line]
    if not missing:
        return None
    fix = "install the same flawsmith on all nodes"
    return UserError("--executor ray", "every node has what the first one has", missing[-1].strip(), fix)


@dataclass(frozen=True)
class Sight:
    """What a worker must see as the first process does: its working folder, to which names are relative, and files."""

    home: Path
    paths: tuple[Path, ...]

    @classmethod
    def here(cls, *paths: Path) -> Sight:
        """Those of the paths that this process sees."""
        return cls(Path.cwd(), tuple(path for path in paths if path.exists()))

    def share(self) -> None:
        """Take the same working folder; raises UserError where this node does not see one of the paths."""
        with suppress(OSError):  # names may all be absolute
            os.chdir(self.home)
        for path in self.paths:
            if not (self.home / path).exists():
                fix = "use a file system that all nodes share, mounted at the same place"
                raise UserError(path, "every node sees it", "a worker node does not see it", fix)
