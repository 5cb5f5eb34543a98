"""A trial: each arm gets what its name says, what arms share is done once, what is finished is not done again."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from flawsmith.data.errors import PartlyDone, UserError
from flawsmith.data.files import read_json, write_json, write_text
from flawsmith.data.record import DataSet, Label, Record
from flawsmith.data.select import Selection
from flawsmith.segment import material as material_module
from flawsmith.segment import trial as module
from flawsmith.segment.trial import ARMS as ALL_ARMS
from flawsmith.segment.trial import TrialConfig, mixture, trial

CPU = torch.device("cpu")
ARMS = {name: arm for name, arm in ALL_ARMS.items() if arm.real not in ("first", "target")}  # those of one product
SCORES = {"overall": {"dice": 0.5}, "per_class": {}}


def _record(name: str, good: bool = False) -> Record:
    return Record(name, Path(name), name, () if good else (Label("pit", Path(name)),))


class Library:
    """Stands in for the steps of a trial: writes the files by which they are known to be done, and remembers calls."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls: Counter[str] = Counter()
        self.learned: dict[str, tuple[int, list[str]]] = {}  # arm → real defects, names of painted records
        self.initial: set[tuple[int, Any]] = set()  # seed and configuration of each training
        self.errors: dict[str, Exception] = {}  # what goes wrong: "fit", a painter, an arm's training
        for name in ("fit", "generate", "train", "evaluate"):
            patch.setattr(module, name, getattr(self, name))
        for name in ("select", "read", "test_records"):
            patch.setattr(material_module, name, getattr(self, name))
        patch.setattr(module, "load_model", lambda *_: None)

    def select(self, root: Path, split: Path | None, real: int | None, classes: Any, seed: int) -> Selection:
        total = 20 if real is None else real
        good = (_record("good", good=True),)
        return Selection(DataSet(root, (), ("pit",), True), tuple(map(_record, map(str, range(total)))), good, ("pit",))

    def test_records(self, *_: Any) -> tuple[Record, ...]:
        return (_record("test"),)

    def read(self, folder: Path) -> Any:
        return SimpleNamespace(records=tuple(_record(f"{folder.name}{index}") for index in range(8)))

    def fit(self, selection: Selection, config: Any, output: Path, *_: Any) -> Iterator[dict[str, Any]]:
        self.calls[f"fit {config.steps}"] += 1
        write_text(output / "bank.safetensors", "")
        self._go_wrong("fit")
        yield {"step": 1, "steps": 1}

    def _go_wrong(self, what: str) -> None:
        if what in self.errors:
            raise self.errors[what]

    def generate(self, run: Path, clean: Any, config: Any, output: Path, *_: Any) -> Iterator[dict[str, Any]]:
        self.calls[f"generate {config.painter}"] += 1
        self._go_wrong(config.painter)
        yield {"done": 1, "count": 1}
        if config.painter == "poisson":
            raise PartlyDone(output, "some images could not be painted", "1 of 8")

    def train(
        self,
        selection: Selection,
        painted: Sequence[Record],
        config: Any,
        output: Path,
        seed: int,
        device: Any,
        made_from: Mapping[str, str],
    ) -> Iterator[dict[str, Any]]:
        arm = output.parent.name
        self.calls[f"train {arm}"] += 1
        self.learned[arm] = (len(selection.defects), [record.name for record in painted])
        self.initial.add((seed, config))
        assert not output.exists()
        write_text(output / "half.part", "")
        yield {"step": 1, "steps": 1, "loss": 1.0}
        self._go_wrong(arm)
        write_text(output / "model.safetensors", "")

    def evaluate(self, _: Any, records: Any, output: Path) -> Iterator[dict[str, Any]]:
        self.calls["evaluate"] += 1
        write_json(output / "metrics.json", SCORES)
        yield {"step": 1, "steps": 1, "metrics": SCORES}


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    return Library(monkeypatch)


Run = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def go(*arms: str, seed: int = 0, config: TrialConfig | None = None) -> list[dict[str, Any]]:
        chosen = config or TrialConfig(count=8)
        return list(trial(tmp_path, None, 5, seed, arms, chosen, tmp_path / "trial", CPU))

    return go


def test_each_arm_learns_from_what_its_name_says(library: Library, run: Run) -> None:
    run(*ARMS)
    reals = {arm: real for arm, (real, _) in library.learned.items()}
    assert reals == dict.fromkeys(ARMS, 5) | {"gan": 0, "all-real": 20}
    painted = {arm: {name.rstrip("01234567") for name in names} for arm, (_, names) in library.learned.items()}
    assert painted == {arm: set(one.painters) for arm, one in ARMS.items()}


def test_every_arm_gets_the_same_recipe_and_seed(library: Library, run: Run) -> None:
    run(*ARMS)
    assert len(library.initial) == 1


def test_what_arms_share_is_done_once(library: Library, run: Run) -> None:
    run("real+gan", "gan", "real+gan+paste", "real+paste")
    assert library.calls["generate gan"] == library.calls["generate paste"] == 1
    assert [count for name, count in library.calls.items() if name.startswith("fit")] == [1]


