import json
from pathlib import Path

import pytest
import torch

from flawsmith.data.checkpoint import load
from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.lock import locked
from flawsmith.data.select import Selection
from flawsmith.gan import trainer
from flawsmith.gan.fit import fit
from flawsmith.gan.run import Run
from flawsmith.gan.trainer import FitConfig, Trainer

CPU = torch.device("cpu")
CONFIG = FitConfig(steps=4, batch=2, patch=64, blanks=6, save_every=2, sample_every=2)


def test_a_run_leaves_a_painter_losses_and_samples(selection: Selection, tmp_path: Path) -> None:
    seen = list(fit(selection, CONFIG, tmp_path / "run", 0, CPU))
    assert [item["step"] for item in seen] == [1, 2, 3, 4]
    lines = [json.loads(line) for line in (tmp_path / "run" / "losses.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert sorted(path.name for path in (tmp_path / "run" / "samples").iterdir()) == ["000002.png", "000004.png"]
    assert Run.open(tmp_path / "run").painter("gan", CPU).name == "gan"


def test_a_killed_run_continues_to_the_same_weights_and_log(selection: Selection, tmp_path: Path) -> None:
    list(fit(selection, CONFIG, tmp_path / "whole", 0, CPU))
    stopped = fit(selection, CONFIG, tmp_path / "stopped", 0, CPU)
    for _ in range(3):  # the checkpoint stands at step 2, the log at 3
        next(stopped)
    stopped.close()
    assert [item["step"] for item in fit(selection, CONFIG, tmp_path / "stopped", 0, CPU)] == [3, 4]
    for name in ("generator.safetensors", "losses.jsonl", "bank.safetensors"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_structure_is_told_once(selection: Selection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flawsmith.gan.fit.has_structure", lambda *_: True)
    run = tmp_path / "run"
    stopped = fit(selection, CONFIG, run, 0, CPU)
    assert "have structure" in next(stopped)["note"]
    for _ in range(3):
        assert "note" not in next(stopped)
    stopped.close()
    assert Run.open(run).bank.structured and not Run.open(run).bank.whole
    assert all("note" not in item for item in fit(selection, CONFIG, run, 0, CPU))


def test_no_steps_leave_the_bank_alone(selection: Selection, tmp_path: Path) -> None:
    assert list(fit(selection, FitConfig(steps=0), tmp_path / "run", 0, CPU)) == []
    assert Run.open(tmp_path / "run").painter("paste", CPU).name == "paste"
    with pytest.raises(UserError, match="no trained generator"):
        Run.open(tmp_path / "run").painter("gan", CPU)


def test_another_configuration_is_refused_in_the_same_folder(selection: Selection, tmp_path: Path) -> None:
    list(fit(selection, FitConfig(steps=0), tmp_path / "run", 0, CPU))
    with pytest.raises(UsageError, match="seed was 0, is 1"):
        list(fit(selection, FitConfig(steps=0), tmp_path / "run", 1, CPU))


def test_a_diverged_run_goes_back_and_then_stops_with_one_line(
    selection: Selection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Trainer.step
    visits: list[int] = []

    def broken(self: Trainer, step: int, *rest: object) -> dict[str, float]:
        visits.append(step)
        if step == 3:
            raise trainer.Diverged
        return honest(self, step, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "step", broken)
    with pytest.raises(UserError, match="training diverged"):
        list(fit(selection, CONFIG, tmp_path / "run", 0, CPU))
    assert visits == [0, 1, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3]
    assert load(tmp_path / "run" / "state.safetensors")[1]["step"] == 2
    assert not (tmp_path / "run" / "generator.safetensors").exists()


def test_two_commands_in_one_folder_are_one_too_many(selection: Selection, tmp_path: Path) -> None:
    with locked(tmp_path / "run"), pytest.raises(UsageError, match="another command is writing here"):
        list(fit(selection, FitConfig(steps=0), tmp_path / "run", 0, torch.device("cpu")))
    list(fit(selection, FitConfig(steps=0), tmp_path / "run", 0, torch.device("cpu")))
