"""Test-time augmentation: views are undone exactly, and what does not depend on them does not vary."""

import numpy as np
import pytest
from explained import Rule, part, square, whole
from hypothesis import given
from hypothesis import strategies as st

from flawsmith.segment.explain.views import FLIPS, GAINS, TURNS, Turn, doubt


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from(FLIPS))
def test_a_view_is_undone_exactly(height: int, width: int, turn: Turn) -> None:
    image = np.arange(height * width, dtype=np.uint8).reshape(height, width, 1)
    assert np.array_equal(turn.undo(turn.show(image)[None, ..., 0])[0], image[..., 0])


def test_the_flips_are_eight_different_ones() -> None:
    image = np.arange(9, dtype=np.uint8).reshape(3, 3, 1)
    assert len({turn.show(image).tobytes() for turn in FLIPS}) == 8 and len(TURNS) == 8 + len(GAINS)


def test_a_rule_that_knows_no_direction_does_not_vary() -> None:
    found = doubt(Rule(lambda grey: grey), whole(part(33, 50), square(10, 20, 6)), 0.2, FLIPS)
    assert found.spread == 0 and not found.deviation.any() and found.agreement == 1
    np.testing.assert_allclose(found.mean, part(33, 50)[..., 0] / 255, atol=1e-6)


def test_one_that_knows_left_from_right_varies_by_what_can_be_counted() -> None:
    def left(grey: np.ndarray) -> np.ndarray:
        return np.broadcast_to(np.arange(grey.shape[1]) < grey.shape[1] // 2, grey.shape)

    found = doubt(Rule(left), whole(part(40, 40), square(5, 5, 6)), 0.5, FLIPS)
    assert found.mean[:20, :20] == pytest.approx(0.5) and found.spread == pytest.approx(0.5)
    assert (found.agree, found.views) == (4, 8)


def test_brightness_is_one_of_the_views() -> None:
    image = np.full((20, 20, 1), 100, np.uint8)  # 100 × 1.25 = 125 is the only one above 0.45 of 255
    found = doubt(Rule(lambda grey: (grey > 0.45).astype(np.float32)), whole(image, square(5, 5, 6)), 0.5)
    assert (found.agree, found.views) == (1, 12)
    assert Turn(gain=1.25).show(np.full((1, 1, 1), 250, np.uint8)) == 255
    assert Turn(gain=0.8).show(np.full((1, 1, 1), 50000, np.uint16)) == 40000
