"""A benchmark does what is asked, once: it goes on where it stopped, one failure spares the rest."""

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from flawsmith.cli import main
from flawsmith.data.augment import AugmentConfig
from flawsmith.data.console.app import INTERRUPTED
from flawsmith.data.errors import PartlyDone, UsageError, UserError
from flawsmith.data.files import read_json, write_json
from flawsmith.data.read import read
from flawsmith.data.split import make_split
from flawsmith.gan.gate import GateConfig
from flawsmith.gan.trainer import FitConfig
from flawsmith.segment.benchmark import job as job_module
from flawsmith.segment.benchmark import run as run_module
from flawsmith.segment.benchmark.cell import Cell, grid
from flawsmith.segment.benchmark.job import Job
from flawsmith.segment.benchmark.plan import TURNED, Plan, prepare
from flawsmith.segment.benchmark.processes import apart
from flawsmith.segment.benchmark.progress import Progress
from flawsmith.segment.benchmark.results import assemble, finished
from flawsmith.segment.benchmark.run import outlook, run
from flawsmith.segment.train import TrainConfig
from flawsmith.segment.trial import TrialConfig

CPU = torch.device("cpu")
OPEN = GateConfig(copies=False, critic=False)  # what is painted after a step or two is like nothing
TINY = TrialConfig(FitConfig(steps=2, rate=0.3, blanks=8), TrainConfig(steps=1, batch=4), count=4, workers=1, gate=OPEN)
MakeParts = Callable[..., Path]


