"""Single defects in maps: connected pixels, their scores, their order; and what is drawn of them."""

import numpy as np
from skimage import measure

from flawsmith.segment.annotate import annotate
from flawsmith.segment.instances import instances


def _maps() -> np.ndarray:
    maps = np.zeros((2, 12, 14), np.float32)
    maps[0, 1:3, 1:4], maps[0, 3, 4] = 0.6, 0.7  # touching by a corner: one
    maps[0, 8:10, 8:10] = 0.9
    maps[1, 5, 5] = 0.5
    return maps


def test_each_connected_piece_is_one_with_its_highest_probability() -> None:
    found = instances(_maps(), ("pit", "scratch"), 0.5)
    assert [(one.defect, round(one.score, 2), one.patch.box, one.patch.area) for one in found] == [
        ("pit", 0.9, (8, 8, 2, 2), 4),
        ("pit", 0.7, (1, 1, 4, 3), 7),
        ("scratch", 0.5, (5, 5, 1, 1), 1),
    ]


def test_together_they_are_the_mask_as_scikit_image_labels_it() -> None:
    map_ = np.random.default_rng(1).random((1, 40, 50)).astype(np.float32)
    found = instances(map_, ("pit",), 0.8)
    labels = measure.label(map_[0] >= 0.8, connectivity=2)
    regions = measure.regionprops(labels, map_[0])
    assert sorted((one.patch.area, one.score) for one in found) == sorted(
        (int(one.area), float(one.intensity_max)) for one in regions
    )
    assert np.array_equal(np.any([one.patch.full(40, 50) for one in found], axis=0), labels > 0)


def test_those_too_small_are_left_out() -> None:
    assert [one.patch.area for one in instances(_maps(), ("pit", "scratch"), 0.5, least=5)] == [7]


def test_nothing_found_is_nothing() -> None:
    assert instances(np.zeros((1, 5, 5), np.float32), ("pit",), 0.5) == ()


def test_no_pixel_of_a_defect_is_drawn_over_by_its_own_outline() -> None:
    image = np.full((60, 60, 1), 90, np.uint8)
    map_ = np.zeros((1, 60, 60), np.float32)
    map_[0, 0:9, 50:60] = 1  # at a corner of the image
    found = instances(map_, ("pit",), 0.5)
    drawn = annotate(image, found, ("pit",))
    assert drawn.shape == (60, 60, 3) and drawn.dtype == np.uint8
    assert (drawn[0:9, 50:60] == 90).all() and (drawn[9, 50:60] != 90).any()
    assert np.array_equal(annotate(image, (), ("pit",)), np.repeat(image, 3, 2))
