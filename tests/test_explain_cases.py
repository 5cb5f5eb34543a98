"""Which objects are explained: errors as they can be counted by hand, the worst first, no more than asked for."""

from pathlib import Path

import numpy as np
import pytest
from explained import square

from flawsmith.data.record import Record
from flawsmith.segment.explain.baseline import judge, marked
from flawsmith.segment.explain.cases import ALARM, FOUND, MASK, MISSED, Chosen, errors, graded, seen
from flawsmith.segment.instances import Found
from flawsmith.segment.models.margins import Base
from flawsmith.segment.models.threshold import Setting, Threshold

RECORD = Record("a.png", Path("a.png"), "a")
CLASSES = ("pit", "scratch")


def _maps(*squares: tuple[int, int, int, int, float]) -> np.ndarray:
    maps = np.zeros((2, 40, 60), np.float32)
    for k, top, left, side, value in squares:
        maps[k, top : top + side, left : left + side] = value
    return maps


def test_each_piece_is_missed_a_false_alarm_or_a_mask() -> None:
    truth = _maps((0, 2, 2, 6, 1), (0, 20, 20, 4, 1), (1, 30, 50, 5, 1)) > 0
    found = [Found("pit", 0.9, square(4, 4, 6)), Found("scratch", 0.7, square(20, 20, 4))]
    maps = _maps((0, 4, 4, 6, 0.9), (0, 20, 20, 4, 0.3), (1, 20, 20, 4, 0.7))
    cases = {(case.kind, case.defect): case for case in errors(RECORD, maps, found, truth, CLASSES)}
    assert set(cases) == {(MASK, 0), (MISSED, 0), (ALARM, 1), (MISSED, 1)}
    assert cases[MASK, 0].overlap == pytest.approx(16 / (36 + 36 - 16))
    assert cases[MASK, 0].patch.box == (4, 4, 6, 6) and cases[MASK, 0].truth is not None
    assert cases[MISSED, 0].patch.box == (20, 20, 4, 4) and cases[MISSED, 0].score == pytest.approx(0.3)
    assert cases[ALARM, 1].score == pytest.approx(0.7) and cases[ALARM, 1].truth is None
    assert cases[ALARM, 1].labelled == ("pit",) and cases[MASK, 0].labelled == ()


def test_a_perfect_prediction_has_no_error_and_a_good_part_nothing_at_all() -> None:
    truth = _maps((0, 2, 2, 6, 1)) > 0
    (case,) = errors(RECORD, _maps((0, 2, 2, 6, 1)), [Found("pit", 1, square(2, 2, 6))], truth, CLASSES)
    assert (case.kind, case.overlap) == (MASK, 1)
    assert list(errors(RECORD, _maps(), [], np.zeros_like(truth), CLASSES)) == list(seen(RECORD, [], CLASSES)) == []


def test_the_worst_come_first_and_no_more_than_asked_for() -> None:
    chosen = Chosen(2)
    for side, score in ((3, 0.6), (5, 0.9), (4, 0.8)):
        truth = _maps((0, 0, 0, side, 1)) > 0
        chosen.add(list(errors(RECORD, _maps(), [], truth, CLASSES)))
        chosen.add(
            list(
                errors(
                    RECORD,
                    _maps((1, 9, 9, 3, score)),
                    [Found("scratch", score, square(9, 9, 3))],
                    ~truth & truth,
                    CLASSES,
                )
            )
        )
    assert chosen.counts == {MISSED: 3, ALARM: 3}
    assert [case.patch.area for case in chosen.cases[MISSED]] == [25, 16]
    assert [round(case.score, 1) for case in chosen.cases[ALARM]] == [0.9, 0.8]
    assert [case.kind for case in chosen.all()] == [MISSED, MISSED, ALARM, ALARM]


def test_without_labels_each_image_comes_before_the_second_object_of_any() -> None:
    chosen = Chosen(3)
    two = [Found("pit", 0.6, square(1, 1, 3)), Found("pit", 0.9, square(9, 9, 3))]
    for name in "ab":
        chosen.add(list(seen(Record(name, Path(name), name), two, CLASSES)))
    assert [(case.record.name, case.score) for case in chosen.cases[FOUND]] == [("a", 0.9), ("b", 0.9), ("a", 0.6)]


def test_grades_are_judged_by_the_image() -> None:
    truth = _maps((0, 2, 2, 6, 1)) > 0
    maps = np.stack([np.full((40, 60), 0.2, np.float32), np.full((40, 60), 0.8, np.float32)])
    assert [(one.kind, one.defect) for one in graded(RECORD, maps, truth, 0.5)] == [(MISSED, 0), (ALARM, 1)]
    (only,) = graded(RECORD, maps, None, 0.5)
    assert (only.kind, only.defect, only.patch.area) == (FOUND, 1, 2400)


def test_the_rule_agrees_where_it_marks_a_tenth_of_an_object() -> None:
    marks = np.zeros((40, 60), bool)
    marks[10, 10:15] = True
    assert judge(marks, square(10, 10, 5)).share == 0.2 and judge(marks, square(10, 10, 5)).agrees
    assert judge(marks, square(10, 10, 8)).agrees is False and judge(None, square(1, 1, 3)).agrees is None
    rule = Threshold(("pit",), (Setting(Base("otsu"), "dark", 1.0),))
    maps = np.full((1, 4, 4), 0.5, np.float32)
    wanted = marked(rule, maps, "pit")
    assert wanted is not None and wanted.all() and marked(rule, maps, "dent") is None