class Stage:
    """Stands in for trials and judges: writes the files by which they are known to be done, and remembers calls."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.trained: list[tuple[str, str]] = []  # cell, arm
        self.judged: list[tuple[str, tuple[str, ...]]] = []
        self.errors: dict[tuple[str, str], BaseException] = {}
        patch.setattr(job_module, "trial", self.trial)
        patch.setattr(run_module, "write_results", self.write_results)
        judge = SimpleNamespace(judge_cell=self.judge_cell)
        patch.setitem(sys.modules, "flawsmith.segment.benchmark.integrity", judge)
        report = SimpleNamespace(write_report=lambda folder, results: folder / "report.html")
        patch.setitem(sys.modules, "flawsmith.segment.benchmark.report", report)

    def trial(
        self,
        root: Path,
        split: Path,
        real: int | None,
        seed: int,
        arms: Sequence[str],
        config: Any,
        output: Path,
        *_: Any,
    ) -> Iterator[dict[str, Any]]:
        assert split.exists()
        cell, failed = f"{output.parent.name}/{output.name}", {}
        for arm in arms:
            if arm in finished(output):
                continue
            self.trained.append((cell, arm))
            yield {"task": f"{arm}: train", "arm": arm, "step": 1, "steps": 2}
            error = self.errors.get((cell, arm))
            if isinstance(error, UserError):
                failed[arm] = error
                continue
            if error is not None:
                raise error
            write_json(output / "arms" / arm / "eval" / "metrics.json", {})
            yield {"task": f"{arm}: evaluate", "arm": arm, "step": 1, "steps": 1}
        if failed:
            raise PartlyDone(output, "some arms could not be finished", str(failed))

    def judge_cell(self, folder: Path, *rest: Any) -> dict[str, Any]:
        _, split, real, _, arms, _, _ = rest
        assert split.exists() and f"real-{real}" == folder.name
        self.judged.append((f"{folder.parent.name}/{folder.name}", arms))
        return {"integrity": [], "distance": [], "sham": {}}

    def write_results(self, folder: Path) -> dict[str, Any]:
        done = sorted(str(path.parents[1].name) for path in folder.glob("trials/*/*/arms/*/eval/metrics.json"))
        content = {"verdict": f"{len(done)} trials", "recommended": {}}
        write_json(folder / "results.json", content)
        return content


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


@pytest.fixture
def plan(parts: Path, tmp_path: Path) -> Plan:
    """Two seeds, two budgets, three arms: four cells of two arms, two of the ceiling."""
    return Plan(parts, tmp_path / "bench", (1, 2), (0, 1), ("real+paste", "all-real"), config=TINY)


CELLS = [f"seed-{seed}/{name}" for seed in (0, 1) for name in ("real-1", "real-2", "all")]


def cli(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["benchmark", *map(str, arguments), "--device", "cpu"])


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_grid_has_each_arm_at_each_budget_and_the_ceiling_once_a_seed() -> None:
    cells = grid((0, 1), (5, "all"), ("real", "real+gan", "all-real"))
    trials = [(cell.seed, cell.real, arm) for cell in cells for arm in cell.arms]
    wanted = {(s, real, arm) for s in (0, 1) for real in (5, "all") for arm in ("real", "real+gan")}
    assert set(trials) == wanted | {(s, "all", "all-real") for s in (0, 1)} and len(trials) == 10
    assert len({cell.folder for cell in cells}) == len(cells) == 6


def test_a_plan_is_put_in_order_and_has_the_arm_to_compare_with(tmp_path: Path) -> None:
    plan = Plan(tmp_path, tmp_path, ("all", 25, 5, 25), arms=("real+gan+paste", "real+paste"))
    assert plan.budgets == (5, 25, "all") and plan.arms == ("real", "real+paste", "real+gan+paste")


@pytest.mark.parametrize(
    "wrong", [{"budgets": ()}, {"budgets": (0,)}, {"seeds": ()}, {"seeds": (-1,)}, {"arms": ("x",)}, {"arms": ()}]
)
def test_a_plan_that_makes_no_sense_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Plan(tmp_path, tmp_path, **wrong)


def test_each_seed_has_its_own_split_which_is_kept(stage: Stage, plan: Plan) -> None:
    list(run(plan, CPU))
    splits = [read_json(plan.split(seed)) for seed in (0, 1)]
    assert splits[0] != splits[1]
    for seed in (0, 1):
        assert prepare(plan).splits[seed] == make_split(read(plan.root), 0.5, seed)


def test_a_budget_beyond_every_class_is_all_there_is(stage: Stage, plan: Plan) -> None:
    wanted = replace(plan, budgets=(1, 3, 9))
    prepared = prepare(wanted)
    assert prepared.budgets == (1, "all")
    assert [note for note in prepared.data["notes"] if "of every class (pit 2, scratch 2): told as all" in note]
    assert outlook(wanted)["real"] == "1, all"
    list(run(wanted, CPU))
    setting = read_json(plan.output / "setting.json")
    assert setting["budgets"] == [1, "all"] and any("fewer than 9" in note for note in setting["data"]["notes"])


def test_a_budget_that_one_class_cannot_fill_is_a_note(make_parts: MakeParts, tmp_path: Path, plan: Plan) -> None:
    root = make_parts(tmp_path / "uneven", defects=8)
    lines = (root / "manifest.csv").read_text().splitlines()
    kept = [
        line
        for line in lines
        if "scratch" not in line or line.split(",")[0] in {f"images/scratch{i}.png" for i in range(4)}
    ]
    (root / "manifest.csv").write_text("\n".join(kept) + "\n")
    (note,) = prepare(replace(plan, root=root, budgets=(1, 3))).data["notes"]
    assert "fewer than 3" in note and "scratch 2" in note and "pit" not in note


@pytest.mark.parametrize("turn", [False, True])
def test_parts_that_lie_any_way_are_told_of_and_take_longer(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, turn: bool
) -> None:
    asked = []
    monkeypatch.setattr("flawsmith.segment.train.lie_any_way", lambda good: asked.append(good) or turn)
    wanted = replace(plan, config=replace(TINY, train=replace(TINY.train, steps=None)))
    prepared, left = prepare(wanted), outlook(wanted)
    pool = prepared.splits[0].pool(read(plan.root))
    assert asked[0] == [record for record in pool if record.good]
    assert (TURNED in prepared.data["notes"]) == turn == prepared.turn == (TURNED in left["notes"])
    assert int(left["left"].split()[1]) == (15 if turn else 10)  # minutes of 10 trials


def test_each_cell_is_done_once_and_the_last_item_has_the_results(stage: Stage, plan: Plan) -> None:
    *_, last = run(plan, CPU)
    assert last["results"]["verdict"] == "10 trials" and last["failed"] == {}
    assert last["report"] == plan.output / "report.html"
    assert len(stage.trained) == len(set(stage.trained)) == 10
    assert [cell for cell, _ in stage.judged] == [cell for cell in CELLS if "all" not in cell]
    stage.trained.clear()
    assert len(list(run(plan, CPU))) == 2 and not stage.trained


def test_results_are_there_after_each_cell(stage: Stage, plan: Plan) -> None:
    seen = []
    for event in run(plan, CPU):
        path = plan.output / "results.json"
        seen.append((event["text"].split()[0], read_json(path)["verdict"] if path.exists() else None))
    assert ("2/10", "2 trials") in seen and ("5/10", "5 trials") in seen


def test_an_interrupted_benchmark_goes_on_where_it_stopped(stage: Stage, plan: Plan) -> None:
    stage.errors = {("seed-0/real-2", "real+paste"): KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        list(run(plan, CPU))
    assert read_json(plan.output / "results.json")["verdict"] == "2 trials"
    before = list(stage.trained)
    stage.errors.clear()
    *_, last = run(plan, CPU)
    assert last["results"]["verdict"] == "10 trials"
    assert [one for one in before if stage.trained.count(one) > 1] == [("seed-0/real-2", "real+paste")]


@pytest.mark.parametrize("error", [UserError("fit", "diverged"), ZeroDivisionError("a bug")])
def test_one_that_fails_does_not_stop_the_others(stage: Stage, plan: Plan, error: Exception) -> None:
    stage.errors = {("seed-0/real-2", "real"): error}
    *events, last = run(plan, CPU)
    assert list(last["failed"]) == ["seed 0, 2 real"] and str(error) in last["failed"]["seed 0, 2 real"]
    assert any(str(error) in event.get("note", "") for event in events)
    done = {
        path.parents[3].relative_to(plan.output / "trials").as_posix() for path in plan.output.rglob("metrics.json")
    }
    assert set(CELLS) - done <= {"seed-0/real-2"}
    logs = list((plan.output / "errors").glob("*.txt"))
    assert len(logs) == (not isinstance(error, UserError)) and all("Traceback" in log.read_text() for log in logs)
    stage.errors.clear()
    *_, last = run(plan, CPU)
    assert last["results"]["verdict"] == "10 trials" and last["failed"] == {}


def test_where_nothing_could_be_finished_the_error_is_the_users(stage: Stage, plan: Plan) -> None:
    stage.errors = {
        (cell, arm): UserError("x", "broken") for cell in CELLS for arm in ("real", "real+paste", "all-real")
    }
    with pytest.raises(UserError, match=r"no trial could be finished.*broken"):
        list(run(plan, CPU))


def test_arms_budgets_and_seeds_may_join_later(stage: Stage, plan: Plan) -> None:
    first = replace(plan, budgets=(2,), seeds=(0,), arms=("real",))
    list(run(first, CPU))
    list(run(replace(first, budgets=(1,)), CPU))
    *_, last = run(plan, CPU)
    assert last["results"]["verdict"] == "10 trials" and len(stage.trained) == len(set(stage.trained))
    setting = read_json(plan.output / "setting.json")
    assert (setting["budgets"], setting["seeds"]) == ([1, 2], [0, 1])
    assert setting["command"] == (
        "flawsmith benchmark parts --real 1,2 --seeds 2 --arms real,real+paste,all-real "
        "--fit-steps 2 --steps 1 -n 4 -o bench"
    )


@pytest.mark.parametrize(("turn", "word"), [(True, "--turn"), (False, "--no-turn")])
def test_how_parts_are_seen_is_asked_for_and_told(stage: Stage, plan: Plan, turn: bool, word: str) -> None:
    train = replace(plan.config.train, shrink=2, augment=AugmentConfig(turn=turn))
    list(run(replace(plan, config=replace(plan.config, train=train)), CPU))
    command = read_json(plan.output / "setting.json")["command"]
    assert " --shrink 2 " in command and command.endswith(f" {word} -o bench")
    dry = cli(plan.root, "--shrink", 2, word, "--seeds", 1, "--real", 1, "-o", plan.output, "--dry-run", "--json")
    train_config = json.loads(dry.stdout)["config"]["train"]
    assert (train_config["shrink"], train_config["augment"]["turn"]) == (2, turn)


def test_a_cell_is_judged_again_when_an_arm_joins_it(stage: Stage, plan: Plan) -> None:
    small = replace(plan, budgets=(1,), seeds=(0,), arms=("real+paste",))
    list(run(small, CPU))
    list(run(replace(small, arms=("real+gan",)), CPU))
    assert [arms for _, arms in stage.judged] == [("real", "real+paste"), ("real", "real+paste", "real+gan")]


def test_a_changed_plan_is_refused_and_the_difference_named(
    stage: Stage, plan: Plan, make_parts: MakeParts, tmp_path: Path
) -> None:
    list(run(plan, CPU))
    before = files(plan.output)
    mended = make_parts(tmp_path / "parts")
    (mended / "masks" / "pit0.png").write_bytes((mended / "masks" / "pit1.png").read_bytes())
    for changed, name in (
        (replace(plan, config=replace(TINY, count=5)), "count"),
        (replace(plan, config=replace(TINY, train=replace(TINY.train, steps=2))), r"train\.steps"),
        (replace(plan, classes=("pit",)), "classes"),
        (replace(plan, root=mended), "masks"),
    ):
        with pytest.raises(UsageError, match=f"begun differently; found {name}"):
            list(run(changed, CPU))
    assert files(plan.output) == before
    list(run(replace(plan, config=replace(TINY, workers=2)), CPU))  # how it is computed is no part of the plan


def test_progress_never_falls_and_ends_full(stage: Stage, plan: Plan) -> None:
    stage.errors = {("seed-1/real-1", "real"): ValueError()}
    events = list(run(plan, CPU))
    done = [event["done"] for event in events]
    assert done == sorted(done) and done[-1] == events[-1]["count"]
    assert events[-1]["text"].startswith("8/10 trials")


def test_a_later_task_means_that_the_earlier_ones_are_done() -> None:
    cell = Cell(0, 5, ("real", "real+gan"))
    work = cell.work(TrialConfig(), 10)
    progress = Progress({cell: work})
    progress.update(cell, {"task": "real: evaluate", "step": 5, "steps": 10}, 0)
    names = list(work)
    before = sum(work[name] for name in names[: names.index("real: evaluate")])
    assert progress.event()["done"] == pytest.approx(before + work["real: evaluate"] / 2)
    assert names == [
        *("fit", "paint: gan", "real: train", "real: evaluate", "real+gan: train", "real+gan: evaluate", "judge")
    ]


def test_a_bug_in_the_judge_costs_no_trial(stage: Stage, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = SimpleNamespace(judge_cell=lambda *_, **__: 1 / 0)
    monkeypatch.setitem(sys.modules, "flawsmith.segment.benchmark.integrity", broken)
    *_, last = run(plan, CPU)
    assert last["results"]["verdict"] == "10 trials" and len(last["failed"]) == 4


def test_the_command_prints_the_verdict_and_says_what_failed(stage: Stage, parts: Path, tmp_path: Path) -> None:
    options = [parts, "--real", "1,2", "--seeds", 2, "--arms", "real+paste", "--steps", 1, "-o", tmp_path / "bench"]
    dry = cli(*options, "--dry-run")
    assert dry.exit_code == 0 and "0/8 trials" in dry.output and not (tmp_path / "bench").exists()
    stage.errors = {("seed-0/real-2", "real"): UserError("a", "broken")}
    result = cli(*options)
    assert result.exit_code == 3 and result.stdout.startswith("7 trials") and "broken" in result.stderr
    stage.errors.clear()
    result = cli(*options, "--json")
    assert result.exit_code == 0 and '"verdict": "8 trials"' in result.stdout and result.stdout.count("\n") == 1


@pytest.mark.parametrize("real", ["five", "5,,10", "0", "-1", ""])
def test_a_wrong_budget_is_exit_code_2(parts: Path, tmp_path: Path, real: str) -> None:
    result = cli(parts, "--real", real, "-o", tmp_path / "bench")
    assert result.exit_code == 2 and result.stderr.startswith("Error: --real") and not (tmp_path / "bench").exists()


HELPER = """
import os, signal

