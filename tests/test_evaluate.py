"""Evaluation end to end with a segmenter that knows the answer, or does not."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.read import read
from flawsmith.data.record import Record
from flawsmith.data.sample import load
from flawsmith.segment.benchmark.counts import COUNTS, Trial
from flawsmith.segment.evaluate import evaluate

CLASSES = ("pit", "scratch")


class Oracle:
    """A segmenter that looks the truth up by the image's pixels; `blind` to one class if asked."""

    classes = CLASSES

    def __init__(self, records: Sequence[Record], blind: str | None = None) -> None:
        self.answers: dict[bytes, np.ndarray] = {}
        for record in records:
            sample = load(record, CLASSES)
            maps = sample.masks * np.float32(0.9)
            if blind:
                maps[CLASSES.index(blind)] = 0
            self.answers[sample.image.tobytes()] = maps.astype(np.float32)

    def predict(self, image: np.ndarray) -> np.ndarray:
        return self.answers[image.tobytes()]


def _run(segmenter: Any, records: Sequence[Record], output: Path) -> dict[str, Any]:
    *_, last = evaluate(segmenter, records, output)
    return last["metrics"]


def test_the_truth_scores_one(parts: Path, tmp_path: Path) -> None:
    records = read(parts).records
    metrics = _run(Oracle(records), records, tmp_path / "eval")
    assert set(metrics["per_class"]) == set(CLASSES)
    for scores in (metrics["overall"], *metrics["per_class"].values()):
        assert scores == pytest.approx(dict.fromkeys(scores, 1.0))
    assert metrics["images"] == {"all": 16, "good": 8, "per_class": {"pit": 4, "scratch": 4}}
    assert json.loads((tmp_path / "eval" / "metrics.json").read_text()) == metrics


def test_a_class_that_is_missed_shows_in_its_own_row(parts: Path, tmp_path: Path) -> None:
    records = read(parts).records
    metrics = _run(Oracle(records, blind="pit"), records, tmp_path / "eval")
    assert metrics["per_class"]["scratch"]["dice"] == 1 and metrics["per_class"]["pit"]["dice"] == 0
    assert 0 < metrics["overall"]["dice"] < 1


def test_a_row_an_image_and_pictures_of_best_median_worst(parts: Path, tmp_path: Path) -> None:
    records = read(parts).records
    _run(Oracle(records), records, tmp_path / "eval")
    with (tmp_path / "eval" / "per_image.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == [record.name for record in records]
    assert all((float(row["dice"]) == 1) if row["defects"] else (row["dice"] == "") for row in rows)
    pictures = sorted(path.name for path in (tmp_path / "eval" / "overlays").iterdir())
    kinds = [f"{k}-{name}-{rank}.png" for k, name in enumerate(CLASSES, 1) for rank in ("best", "median", "worst")]
    assert pictures == sorted([*kinds, "good-worst.png"])
    assert Image.open(tmp_path / "eval" / "overlays" / pictures[0]).size == (3 * 112 + 8, 96)


def test_progress_counts_images(parts: Path, tmp_path: Path) -> None:
    records = read(parts).records[:3]
    events = list(evaluate(Oracle(records), records, tmp_path / "eval"))  # type: ignore[arg-type]
    assert [(event["step"], event["steps"]) for event in events] == [(1, 3), (2, 3), (3, 3), (3, 3)]


def test_an_interrupted_evaluation_starts_again_and_a_finished_one_is_kept(parts: Path, tmp_path: Path) -> None:
    records = read(parts).records
    (tmp_path / "eval" / "overlays").mkdir(parents=True)
    _run(Oracle(records), records, tmp_path / "eval")
    with pytest.raises(UsageError, match="must be a new folder"):
        _run(Oracle(records), records, tmp_path / "eval")


def test_nothing_to_score_and_unknown_classes_are_refused(parts: Path, tmp_path: Path) -> None:
    records = read(parts).records
    oracle = Oracle(records)
    with pytest.raises(UserError, match="at least one image"):
        _run(oracle, (), tmp_path / "a")
    oracle.classes = ("pit",)
    with pytest.raises(UserError, match=r"knows the classes pit; found scratch"):
        _run(oracle, records, tmp_path / "b")


def test_good_images_alone_have_no_pixel_scores(parts: Path, tmp_path: Path) -> None:
    good = read(parts).good
    metrics = _run(Oracle(good), good, tmp_path / "eval")
    assert metrics["overall"] == dict.fromkeys(metrics["overall"])


def test_the_counts_beside_them_give_the_same_figures(parts: Path, tmp_path: Path) -> None:
    records = read(parts).records
    metrics = _run(Oracle(records, blind="pit"), records, tmp_path / "eval")
    one = Trial.load(tmp_path / "eval", "real", 5, 0)
    assert one.metrics == metrics and one.counts.classes == CLASSES
    assert [row["image"] for row in one.images] == list(one.counts.images) == [record.name for record in records]
    assert one.counts.groups == tuple(record.group for record in records)
    assert {type(row["dice"]) for row in one.images} == {float, type(None)}
    assert one.counts.overall.pixels[:, 2].tolist() == [row["missed_px"] for row in one.images]
    hit, false, missed = one.counts.overall.pixels.sum(0)
    assert 2 * hit / (2 * hit + false + missed) == metrics["overall"]["dice"]


def test_counts_of_other_images_than_the_table_are_refused(parts: Path, tmp_path: Path) -> None:
    records = read(parts).records
    _run(Oracle(records), records, tmp_path / "a")
    _run(Oracle(records), records[:9], tmp_path / "b")
    (tmp_path / "b" / COUNTS).replace(tmp_path / "a" / COUNTS)
    with pytest.raises(UserError, match="knows 9 images; found 16"):
        Trial.load(tmp_path / "a", "real", 5, 0)