def test_without_the_gan_nothing_is_trained_but_the_segmenter(library: Library, run: Run) -> None:
    run("real", "real+paste")
    assert library.calls["fit 0"] == 1


def test_what_is_finished_is_not_done_again_and_other_arms_may_join(library: Library, run: Run) -> None:
    first = run("real")[-1]["results"]
    again = run("real", "all-real")[-1]["results"]
    assert first["real"] == again["real"] and set(again) == {"real", "all-real"}
    assert library.calls["train real"] == 1 and library.calls["evaluate"] == 2


def test_a_folder_begun_with_another_plan_is_refused(library: Library, run: Run) -> None:
    run("real")
    for changed in ({"seed": 1}, {"config": TrialConfig(count=9)}):
        with pytest.raises(UserError, match="begun differently"):
            run("real", **changed)
    run("real", config=replace(TrialConfig(count=8), workers=1))  # how it is computed is no part of the plan


def test_a_few_images_that_could_not_be_painted_do_not_stop_a_trial(library: Library, run: Run) -> None:
    assert "real+poisson" in run("real+poisson")[-1]["results"]


def test_an_arm_that_fails_does_not_stop_the_others_and_is_redone(library: Library, run: Run, tmp_path: Path) -> None:
    library.errors = {"real+paste": UserError("train", "no finite step")}
    with pytest.raises(PartlyDone, match=r"real\+paste.*no finite step"):
        run("real", "real+paste", "all-real")
    results = read_json(tmp_path / "trial" / "results.json")
    assert [one["arm"] for one in results["trials"]] == ["real", "all-real"]
    library.errors.clear()
    assert set(run("real", "real+paste", "all-real")[-1]["results"]) == {"real", "real+paste", "all-real"}
    assert library.calls["train real"] == 1 and library.calls["train real+paste"] == 2


@pytest.mark.parametrize(("what", "spared"), [("fit", {"real", "real+paste"}), ("paste", {"real", "real+gan"})])
def test_a_painter_that_fails_costs_the_arms_that_need_it(
    library: Library, run: Run, tmp_path: Path, what: str, spared: set[str]
) -> None:
    library.errors = {what: UserError("x", "cannot")}
    with pytest.raises(PartlyDone, match="cannot"):
        run("real", "real+paste", "real+gan", "real+gan+paste")
    assert {one["arm"] for one in read_json(tmp_path / "trial" / "results.json")["trials"]} == spared


def test_a_bug_is_shown_after_the_other_arms_are_done(library: Library, run: Run) -> None:
    library.errors = {"real": ZeroDivisionError("a bug")}
    with pytest.raises(ZeroDivisionError, match="a bug"):
        run("real", "all-real")
    assert library.calls["evaluate"] == 1


def test_where_no_arm_is_left_the_error_itself_is_raised(library: Library, run: Run) -> None:
    library.errors = {"real": UserError("train", "no finite step")}
    with pytest.raises(UserError, match="no finite step") as raised:
        run("real")
    assert not isinstance(raised.value, PartlyDone)


def test_an_interruption_is_no_failure_of_an_arm(library: Library, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any, **__: Any) -> Iterator[dict[str, Any]]:
        yield {"step": 1, "steps": 1}
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "train", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run("real", "all-real")


def test_events_carry_the_arm_and_seconds_are_kept(library: Library, run: Run, tmp_path: Path) -> None:
    events = run("real", "real+gan")
    assert {event["task"]: event.get("arm") for event in events[:-1]} == {
        **{"fit": None, "paint: gan": None, "real: train": "real", "real: evaluate": "real"},
        **{"real+gan: train": "real+gan", "real+gan: evaluate": "real+gan"},
    }
    assert set(read_json(tmp_path / "trial" / "seconds.json")) == {"fit", "gan"}
    own = tmp_path / "trial" / "arms" / "real" / "seconds.json"
    assert set(read_json(own)) == {"train", "evaluate"}
    before = own.read_bytes()
    both = tmp_path / "trial" / "seconds.json"
    write_json(both, {"fit": 900.0, "gan": 80.0})
    run("real", "real+gan")
    assert own.read_bytes() == before
    assert read_json(both)["fit"] >= 900 and read_json(both)["gan"] >= 80


def test_results_hold_a_trial_an_arm_and_no_verdict(library: Library, run: Run, tmp_path: Path) -> None:
    run("real", "real+gan")
    results = read_json(tmp_path / "trial" / "results.json")
    assert [(one["arm"], one["real"], one["seed"]) for one in results["trials"]] == [("real", 5, 0), ("real+gan", 5, 0)]
    assert results["verdict"].startswith("none") and results["gains"] == []


@pytest.mark.parametrize("arms", [(), ("real", "magic")])
def test_unknown_arms_are_refused(library: Library, run: Run, arms: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match="real\\+gan"):
        run(*arms)


def test_a_mixture_has_equal_shares_and_no_index_twice() -> None:
    sets = {painter: [_record(f"{painter}{index}") for index in range(10)] for painter in ("gan", "paste")}
    names = [record.name for record in mixture(("gan", "paste"), sets)]
    assert len(names) == 10 and sum(name.startswith("gan") for name in names) == 5
    assert len({name.removeprefix("gan").removeprefix("paste") for name in names}) == 10
