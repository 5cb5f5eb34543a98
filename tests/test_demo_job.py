"""The demo job on tiny parts: it ends with scores and a report, and a second call does nothing again."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from flawsmith.gan.gate import GateConfig
from flawsmith.gan.trainer import FitConfig
from flawsmith.segment import demo
from flawsmith.segment.train import TrainConfig
from flawsmith.segment.trial import TrialConfig

ARMS = ("real", "real+gan+paste")
OPEN = GateConfig(copies=False, critic=False)  # what is painted after a step or two is like nothing
TINY = demo.DemoConfig(
    real=2,
    arms=ARMS,
    trial=TrialConfig(FitConfig(steps=1, blanks=8), TrainConfig(steps=1, batch=4), count=4, workers=1, gate=OPEN),
)


def test_the_demo_ends_with_a_report_and_goes_on_where_it_stopped(
    make_parts: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "write_demo", lambda root, seed, photos: make_parts(root))
    events = list(demo.run(tmp_path, TINY, 0, torch.device("cpu")))
    assert set(events[-1]["results"]) == set(ARMS)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert demo.NOTE in page and "real+gan+paste" in page
    made = {path: path.read_bytes() for path in tmp_path.rglob("*.safetensors")}
    again = list(demo.run(tmp_path, TINY, 0, torch.device("cpu")))
    assert again[-1]["results"] == events[-1]["results"] and not [one for one in again if "train" in one["task"]]
    assert made == {path: path.read_bytes() for path in tmp_path.rglob("*.safetensors")}
