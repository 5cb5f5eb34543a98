"""The scripts that measure the models: they run, and their arithmetic is right."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from flawsmith.data.device import cpu_has_bfloat16
from flawsmith.segment.agreement import Agreement, Overlap

DOCS = Path(__file__).parents[1] / "docs"


def _script(name: str) -> ModuleType:
    found = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module  # where dataclasses look for it
    found.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts set the number of threads, which other tests must not find changed."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def test_every_form_of_a_model_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxscript")
    _script("models_speed").main(["--quick", "--models", "fast,threshold", "--threads", "1"])
    lines = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| `")]
    forms = ["torch, float32", *["torch, bfloat16"] * cpu_has_bfloat16(), "ONNX, float32", "ONNX, int8", "numpy"]
    assert [line[1] for line in lines] == forms
    assert all(float(line[2]) > 0 for line in lines)
    assert float(lines[0][6]) < 1e-5 and lines[-1][6] == "–"


def test_only_an_exact_form_of_an_own_network_meets_a_goal() -> None:
    script = _script("models_speed")

    def form(name: str, kind: str, rate: float, apart: float, seen: int = 9) -> object:
        found = Agreement(images=1, apart=apart, masks=Overlap(seen, seen))
        return script.Form(name, kind, None, None, 0, agreement=found, seconds=[(1 / rate, 1 / rate)] * 4)

    slow, wrong, other = form("fast", "exact", 70, 1e-6), form("fast", "int8", 90, 0.1), form("smp:x", "exact", 99, 0)
    blind = form("fast", "found nothing", 95, 0, seen=0)
    first, *told = script.goals([slow, wrong, other, blind], 7.0)
    assert first.endswith("`fast`, exact")
    assert "70.0 frames" in told[0] and told[0].endswith("met") and "10.0 ×" in told[1] and told[1].endswith("met")
    *_, missed = script.goals([slow], 10.0)
    assert missed.endswith("MISSED")


def test_how_much_sooner_is_counted_to_the_baselines_end() -> None:
    script = _script("models_training")
    point = script.Point
    baseline = [point(75, 60.0, 60.0, 0.5), point(150, 120.0, 100.0, 0.4)]
    own = [point(50, 6.0, 5.0, 0.3), point(100, 12.0, 10.0, 0.41), point(150, 20.0, 20.0, 0.6)]
    told = script.verdict(own, baseline)
    assert "10.0 × sooner (10.0 × by processor time)" in told and told.endswith("met")
    assert script.verdict(own[:1], baseline).endswith("MISSED")


def test_the_baseline_learns_in_float32() -> None:
    import torch

    from flawsmith.data.device import autocast

    script, one = _script("models_training"), torch.ones(1, 1)
    with script.in_float32(), autocast(torch.device("cpu")):
        assert (one @ one).dtype == torch.float32


def test_points_are_means_of_the_same_work() -> None:
    script = _script("models_training")
    cells = [script.Cell("fast", steps, "pit", 0, seed) for steps in (100, 50) for seed in (0, 1)]
    found = {cell: {"seconds": cell.steps, "processor": cell.steps, "score": cell.seed / 2} for cell in cells}
    assert [(one.steps, one.seconds, one.score) for one in script.points(found, "fast")] == [
        (50, 50, 0.25),
        (100, 100, 0.25),
    ]
