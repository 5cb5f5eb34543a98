"""Occlusion: it finds a planted cause at its place, and nothing where there is nothing, in few predictions."""

import numpy as np
import pytest
from explained import Rule, network, part, square, whole
from hypothesis import given
from hypothesis import strategies as st

from flawsmith.segment.explain.occlusion import OcclusionConfig, occlude, places, surroundings
from flawsmith.segment.explain.window import Window

CORNERS = [(0, 0), (0, 79), (63, 0), (63, 79), (30, 44)]


@pytest.mark.parametrize("cause", CORNERS)
def test_a_model_that_looks_at_one_pixel_is_found_out(cause: tuple[int, int]) -> None:
    image = part()
    image[cause] = 255
    model = Rule(lambda grey: np.float32(grey[cause] > 0.8))
    patch = square(26, 40, 6)
    found = occlude(model, whole(image, patch))
    assert found.probability == 1 and found.most == 1
    hot = found.heat > 0
    rows, columns = np.nonzero(hot)
    assert found.heat[cause] == found.heat.max()
    reach = 30 if cause != (30, 44) else found.side  # far places are larger
    assert np.abs(rows - cause[0]).max() < reach and np.abs(columns - cause[1]).max() < reach


def test_a_cause_far_away_is_not_put_down_to_the_object_nor_the_other_way_round() -> None:
    image, patch = part(200, 200), square(100, 100, 8)
    image[3, 190] = 255
    far = occlude(Rule(lambda grey: np.float32(grey[3, 190] > 0.8)), whole(image, patch))
    assert (far.away or 0) > 80 and far.heat[100:108, 100:108].max() == 0
    image[patch.full(200, 200)] = 10
    near = occlude(Rule(lambda grey: (grey < 0.2).astype(np.float32)), whole(image, patch))
    assert near.most > 0.9 and near.heat[:60].max() == 0 and near.away == 0


def test_where_covering_changes_nothing_it_is_0() -> None:
    flat = np.full((64, 80, 1), 120, np.uint8)  # its surroundings are itself
    model = network()
    assert np.array_equal(surroundings(flat, square(20, 30, 12).full(64, 80), 3), flat)
    assert not occlude(model, whole(flat, square(20, 30, 12))).heat.any()
    blind = occlude(Rule(lambda grey: np.full_like(grey, 0.7)), whole(part(), square(20, 30, 12)))
    assert not blind.heat.any() and blind.away is None and blind.most == 0


def test_a_rise_is_below_0() -> None:
    image = part()
    image[10, 10] = 255  # speaks against it
    found = occlude(Rule(lambda grey: np.float32(grey[10, 10] < 0.8)), whole(image, square(26, 40, 6)))
    assert found.heat.min() == -1 and found.most == 0


@pytest.mark.parametrize(("size", "side"), [((64, 80), 6), ((300, 290), 9), ((300, 290), 200), ((9, 300), 5)])
def test_no_more_predictions_than_it_says(size: tuple[int, int], side: int) -> None:
    usual, model = OcclusionConfig(), Rule(lambda grey: grey)
    found = occlude(model, whole(part(*size), square(2, 50, min(side, size[0] - 2))))
    assert model.asked == found.passes <= usual.near + usual.far + 1


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 70))
def test_places_cover_all_of_an_area_within_the_budget(height: int, width: int, most: int) -> None:
    area = Window(5, 7, 5 + height, 7 + width)
    found = places(area, most, Window.whole(120, 120))
    covered = np.zeros((120, 120), bool)
    for one in found:
        covered[one.slices] = True
    assert 1 <= len(found) <= most and covered[area.slices].all()


def test_what_surrounds_an_object_knows_nothing_of_it() -> None:
    image, mask = part(), square(20, 30, 12).full(64, 80)
    other = image.copy()
    other[mask] = 0
    assert np.array_equal(surroundings(image, mask, 3), surroundings(other, mask, 3))
    assert surroundings(image, np.ones((64, 80), bool), 3).shape == image.shape  # of an object that fills its view
    deep = image.astype(np.uint16) * 257
    assert surroundings(deep, mask, 3).dtype == np.uint16
