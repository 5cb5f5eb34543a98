"""The average precision of objects: equal to pycocotools, 1 for the truth, None where there is nothing."""

import contextlib
import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from flawsmith.data.record import Record
from flawsmith.data.sample import load
from flawsmith.data.select import Selection
from flawsmith.segment.accuracy import Accuracy
from flawsmith.segment.instance_map import InstanceMAP
from flawsmith.segment.models.objects import Object

pytest.importorskip("faster_coco_eval")
CLASSES = ("pit", "scratch")


def _truth(record: Record) -> tuple[list[Object], tuple[int, int]]:
    sample = load(record, CLASSES)
    found = [Object(k, 0.9, 0, 0, mask.astype(np.float32)) for k, mask in enumerate(sample.masks) if mask.any()]
    return found, (sample.image.shape[0], sample.image.shape[1])


def _moved(one: Object, random: np.random.Generator) -> Object:
    """The object somewhere near, sometimes of another class, with some score."""
    values = np.roll(one.values, tuple(random.integers(-3, 4, 2)), (0, 1))
    defect = one.defect if random.random() < 0.8 else 1 - one.defect
    return replace(one, defect=defect, score=float(random.random()), values=values)


def _oracle(scores: InstanceMAP) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = scores.content()
        truth.createIndex()
        scored = COCOeval(truth, truth.loadRes(scores.found), "segm")
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    return scored


@pytest.mark.parametrize("seed", range(3))
def test_it_equals_pycocotools(selection: Selection, seed: int) -> None:
    random, scores = np.random.default_rng(seed), InstanceMAP(CLASSES)
    for record in (*selection.defects, *selection.good):
        true, size = _truth(record)
        found = [_moved(one, random) for one in true for _ in range(int(random.integers(0, 4)))]
        if record.good and random.random() < 0.5:
            found = [Object(0, 0.3, 5, 5, np.ones((6, 6), np.float32))]
        scores.add(record, found, *size)
    result, oracle = scores.result(), _oracle(scores)
    assert [result["map"], result["map_50"], result["map_75"]] == pytest.approx(oracle.stats[:3].tolist(), abs=1e-9)
    for k, name in enumerate(CLASSES):
        precision = oracle.eval["precision"][:, :, k, 0, 2]
        assert result["per_class"][name] == pytest.approx(precision[precision > -1].mean(), abs=1e-9)
    assert 0 < result["map"] < 1


def test_the_truth_scores_one_and_nothing_scores_zero(selection: Selection) -> None:
    perfect, blind = InstanceMAP(CLASSES), InstanceMAP(CLASSES)
    for record in (*selection.defects, *selection.good):
        true, size = _truth(record)
        perfect.add(record, true, *size)
        blind.add(record, (), *size)
    assert perfect.result() == {
        "map": pytest.approx(1.0),
        "map_50": pytest.approx(1.0),
        "map_75": pytest.approx(1.0),
        "per_class": {"pit": pytest.approx(1.0), "scratch": pytest.approx(1.0)},
        "objects": 8,
        "found": 8,
    }
    assert blind.result()["map"] == 0 and blind.result()["found"] == 0


def test_good_images_alone_define_nothing(selection: Selection) -> None:
    scores = InstanceMAP(CLASSES)
    scores.add(selection.good[0], [Object(0, 0.5, 3, 3, np.ones((4, 4), np.float32))], 96, 112)
    result = scores.result()
    assert result["map"] is None and result["per_class"] == {"pit": None, "scratch": None} and result["found"] == 1


def test_a_class_that_is_not_shown_is_left_out(selection: Selection) -> None:
    scores = InstanceMAP(CLASSES)
    pit = next(one for one in selection.defects if one.defects == ("pit",))
    true, size = _truth(pit)
    scores.add(pit, true, *size)
    assert scores.result()["per_class"] == {"pit": pytest.approx(1.0), "scratch": None}


def test_accuracy_by_hand() -> None:
    scores = Accuracy(CLASSES, 0.5)
    for grades, shown in (
        ((0.9, 0.1), (True, False)),  # right
        ((0.4, 0.3), (True, False)),  # called good
        ((0.6, 0.7), (True, True)),  # either would be right
        ((0.6, 0.7), (True, False)),  # the other class
        ((0.1, 0.2), (False, False)),  # right
        ((0.1, 0.5), (False, False)),  # false alarm
    ):
        scores.add(np.array(grades, np.float32), shown)
    assert scores.result() == {"all": 0.5, "good": 0.5, "pit": 0.5, "scratch": 1.0}
    assert Accuracy(CLASSES, 0.5).result() == dict.fromkeys(("all", "good", *CLASSES))
