"""The nearest training defects: an image's own comes first, distances are the cosine's, painted ones have their id."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from explained import CPU, Rule, network, part, square
from painted_sets import make_painted_set
from scipy.spatial.distance import cosine

from flawsmith.data.errors import UserError
from flawsmith.data.image import read_image
from flawsmith.data.painted_set import read_lines
from flawsmith.data.record import Record
from flawsmith.data.sample import instances
from flawsmith.data.select import Selection
from flawsmith.data.sources import write_sources
from flawsmith.segment.explain import nearest
from flawsmith.segment.explain.learned import Learned, painted_of, recall, selection_of
from flawsmith.segment.explain.nearest import PAINTED, REAL, Eye, Library
from flawsmith.segment.explain.tap import layer_of
from flawsmith.segment.model import Model

MODELS: dict[str, Model] = {"own": network(), "imagenet": Rule(lambda grey: grey)}


def _eye(name: str) -> Eye:
    return Eye(MODELS[name], layer_of(MODELS[name], None), CPU)


@pytest.mark.parametrize("name", MODELS)
def test_the_nearest_of_a_training_defect_is_itself(name: str, selection: Selection) -> None:
    eye, library = _eye(name), Library()
    events = list(library.learn(eye, REAL, selection.dataset.root, selection.defects, selection.classes))
    assert events[-1]["step"] == events[-1]["steps"] == len(selection.defects) == len(library.known)
    for record in selection.defects:
        image = read_image(record.image)
        ((defect, patch),) = instances(record, *image.shape[:2])
        first, *others = library.nearest(eye.look(image, patch))
        assert first.known.record == record and first.known.defect == defect
        assert first.distance < 1e-9 and others[0].distance > 1e-3


def test_distances_are_those_of_scipy() -> None:
    eye, image = _eye("own"), part()
    one, *others = (eye.look(image, square(*place)) for place in ((5, 5, 9), (40, 50, 4), (9, 60, 7), (30, 2, 5)))
    records = [Record(name, Path(name), name) for name in "abc"]
    known = [nearest.Known(REAL, "pit", record, square(40, 50, 4), Path()) for record in records]
    for count in (1, 3):  # of a single one there is no mean to take off
        library = Library(known[:count], others[:count])
        middle = np.mean(others, axis=0) if count > 1 else 0
        wanted = sorted(cosine(one - middle, other - middle) for other in others[:count])
        assert [found.distance for found in library.nearest(one)] == pytest.approx(wanted)
    assert Library().nearest(one) == ()
    alike = [
        nearest.Known(REAL, "pit", replace(records[0], name=str(index)), square(1, 1, 4), Path()) for index in range(3)
    ]
    assert len(Library(alike, others).nearest(one)) == 1  # all of one group


def test_a_painted_one_has_the_id_with_which_it_is_painted_again(tmp_path: Path, selection: Selection) -> None:
    out, eye, library = make_painted_set(tmp_path / "out"), _eye("own"), Library()
    ((place, records),) = painted_of([out], ("pit", "scratch"))
    list(library.learn(eye, PAINTED, place, records, ("pit",)))
    list(library.learn(eye, REAL, selection.dataset.root, selection.defects, selection.classes))
    found = [one.known.json() for one in library.nearest(eye.look(part(), square(5, 5, 9)), 2)]
    assert [one["kind"] for one in found] == [REAL, REAL, PAINTED, PAINTED]
    ids = {line["id"]: line for line in read_lines(out)}
    for one in found[2:]:
        assert one["set"] == str(out) and str(out / ids[one["id"]]["image"]) == one["image"] and one["class"] == "pit"
    assert all("id" not in one for one in found[:2])


def test_too_many_images_are_counted(selection: Selection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(nearest.MOST, REAL, 3)
    library = Library()
    list(library.learn(_eye("own"), REAL, selection.dataset.root, selection.defects, selection.classes))
    assert len(library.known) == 3 and library.left == {REAL: 5}


def test_what_was_learned_from_is_told_by_the_model_itself(tmp_path: Path, selection: Selection) -> None:
    drawn = (*selection.defects[:3], *selection.good[:2])
    write_sources(tmp_path, drawn)
    found = selection_of(tmp_path, selection.dataset.root, None, None, selection.classes, 0)
    assert (*found.defects, *found.good) == drawn
    plain = selection_of(tmp_path / "elsewhere" / "model.onnx", selection.dataset.root, None, 1, selection.classes, 0)
    assert len(plain.defects) == 2  # as train draws
    write_sources(tmp_path, selection.good)
    with pytest.raises(UserError, match="has learned from none of its images with a defect"):
        selection_of(tmp_path, selection.dataset.root, None, None, selection.classes, 0)


def test_the_note_beside_a_model_is_found_and_says_what_is_gone(tmp_path: Path) -> None:
    data, painted = tmp_path / "parts", tmp_path / "painted"
    data.mkdir()
    Learned.of(data, [painted]).save(tmp_path)
    found = recall(tmp_path, None, ())
    assert (found.data, found.synthetic, len(found.notes)) == (data, (), 1)
    assert f"{painted}: " in found.notes[0] and "say where it is with --learned" in found.notes[0]
    assert recall(tmp_path / "model.safetensors", None, ()).data == data
    assert recall(tmp_path, painted, ()).data == painted and recall(tmp_path, painted, ()).notes == ()
    assert "give --learned" in recall(data, None, ()).notes[0]
    (tmp_path / "learned.json").write_text("{}")
    with pytest.raises(UserError, match="note of what was learned from is damaged"):
        recall(tmp_path, None, ())
