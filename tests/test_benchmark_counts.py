"""Counts of single images: the scores of any weighting of them, against the exact ones and scikit-learn's."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.metrics import average_precision_score, f1_score, jaccard_score, roc_auc_score

from flawsmith.data.errors import UserError
from flawsmith.data.record import Label, Record
from flawsmith.segment.benchmark.counts import COUNTS, Counts
from flawsmith.segment.benchmark.curves import RECALL, precision
from flawsmith.segment.benchmark.layer import FINE, Layer, bin_edges
from flawsmith.segment.benchmark.weighted import SCORES, Weighted
from flawsmith.segment.metrics import LEVELS, quantise
from flawsmith.segment.metrics import Counts as Sums
from flawsmith.segment.tally import Tally

CLASSES = ("pit", "scratch")
Images = list[tuple[np.ndarray, np.ndarray]]  # maps (K, H, W) and truth


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return (1 / (1 + np.exp(-logits))).astype(np.float32)


def _images(
    scores: Callable[[np.ndarray], np.ndarray] = _sigmoid, count: int = 16, size: int = 64, every: int = 2
) -> Images:
    """Noise with blobs that stand out, made into scores; every second image shows nothing, unless told."""
    random = np.random.default_rng(count)
    images = []
    for index in range(count):
        noise = ndimage.gaussian_filter(random.normal(size=(2, size, size)), (0, 4, 4))
        truth = (noise > 0.15) & (index % every == 0)
        images.append((scores(2 * truth + random.normal(size=truth.shape)).astype(np.float32), truth))
    return images


def _tally(images: Images, groups: int = 5) -> Tally:
    """Images of groups that differ in size, named in no order."""
    tally = Tally(CLASSES)
    for index, (maps, truth) in enumerate(images):
        name = f"{index}.png"
        tally.add(Record(name, Path(name), f"part {index * index % groups}", (Label("pit", Path(name)),)), maps, truth)
    return tally


def _all(layer: Layer, weights: np.ndarray | None = None) -> dict[str, float | None]:
    """The scores of one weighting of the images, by default each once; None for NaN as the exact ones have it."""
    names = [f"{index:04}" for index in range(len(layer.regions))]
    of = Weighted(layer, names, np.ones((1, len(names))) if weights is None else weights[None])
    return {name: None if np.isnan(value := score(of)[0]) else float(value) for name, score in SCORES.items()}


HARD: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "spread": _sigmoid,
    "saturated": lambda logits: _sigmoid(6 * logits),
    "saturated at one": lambda logits: _sigmoid(6 * logits + 20),
    "all low": lambda logits: _sigmoid(2 * logits - 9),
    "a narrow range": lambda logits: 0.5 + 0.004 * _sigmoid(logits),
    "tied": lambda logits: _sigmoid(logits).round(1),
    "constant": lambda logits: np.full(logits.shape, 0.3),
}


@pytest.mark.parametrize("name", HARD)
def test_scores_of_all_images_agree_with_the_exact_ones(name: str) -> None:
    tally = _tally(_images(HARD[name]))
    exact, counts = tally.result(), tally.counts()
    assert _all(counts.overall) == pytest.approx(exact["overall"], abs=1e-3)
    for defect in CLASSES:
        assert _all(counts.layer(defect)) == pytest.approx(exact["per_class"][defect], abs=1e-3)


def test_extremely_rare_defects_agree_relative_to_their_rarity() -> None:
    images = _images(every=99)
    for _, truth in images:
        truth[:] = False
    images[3][1][:, 5, 5:15] = True
    tally = _tally(images)
    assert tally.overall.defect.sum() == 10
    assert _all(tally.counts().overall)["pixel_ap"] == pytest.approx(tally.result()["overall"]["pixel_ap"], rel=1e-3)


def test_an_image_with_more_levels_than_are_kept_still_agrees() -> None:
    tally = _tally(_images(count=3, size=400))
    assert len(np.flatnonzero(tally.overall.good)) > 4 * FINE
    assert len(tally.counts().overall.image) <= 3 * FINE
    assert _all(tally.counts().overall) == pytest.approx(tally.result()["overall"], abs=1e-3)


def test_a_thousand_images_of_three_classes_stay_below_100_mb() -> None:
    random = np.random.default_rng(0)
    truth = np.arange(2 * 400 * 400).reshape(2, 400, 400) % 3 == 0
    tally = _tally([(random.random(truth.shape, np.float32), truth) for _ in range(2)])  # as full as can be
    arrays = [array for row in tally.gatherer.rows for array in vars(row).values() if isinstance(array, np.ndarray)]
    layer = tally.counts().overall
    for held in (arrays, [getattr(layer, field.name) for field in fields(Layer)]):
        assert 1000 * 4 * sum(array.nbytes for array in held) / 2 < 100e6


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_weighted_scores_agree_with_sample_weights(seed: int) -> None:
    random = np.random.default_rng(seed)
    images = _images(count=6, size=48)
    weights = random.integers(0, 4, len(images)).astype(float)
    layer = _tally(images).counts().layer("pit")
    weights[layer.shown.argmax()] += 1
    found = _all(layer, weights)
    levels = np.concatenate([quantise(maps[0]).ravel() for maps, _ in images])
    truth = np.concatenate([masks[0].ravel() for _, masks in images])
    each = np.repeat(weights, 48 * 48)
    called = levels >= LEVELS / 2
    assert found["pixel_ap"] == pytest.approx(average_precision_score(truth, levels, sample_weight=each), abs=1e-3)
    assert found["dice"] == pytest.approx(f1_score(truth, called, sample_weight=each))
    assert found["iou"] == pytest.approx(jaccard_score(truth, called, sample_weight=each))
    if weights[~layer.shown].any():
        auroc = roc_auc_score(layer.shown, layer.score, sample_weight=weights)
        assert found["image_auroc"] == pytest.approx(auroc)
    image_ap = average_precision_score(layer.shown, layer.score, sample_weight=weights)
    assert found["image_ap"] == pytest.approx(image_ap)


def test_a_whole_weight_is_that_many_copies() -> None:
    images = _images(count=4)
    weights = np.array([2.0, 1, 0, 3])
    repeated = [image for image, times in zip(images, weights, strict=True) for _ in range(int(times))]
    found, exact = _all(_tally(images).counts().overall, weights), _tally(repeated).result()["overall"]
    assert found == pytest.approx(exact, abs=1e-3)


def test_weights_belong_to_groups_in_the_order_of_their_names() -> None:
    layer = _tally(_images(count=4)).counts().overall
    by_image = Weighted(layer, ["0", "1", "2", "3"], np.array([[1.0, 2, 2, 1]]))
    by_group = Weighted(layer, ["b", "a", "a", "b"], np.array([[2.0, 1]]))
    for score in SCORES.values():
        assert score(by_group) == pytest.approx(score(by_image))


def test_what_a_weighting_does_not_define_is_nan() -> None:
    layer = _tally(_images(count=4)).counts().overall
    nothing, no_defect = np.zeros(4), (~layer.shown).astype(float)
    for weights in (nothing, no_defect):
        assert [name for name, value in _all(layer, weights).items() if value is not None] in ([], ["dice", "iou"])
    assert _all(layer, no_defect)["pixel_ap"] is None
    assert _all(layer, layer.shown.astype(float))["image_auroc"] is None


@given(st.lists(st.integers(0, 50), min_size=1, max_size=60).filter(any), st.integers(1, 20))
def test_less_than_a_share_lies_above_the_lowest_level_of_a_bin(mass: list[int], shares: int) -> None:
    values = np.array(mass) / 7
    edges = np.sort(bin_edges(values, shares))
    assert edges[0] == np.flatnonzero(values)[0]
    for start, stop in zip(edges, [*edges[1:], len(values)], strict=True):
        assert values[start + 1 : stop].sum() * shares < values.sum() + 1e-9
    assert len(edges) <= shares


def test_the_curve_holds_the_area_of_its_average_precision() -> None:
    layer = _tally(_images()).counts().overall
    curve = precision(layer)
    ap = _all(layer)["pixel_ap"]
    assert curve.shape == RECALL.shape and ((curve >= 0) & (curve <= 1)).all()
    assert np.trapezoid(curve, RECALL) == pytest.approx(ap, abs=0.01)
    assert curve[-1] == pytest.approx(layer.inside.sum() / (layer.inside.sum() + layer.outside.sum()), abs=0.1)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    counts = _tally(_images()).counts()
    counts.save(tmp_path / COUNTS)
    again = Counts.load(tmp_path / COUNTS)
    assert (again.images, again.groups, again.classes) == (counts.images, counts.groups, CLASSES)
    for before, after in zip((*counts.per_class, counts.overall), (*again.per_class, again.overall), strict=True):
        for field in fields(Layer):
            old, new = getattr(before, field.name), getattr(after, field.name)
            assert old.dtype == new.dtype and (old == new).all()
    first = (tmp_path / COUNTS).read_bytes()
    counts.save(tmp_path / COUNTS)
    assert (tmp_path / COUNTS).read_bytes() == first


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path, counts = tmp_path / COUNTS, _tally(_images(count=4)).counts()
    with pytest.raises(UserError, match=COUNTS):
        Counts.load(path)
    counts.save(path)
    whole = path.read_bytes()
    for broken in (b"", b"no zip", whole[: len(whole) // 2]):
        path.write_bytes(broken)
        with pytest.raises(UserError, match=COUNTS):
            Counts.load(path)
    replace(counts, overall=replace(counts.overall, score=counts.overall.score[1:])).save(path)
    with pytest.raises(UserError, match="do not fit together"):
        Counts.load(path)
    np.savez(path, allow_pickle=True, images=np.array([{}], dtype=object))
    with pytest.raises(UserError, match=COUNTS):
        Counts.load(path)


def test_the_tally_sums_what_single_images_add() -> None:
    images = _images(count=5)
    tally, whole = _tally(images), Sums()
    for maps, truth in images:
        whole.add(maps[0], truth[0])
    assert all(np.array_equal(value, getattr(tally.per_class[0], name)) for name, value in vars(whole).items())
