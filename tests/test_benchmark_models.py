"""The model is part of a benchmark's setting, and one without pixel scores gets no curves and no verdict by them."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flawsmith.data.errors import UsageError
from flawsmith.data.select import Selection
from flawsmith.segment.benchmark.counts import Trial
from flawsmith.segment.benchmark.curves import all_curves
from flawsmith.segment.benchmark.gains import all_gains
from flawsmith.segment.benchmark.outcome import HEADLINE, Outcome
from flawsmith.segment.benchmark.plan import Plan, recipe
from flawsmith.segment.benchmark.report import facts
from flawsmith.segment.benchmark.setting import command
from flawsmith.segment.benchmark.verdict import NO_PLACES, give_verdict
from flawsmith.segment.evaluate import evaluate
from flawsmith.segment.train import TrainConfig
from flawsmith.segment.trial import TrialConfig


class Dice:
    """Grades by the image's mean: no better than chance, but a grade."""

    classes, channels = ("pit", "scratch"), 1

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def grade(self, image: np.ndarray) -> np.ndarray:
        return np.array([image.mean() / 255, image.std() / 255 * self.factor], np.float32).clip(0, 1)

    def predict(self, image: np.ndarray) -> np.ndarray:
        return np.broadcast_to(self.grade(image)[:, None, None], (2, *image.shape[:2]))


@pytest.fixture(scope="module")
def trials(selection: Selection, tmp_path_factory: pytest.TempPathFactory) -> list[Trial]:
    """Three seeds of two arms."""
    folder, found = tmp_path_factory.mktemp("trials"), []
    for arm, factor in (("real", 1.0), ("real+paste", 3.0)):
        for seed in range(3):
            output = folder / f"{arm}-{seed}"
            list(evaluate(Dice(factor), selection.defects + selection.good, output))
            found.append(Trial.load(output, arm, 10, seed))
    return found


def test_a_grader_has_no_curves_and_no_verdict(trials: list[Trial]) -> None:
    assert all_curves(trials) == []
    gains = all_gains(trials, 0)
    assert {gain["metric"] for gain in gains} == {"image_auroc", "image_ap"}
    assert HEADLINE not in {gain["metric"] for gain in gains}
    verdict = give_verdict(gains, [10], 3)
    assert verdict.text == NO_PLACES and verdict.recommended == {"10": None}


def test_its_table_of_images_has_no_pixels(trials: list[Trial]) -> None:
    for row in trials[0].images:
        assert row["score"] is not None
        assert all(row[name] is None for name in ("pixel_ap", "dice", "iou", "missed_px", "false_px"))


@pytest.mark.parametrize("model", ["classifier", "smp:resnet18"])
def test_the_model_is_said_and_is_part_of_the_plan(model: str, tmp_path: Path) -> None:
    if model.startswith("smp"):
        pytest.importorskip("segmentation_models_pytorch")
    config = TrialConfig(train=TrainConfig(model=model, weights="imagenet"))
    plan = Plan(tmp_path / "parts", tmp_path / "bench", config=config)
    setting: dict[str, Any] = {"seeds": [0, 1, 2], "budgets": [10], "arms": ["real"], "config": recipe(config)}
    line = command(plan, setting)
    assert line is not None and f"--model {model} --weights imagenet" in line
    assert facts(Outcome({"setting": setting}))["model"] == model
    usual = command(Plan(tmp_path / "parts", tmp_path / "bench"), setting)
    assert usual is not None and "--model" not in usual


def test_a_missing_extra_is_told_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for model, package in (("maskrcnn:resnet18", "faster_coco_eval"), ("smp:resnet18", "segmentation_models_pytorch")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(UsageError, match=r"pip install 'flawsmith\["):
            Plan(tmp_path, tmp_path / "bench", config=TrialConfig(train=TrainConfig(model=model)))
    assert not (tmp_path / "bench").exists()
