"""A real Ray cluster of two nodes on this machine: the same bytes, whoever dies; skipped where Ray is not installed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from painted_sets import tree

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.select import Selection
from flawsmith.gan.fit import fit
from flawsmith.gan.production import ray as production
from flawsmith.gan.production.cluster import Sight, connected, device_there, library
from flawsmith.gan.production.config import GenerateConfig
from flawsmith.gan.production.crew import Hire, Paint
from flawsmith.gan.production.generate import How, generate
from flawsmith.gan.production.ray import Work, paint_on_ray, refuse_without_ray
from flawsmith.gan.production.task import Task
from flawsmith.gan.trainer import FitConfig
from flawsmith.segment.benchmark.cell import Cell
from flawsmith.segment.benchmark.job import Job
from flawsmith.segment.benchmark.plan import Plan
from flawsmith.segment.benchmark.ray import apart_on_ray, share

with suppress(ImportError):
    library()  # the first import, with telemetry off
pytest.importorskip("ray")

import ray
from ray.cluster_utils import Cluster

Entry = dict[str, Any]
CPU = torch.device("cpu")
POISONED, ONCE, WRONG = 21, 30, 5

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the nodes have flawsmith, not its tests


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Cluster]:
    """A cluster of two nodes of one CPU each."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


@pytest.fixture
def cluster(two_nodes: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The cluster, to be found by its address; whole again, where a test before has killed a node."""
    while len(two_nodes.list_all_nodes()) < 2:
        two_nodes.add_node(num_cpus=1)
    monkeypatch.setenv("RAY_ADDRESS", two_nodes.address)
    return two_nodes


def task(folder: Path, device: str = "cpu") -> Task:
    return Task(folder, (), GenerateConfig(1), folder, 0, device)


def painted(folder: Path, count: int, workers: int, hire: Hire) -> dict[int, Entry]:
    entries = list(paint_on_ray(task(folder), iter(range(count)), workers, hire))
    assert sorted(entry["index"] for entry in entries) == list(range(count))  # each once
    return {entry["index"]: entry for entry in entries}


def times(folder: Path, name: object) -> int:
    """How often something has been begun, this time included."""
    with (folder / f"begun-{name}").open("a") as file:
        file.write("x")
    return (folder / f"begun-{name}").stat().st_size


def honest(task: Task) -> Paint:
    node = ray.get_runtime_context().get_node_id()
    times(task.output, f"hired-{os.getpid()}")

    def paint(indices: Sequence[int]) -> Iterator[Entry]:
        patience = time.monotonic() + 60  # a busy machine starts the second long after the first
        while len(list(task.output.glob("begun-hired-*"))) < 2 and time.monotonic() < patience:
            time.sleep(0.05)
        for index in indices:
            time.sleep(0.02)
            times(task.output, index)
            yield {"index": index, "pid": os.getpid(), "node": node}

    return paint


def poisoned(task: Task) -> Paint:
    """One item kills its process each time, another one the first time only; one raises an error."""

    def paint(indices: Sequence[int]) -> Iterator[Entry]:
        for index in indices:
            time.sleep(0.05)  # so that what was done before has been told of
            begun = times(task.output, index)
            if index == POISONED or (index == ONCE and begun == 1):
                os.kill(os.getpid(), signal.SIGKILL)
            if index == WRONG:
                raise ZeroDivisionError("by zero")
            yield {"index": index}

    return paint


def dead(task: Task) -> Paint:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def full(task: Task) -> Paint:
    raise UserError(task.output, "cannot be written", "No space left on device")


def absent(task: Task) -> Paint:
    raise ModuleNotFoundError("No module named 'flawsmith'")


def endless(task: Task) -> Paint:
    def paint(indices: Sequence[int]) -> Iterator[Entry]:
        for index in indices:
            (task.output / f".{index}.part").touch()
            yield {"index": index, "pid": os.getpid()}
            time.sleep(0.1 if index % 16 < 3 else 600)

    return paint


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pids: Iterable[int], within: float = 30) -> bool:
    """Whether the processes end; Ray kills them, and does not wait for it."""
    patience = time.monotonic() + within
    while any(map(alive, pids)) and time.monotonic() < patience:
        time.sleep(0.05)
    return not any(map(alive, pids))


def test_every_item_is_made_once_by_actors_on_both_nodes_that_each_load_their_painter_once(
    cluster: Cluster, tmp_path: Path
) -> None:
    entries = painted(tmp_path, 100, 9, honest)  # of nine workers asked for, the cluster has room for two
    pids = {entry["pid"] for entry in entries.values()}
    assert len(pids) == len({entry["node"] for entry in entries.values()}) == 2
    assert {path.name for path in tmp_path.glob("begun-hired-*")} == {f"begun-hired-{pid}" for pid in pids}
    assert {path.stat().st_size for path in tmp_path.iterdir()} == {1}
    assert gone(pids) and not ray.is_initialized()


def test_an_actor_that_dies_costs_the_others_nothing_and_a_poisoned_item_is_listed(
    cluster: Cluster, tmp_path: Path
) -> None:
    entries = painted(tmp_path, 60, 2, poisoned)
    given_up = {index: entry["rejected"] for index, entry in entries.items() if "rejected" in entry}
    assert set(given_up) == {POISONED, WRONG}
    assert "its process died" in next(iter(given_up[POISONED]))
    assert given_up[WRONG] == {"ZeroDivisionError: by zero": 3}
    begun = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert begun[f"begun-{POISONED}"] in (3, 4) and begun[f"begun-{ONCE}"] == 2  # 4: the first death was put on another
    assert sum(begun.values()) <= 60 + 3 + 1 + 3 + 2  # of the others, only what had not been told of yet


def make(run: Path, selection: Selection, output: Path, how: How | None) -> Iterator[dict[str, Any]]:
    return generate(run, selection.good, GenerateConfig(48, "paste"), output, 0, CPU, how=how)


def test_a_set_has_the_same_bytes_though_a_node_dies(
    cluster: Cluster, selection: Selection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in fit(selection, FitConfig(steps=0, patch=64), tmp_path / "run", 0, CPU):
        pass
    list(make(tmp_path / "run", selection, tmp_path / "alone", None))
    monkeypatch.chdir(tmp_path)  # names may be relative
    (node,) = cluster.worker_nodes
    done = []
    for event in make(Path("run"), selection, Path("clustered"), How(2, paint_on_ray)):
        if event["done"] == 20:
            cluster.remove_node(node, allow_graceful=False)
        done.append(event["done"])
    assert done == [*range(1, 49)]
    assert tree(tmp_path / "clustered") == tree(tmp_path / "alone") | {
        "plan.json": tree(tmp_path / "clustered")["plan.json"]
    }


def test_actors_that_only_die_end_the_run(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(production, "BARREN", 1)
    with pytest.raises(UserError, match=r"processes that paint must live; found 2 deaths in a row"):
        painted(tmp_path, 10, 1, dead)


def test_what_no_item_is_to_blame_for_ends_the_run_with_its_own_message(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written; found No space left on device"):
        painted(tmp_path, 40, 1, full)
    with pytest.raises(UserError, match=r"No module named 'flawsmith'; install the same flawsmith on all nodes"):
        painted(tmp_path, 40, 1, absent)
    with pytest.raises(UserError, match=r"the cluster has at least one GPU; found 0"):
        next(paint_on_ray(task(tmp_path, "cuda"), iter(range(3)), 1, honest))


def test_no_actor_and_no_half_file_is_left_and_the_end_comes_soon(cluster: Cluster, tmp_path: Path) -> None:
    with closing(paint_on_ray(task(tmp_path), iter(range(64)), 2, endless)) as entries:
        pids = {next(entries)["pid"] for _ in range(8)}  # the four that each is told to hurry with
        start = time.monotonic()
    assert len(pids) == 2 and time.monotonic() - start < 60
    assert gone(pids) and not list(tmp_path.glob(".*"))


def test_items_are_given_out_in_chunks_and_those_of_the_dead_alone_and_first() -> None:
    work = Work(iter(range(20)))
    assert work.take() == list(range(16))
    work.again.extend([3, 4])
    assert [work.take(), work.take(), work.take()] == [[3], [4], [16, 17, 18, 19]] and not work


def test_nothing_to_do_needs_no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "ray://nowhere")
    assert list(paint_on_ray(task(tmp_path), iter(()), 2, honest)) == []
    assert list(apart_on_ray([], 2, perform)) == []


ALONE = """
import os, signal
from flawsmith.gan.production.cluster import connected

before, environment = signal.getsignal(signal.SIGTERM), set(os.environ)
for _ in range(2):
    with connected() as ray:
        assert signal.getsignal(signal.SIGTERM) is before and os.environ["RAY_AUTH_MODE"] == "token"
        with connected():  # as in a program that has a cluster already
            pass
        print(ray.get(ray.remote(lambda: os.getppid()).remote()))
    assert not ray.is_initialized() and signal.getsignal(signal.SIGTERM) is before
print({name for name in set(os.environ) - environment if "AUTH" in name})
"""


def test_a_cluster_that_was_not_there_is_started_closed_to_others_and_ends(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "RAY_ADDRESS": "local", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", ALONE], env=os.environ | home, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    *nodes, left = done.stdout.splitlines()
    assert len(set(nodes)) == 2 and gone(list(map(int, nodes))) and left == "set()"
    assert not done.stderr and not list(tmp_path.iterdir())


def test_an_address_that_leads_nowhere_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    with pytest.raises(UsageError, match="RAY_ADDRESS: the first process is part of the cluster"):
        connected().__enter__()
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(UserError, match=r"RAY_ADDRESS: a cluster is at this HOST:PORT; found 127.0.0.1:1;"):
        connected().__enter__()


def test_a_node_must_see_what_is_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path)
    sight = Sight.here(Path("there"), Path("nowhere"))
    monkeypatch.chdir("/")
    sight.share()
    assert Path.cwd() == tmp_path and sight.paths == (Path("there"),)
    (tmp_path / "there").rmdir()
    with pytest.raises(UserError, match="there: every node sees it; found a worker node does not see it"):
        sight.share()


def test_without_ray_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_without_ray()
    monkeypatch.setattr(production, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"--executor ray: .*pip install 'flawsmith\[cluster\]'"):
        refuse_without_ray()


def test_an_actor_calls_its_gpu_the_first() -> None:
    assert [device_there(name) for name in ("cpu", "cuda", "cuda:3")] == ["cpu", "cuda:0", "cuda:0"]


@pytest.mark.parametrize(
    ("cpus", "workers", "each"), [((4, 4), 2, 4), ((4, 4), 3, 2), ((8,), 3, 2), ((1, 1), 5, 1), ((16, 2), 2, 8)]
)
def test_trials_share_the_cpus_of_the_nodes(cpus: tuple[int, ...], workers: int, each: int) -> None:
    assert share([{"CPU": held, "GPU": 0} for held in cpus], "CPU", workers) == each


def test_trials_on_gpus_share_the_cpus_beside_them() -> None:
    assert share([{"CPU": 64, "GPU": 1}, {"CPU": 8, "GPU": 2}], "GPU", 3) == 4


def perform(job: Job) -> Iterator[dict[str, Any]]:
    """The first seed dies, the second leaves half a file and a bug, the others are done."""
    yield {"task": "begun", "threads": torch.get_num_threads()}
    if job.cell.seed == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    if job.cell.seed == 1:
        job.folder.mkdir(parents=True)
        (job.folder / ".half.part").touch()
        raise ZeroDivisionError("by zero")
    if job.cell.seed == 9:
        time.sleep(600)


def jobs(root: Path, output: Path, seeds: Sequence[int]) -> list[Job]:
    return [Job(Plan(root, output), Cell(seed, 1, ("real",)), "cpu", 1) for seed in seeds]


def test_a_trial_that_dies_is_told_and_the_others_go_on(cluster: Cluster, parts: Path, tmp_path: Path) -> None:
    found: dict[int, list[dict[str, Any]]] = {seed: [] for seed in range(4)}
    for cell, event in apart_on_ray(jobs(parts, tmp_path, range(4)), 2, perform):
        found[cell.seed].append(event)
    begun, end = {"task": "begun", "threads": 1}, {"end": True}
    assert found[0][-2:] == [{"failed": "its process died on the cluster; out of memory?"}, end]
    assert found[0][:-2] in ([begun], [])  # what it told last may have died with it
    assert found[1] == [begun, {"failed": "ZeroDivisionError: by zero"}, end]
    assert found[2] == found[3] == [begun, end]
    assert not list(tmp_path.rglob("*.part"))


def test_trials_that_are_stopped_end_at_once(cluster: Cluster, parts: Path, tmp_path: Path) -> None:
    start = time.monotonic()
    with closing(apart_on_ray(jobs(parts, tmp_path, [9, 9]), 2, perform)) as events:
        next(events)
    assert time.monotonic() - start < 90 and not ray.is_initialized()
