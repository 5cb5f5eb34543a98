"""Training: it learns, it can be repeated, it survives bad steps, it leaves nothing behind when stopped."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from flawsmith.data import checkpoint
from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.read import read
from flawsmith.data.sample import load
from flawsmith.data.select import Selection
from flawsmith.segment.batches import Batches
from flawsmith.segment.metrics import Counts
from flawsmith.segment.models import dense as module
from flawsmith.segment.segmenter import MODEL, Segmenter
from flawsmith.segment.train import TrainConfig, make_batches, rate, train

CPU = torch.device("cpu")
TINY = TrainConfig(steps=3, batch=4, patch=32, model="small", widths=(8, 8), average=0.5)


@pytest.fixture
def selection(parts: Path) -> Selection:
    dataset = read(parts)
    return Selection(dataset, dataset.defective, dataset.good, dataset.classes)


def _train(selection: Selection, output: Path, config: TrainConfig = TINY, seed: int = 0) -> dict[str, Any]:
    *_, last = train(selection, (), config, output, seed, CPU)
    return last


def test_it_learns_the_defects_of_its_own_parts(selection: Selection, tmp_path: Path) -> None:
    config = TrainConfig(steps=60, batch=8, patch=48, model="small", widths=(8, 16), average=0.9, lr=1e-2)
    _train(selection, tmp_path / "model", config)
    segmenter = Segmenter.load(tmp_path / "model")
    assert segmenter.classes == ("pit", "scratch")
    counts = Counts()
    for record in selection.defects + selection.good:
        sample = load(record, selection.classes)
        counts.add(segmenter.predict(sample.image).max(0), sample.masks.any(0))
    found = counts.scores()["pixel_ap"]
    assert found is not None and found > 0.5  # chance: 0.01


def test_the_same_seed_gives_the_same_weights(selection: Selection, tmp_path: Path) -> None:
    _train(selection, tmp_path / "a")
    torch.manual_seed(99)  # whatever else the program draws
    _train(selection, tmp_path / "b")
    _train(selection, tmp_path / "c", seed=1)
    first, second, other = (Segmenter.load(tmp_path / name).network.state_dict() for name in "abc")
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_progress_ends_after_the_file_is_written(selection: Selection, tmp_path: Path) -> None:
    events = train(selection, (), TINY, tmp_path / "model", 0, CPU)
    for step in (1, 2, 3):
        event = next(events)
        assert event["step"] == step and event["steps"] == 3 and event["loss"] > 0
        assert not (tmp_path / "model" / MODEL).exists()
    assert next(events) == {"step": 3, "steps": 3}
    assert (tmp_path / "model" / MODEL).is_file() and next(events, None) is None


def test_stopping_leaves_no_file(selection: Selection, tmp_path: Path) -> None:
    events: Iterator[dict[str, Any]] = train(selection, (), TINY, tmp_path / "model", 0, CPU)
    next(events)
    with pytest.raises(KeyboardInterrupt):
        events.throw(KeyboardInterrupt)  # type: ignore[attr-defined]
    assert list((tmp_path / "model").iterdir()) == []
    _train(selection, tmp_path / "model")


def test_a_bad_step_is_skipped_and_the_weights_stay_finite(
    selection: Selection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(10))

    def sometimes(logits: Tensor, *_: object) -> Tensor:
        return logits.mean() * (float("nan") if next(calls) == 1 else 1.0)

    monkeypatch.setattr(module, "segmentation_loss", sometimes)
    events = list(train(selection, (), TINY, tmp_path / "model", 0, CPU))
    assert ["loss" in event for event in events] == [True, False, True, False]
    Segmenter.load(tmp_path / "model")  # would refuse NaN


def test_a_bad_image_does_not_spoil_the_statistics(
    selection: Selection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = Batches.batch

    def spoilt(batches: Batches, step: int, rows: slice) -> tuple[Tensor, Tensor]:
        images, truth = good(batches, step, rows)
        return (images * float("nan") if step == 1 else images), truth

    monkeypatch.setattr(Batches, "batch", spoilt)
    events = list(train(selection, (), TINY, tmp_path / "model", 0, CPU))
    assert ["loss" in event for event in events] == [True, False, True, False]
    Segmenter.load(tmp_path / "model")


def test_a_training_that_never_recovers_stops(
    selection: Selection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "segmentation_loss", lambda logits, *_: logits.mean() * float("nan"))
    with pytest.raises(UserError, match="finite number"):
        _train(selection, tmp_path / "model", dataclasses.replace(TINY, steps=50))
    assert not (tmp_path / "model" / MODEL).exists()


def test_painted_defects_alone_are_enough(selection: Selection, tmp_path: Path) -> None:
    bare = dataclasses.replace(selection, defects=())
    list(train(bare, selection.defects, TINY, tmp_path / "model", 0, CPU))
    with pytest.raises(UserError, match="at least one image with a defect"):
        _train(bare, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_first_weights_do_not_depend_on_the_data(selection: Selection, tmp_path: Path) -> None:
    """Arms of a comparison start alike: with a rate of nearly nothing, different data give the same weights."""
    still = dataclasses.replace(TINY, lr=1e-30, decay=0.0, dropout=0.0, steps=1)
    fewer = dataclasses.replace(selection, defects=selection.defects[:2])
    for name, chosen in (("a", selection), ("b", fewer)):
        _train(chosen, tmp_path / name, still)
    one, two = (dict(Segmenter.load(tmp_path / name).network.named_parameters()) for name in "ab")
    assert all(torch.allclose(one[key], two[key], rtol=0, atol=1e-20) for key in one)


def test_colour_is_seen_where_there_is_any(selection: Selection, tmp_path: Path) -> None:
    from PIL import Image

    assert make_batches(selection, (), TINY, 0).channels == 1
    colour = tmp_path / "colour.png"
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(colour)
    good = (dataclasses.replace(selection.good[0], image=colour), *selection.good[1:])
    assert make_batches(dataclasses.replace(selection, good=good), (), TINY, 0).channels == 3


def test_rate_rises_and_falls() -> None:
    config = TrainConfig(steps=100)
    rates = [rate(step, config) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == 1 and rates[-1] < 0.01
    assert rates[9] == 1 and sorted(rates[10:], reverse=True) == rates[10:]


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"batch": 1}, {"patch": 8}, {"painted_share": 0.6}, {"defect_share": 1.0}]
)
def test_recipes_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        TrainConfig(**wrong)


def test_a_member_of_a_pair_learns_as_if_it_were_alone(selection: Selection, tmp_path: Path) -> None:
    """Also from the network's own hard negatives, and with its own moving average."""
    recipe = {"steps": 5, "batch": 4, "patch": 64, "lr": 1e-2}
    pair, alone = ("pair", TrainConfig(**recipe)), ("fast", TrainConfig(model="fast", **recipe))
    told = {name: list(train(selection, (), one, tmp_path / name, 0, CPU)) for name, one in (pair, alone)}
    found, wanted = (checkpoint.load(tmp_path / name / MODEL)[0] for name in ("pair", "fast"))
    assert all(torch.equal(found[f"fast.{name}"], value) for name, value in wanted.items())
    assert [event["step"] for event in told["pair"]] == [*range(1, 11), 10]
    assert {event["steps"] for event in told["pair"]} == {10} and told["pair"][4]["loss"] == told["fast"][4]["loss"]


@pytest.mark.parametrize(("name", "decay"), [("fast", 0.9), ("small", 0.9), ("pretrained", 0.98)])
def test_each_network_has_an_average_of_its_own(name: str, decay: float, selection: Selection, tmp_path: Path) -> None:
    weights = {}
    for average in (None, 0.9, 0.98):
        config = TrainConfig(steps=3, batch=2, patch=64, model=name, average=average, mine_at=0.0)
        list(train(selection, (), config, tmp_path / str(average), 0, CPU))
        weights[average] = checkpoint.load(tmp_path / str(average) / MODEL)[0]["head.weight"]
    other = 0.98 if decay == 0.9 else 0.9
    assert torch.equal(weights[None], weights[decay]) and not torch.equal(weights[None], weights[other])