def perform(job):
    yield {"task": "begun"}
    if job.cell.seed == 0:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_dies_is_told_and_the_others_go_on(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "helper.py").write_text(HELPER)
    monkeypatch.syspath_prepend(str(tmp_path))
    jobs = [Job(plan, Cell(seed, 1, ("real",)), "cpu", 1) for seed in (0, 1)]
    found: dict[int, list[dict[str, Any]]] = {0: [], 1: []}
    for cell, event in apart(jobs, 1, importlib.import_module("helper").perform):
        found[cell.seed].append(event)
    assert found[1] == [{"task": "begun"}, {"end": True}]
    assert "exit code -9" in found[0][1]["failed"] and found[0][2] == {"end": True}


def _alive(session: int) -> list[str]:
    """The processes of a session that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, own = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it ended meanwhile
            continue
        found += [stat.parent.name] if int(own) == session and state != "Z" else []
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are counted in /proc")
def test_ctrl_c_leaves_no_process_behind_and_says_how_to_go_on(parts: Path, tmp_path: Path) -> None:
    output = tmp_path / "bench"
    options = ["--real", "1", "--seeds", "2", "--arms", "real", "--steps", "9999", "--workers", "2", "--device", "cpu"]
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # tests in a background ignore it
    script = f"{heard}; from flawsmith.cli import main; main()"
    command = [sys.executable, "-c", script, "benchmark", str(parts), *options, "-o", str(output)]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + 120
        while len(list(output.glob("trials/*/real-1/arms/real/model"))) < 2 and time.monotonic() < end:
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        try:
            _, said = process.communicate(timeout=60)
        finally:
            if process.poll() is None:  # or the wait for it would never end
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130 and said.endswith(INTERRUPTED + "\n") and "Traceback" not in said
    end = time.monotonic() + 5
    while _alive(process.pid) and time.monotonic() < end:  # the one that counts multiprocessing's resources goes last
        time.sleep(0.1)
    assert not _alive(process.pid) and not list(output.rglob("*.part"))


@pytest.fixture(scope="module")
def whole(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, dict[str, Any]]:
    """A benchmark with nothing replaced: tiny trainings, two processes; the plan, and the last item."""
    output = tmp_path_factory.mktemp("whole") / "bench"
    plan = Plan(parts, output, (1,), (3,), ("real", "real+gan", "all-real"), config=TINY)
    *_, last = run(plan, CPU, workers=2)
    return plan, last


def test_the_whole_benchmark_in_two_processes(whole: tuple[Plan, dict[str, Any]]) -> None:
    plan, last = whole
    results = read_json(plan.output / "results.json")
    assert last["failed"] == {} and last["results"] == results and last["report"].exists()
    trials = results["trials"]
    assert [(one["arm"], one["real"], one["seed"]) for one in trials] == [
        *(("real", 1, 3), ("real+gan", 1, 3), ("all-real", "all", 3))
    ]
    assert all(set(one["seconds"]) == {"train", "evaluate"} and one["images"] for one in trials)
    data = results["data"]
    assert (data["name"], data["classes"], data["images"], data["groups"]) == ("parts", ["pit", "scratch"], 16, 8)
    assert results["integrity"][0]["figures"] and trials[1]["sham"] and "one seed" in results["verdict"]
    assert results["setting"]["seconds"] > 0


def test_the_folder_alone_makes_the_results(whole: tuple[Plan, dict[str, Any]], tmp_path: Path) -> None:
    plan, last = whole
    moved = shutil.copytree(plan.output, tmp_path / "moved")
    assert assemble(moved) == last["results"]
    shutil.rmtree(moved / "trials" / "seed-3" / "all")
    left = assemble(moved)
    assert [one["arm"] for one in left["trials"]] == ["real", "real+gan"]
    assert left["data"]["notes"][-1] == "1 of 3 trials are not done: all-real (seed 3, all real)."
