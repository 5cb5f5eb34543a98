"""The scores against scikit-learn, a brute-force AUPRO, and tables worked out by hand."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.metrics import average_precision_score, f1_score, jaccard_score, roc_auc_score

from flawsmith.segment.metrics import LEVELS, LIMIT, SMOOTH, Counts, image_score, quantise


def _images(seed: int, count: int = 6, ties: bool = False) -> list[tuple[np.ndarray, np.ndarray]]:
    """Noisy scores (H, W) around random blobs; every third image is good; sizes differ."""
    random = np.random.default_rng(seed)
    images = []
    for i in range(count):
        shape = (20 + 3 * i, 31 - 2 * i)
        truth = ndimage.gaussian_filter(random.normal(size=shape), 2) > (0.15 if i % 3 else 9)
        scores = (0.25 * truth + random.random(shape) * 0.75) ** 2
        images.append((np.round(scores, 1) if ties else scores, truth))
    return images


def _counts(images: list[tuple[np.ndarray, np.ndarray]]) -> Counts:
    counts = Counts()
    for scores, truth in images:
        counts.add(scores, truth)
    return counts


def _flat(images: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    return (np.concatenate([quantise(s).ravel() for s, _ in images]), np.concatenate([t.ravel() for _, t in images]))


def _brute_aupro(images: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """The definition, threshold by threshold, region by region, with the area under it cut into thin strips."""
    good = np.concatenate([quantise(s)[~t] for s, t in images])
    regions = []
    for scores, truth in images:
        labels, count = ndimage.label(truth, np.ones((3, 3)))
        regions += [quantise(scores)[labels == k] for k in range(1, count + 1)]
    points = [(0.0, 0.0)]
    for level in np.unique(np.concatenate([good, *regions]))[::-1]:
        points.append((float((good >= level).mean()), float(np.mean([(r >= level).mean() for r in regions]))))
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 < LIMIT and x1 > x0:
            end = min(x1, LIMIT)
            area += (end - x0) * (y0 + y0 + (y1 - y0) * (end - x0) / (x1 - x0)) / 2
    return area / LIMIT


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_scores_agree_with_independent_ones(seed: int, ties: bool) -> None:
    images = _images(seed, ties=ties)
    result = _counts(images).scores()
    levels, truth = _flat(images)
    called = levels >= LEVELS / 2
    image_levels = [int(quantise(np.asarray(image_score(s)))) for s, _ in images]
    defective = [bool(t.any()) for _, t in images]
    assert result["pixel_ap"] == pytest.approx(average_precision_score(truth, levels), abs=1e-9)
    assert result["dice"] == pytest.approx(f1_score(truth, called), abs=1e-9)
    assert result["iou"] == pytest.approx(jaccard_score(truth, called), abs=1e-9)
    assert result["aupro"] == pytest.approx(_brute_aupro(images), abs=1e-9)
    assert result["image_auroc"] == pytest.approx(roc_auc_score(defective, image_levels), abs=1e-9)
    assert result["image_ap"] == pytest.approx(average_precision_score(defective, image_levels), abs=1e-9)


def test_a_perfect_prediction_scores_one() -> None:
    result = _counts([(truth.astype(float), truth) for _, truth in _images(0)]).scores()
    assert result == pytest.approx(dict.fromkeys(result, 1.0))


def test_an_inverted_prediction_scores_badly() -> None:
    result = _counts([(1.0 - truth, truth) for _, truth in _images(0)]).scores()
    assert result["dice"] == result["iou"] == 0
    assert result["aupro"] == pytest.approx(0)


def test_constant_scores_are_chance() -> None:
    images = [(np.full(truth.shape, 0.3), truth) for _, truth in _images(1)]
    result = _counts(images).scores()
    assert result["pixel_ap"] == pytest.approx(_flat(images)[1].mean())
    assert result["image_auroc"] == 0.5
    assert result["aupro"] == pytest.approx(LIMIT / 2)


def test_by_hand() -> None:
    scores = np.array([[0.9, 0.8, 0.6, 0.4, 0.1]])
    truth = np.array([[True, False, True, False, False]])
    result = _counts([(scores, truth)]).scores()
    assert result["pixel_ap"] == pytest.approx((1 + 2 / 3) / 2)
    assert result["dice"] == pytest.approx(2 * 2 / (2 * 2 + 1))
    assert result["iou"] == pytest.approx(2 / 3)


def test_every_region_weighs_the_same_in_aupro() -> None:
    truth = np.zeros((20, 40), bool)
    truth[2:12, 2:12] = truth[15:17, 30:32] = True
    big, small = truth.copy(), truth.copy()
    big[14:], small[:14] = False, False
    assert _counts([(big.astype(float), truth)]).scores()["aupro"] == pytest.approx(
        _counts([(small.astype(float), truth)]).scores()["aupro"], abs=1e-9
    )


def test_what_is_not_defined_is_none() -> None:
    truth = np.zeros((5, 5), bool)
    result = _counts([(np.zeros((5, 5)), truth)]).scores()
    assert result == dict.fromkeys(result)
    everywhere = _counts([(np.ones((5, 5)), ~truth)]).scores()
    assert everywhere["aupro"] is None and everywhere["image_auroc"] is None and everywhere["pixel_ap"] == 1


def test_order_of_images_does_not_matter() -> None:
    images = _images(3)
    assert _counts(images).scores() == pytest.approx(_counts(images[::-1]).scores())


def test_one_hot_pixel_is_weaker_than_a_spot() -> None:
    pixel, spot = np.zeros((30, 30)), np.zeros((30, 30))
    pixel[10, 10] = 1
    spot[9:14, 9:14] = 1
    assert image_score(pixel) < 0.1 < 0.5 < image_score(spot)


@given(
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    spots=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59), st.floats(0, 1, width=32)), max_size=6),
    floor=st.sampled_from([0.0, 0.2]),
    seed=st.integers(0, 99),
)
def test_the_score_of_an_image_is_the_highest_smoothed_value(
    size: tuple[int, int], spots: list[tuple[int, int, float]], floor: float, seed: int
) -> None:
    scores = (floor * np.random.default_rng(seed).random(size)).astype(np.float32)
    for row, column, value in spots:
        scores[row % size[0], column % size[1]] = value
    assert image_score(scores) == ndimage.gaussian_filter(scores, SMOOTH, mode="reflect").max()
