"""Whether directions agree: checked against chance, against images whose grain is known, against quarter turns."""

import numpy as np
import pytest
from skimage.feature import structure_tensor

from flawsmith.data.direction import agree, grain


def pointing(angles: np.ndarray, lengths: np.ndarray | float = 1.0) -> np.ndarray:
    return np.stack([np.cos(angles), np.sin(angles)], 1) * np.reshape(lengths, (-1, 1))


@pytest.mark.parametrize(("count", "chance"), [(5, 0.1), (40, 0.1), (40, 0.01)])
def test_directions_without_a_rule_agree_as_often_as_chance_says(count: int, chance: float) -> None:
    random = np.random.default_rng(0)
    drawn = (pointing(random.uniform(0, 2 * np.pi, count), random.uniform(0.2, 1, count)) for _ in range(4000))
    assert np.mean([agree(vectors, chance) for vectors in drawn]) == pytest.approx(chance, rel=0.3)


def test_directions_with_a_rule_agree() -> None:
    random = np.random.default_rng(1)
    found = [agree(pointing(2 + random.normal(0, 0.5, 6)), 0.1) for _ in range(100)]
    assert np.mean(found) > 0.9


def test_two_never_agree_and_nothing_says_nothing() -> None:
    assert not agree(pointing(np.array([1.0, 1.0])), 0.1)
    assert not agree(np.zeros((9, 2)), 0.1)


def striped(angle: float, size: tuple[int, int] = (90, 120)) -> np.ndarray:
    """Grey waves that run along `angle`, in radians from the columns."""
    rows, columns = np.indices(size, dtype=np.float32)
    return np.asarray(0.5 + 0.3 * np.sin(0.5 * (columns * np.cos(angle) + rows * np.sin(angle))), np.float32)


def angle_of(vector: np.ndarray) -> float:
    """In radians."""
    return float(np.arctan2(vector[1], vector[0]))


@pytest.mark.parametrize("angle", [0.0, 0.4, 1.2, 2.5])
def test_grain_is_two_and_four_times_the_angle_of_the_waves(angle: float) -> None:
    for times, found in zip((2, 4), grain(striped(angle)), strict=True):
        assert np.hypot(*found) > 0.8
        assert abs(np.angle(np.exp(1j * (angle_of(found) - times * angle)))) < 0.1


def test_grain_points_where_that_of_scikit_image_does() -> None:
    """Its filters are others, and weigh noise otherwise: the length differs, the direction does not."""
    image = striped(0.7) + np.random.default_rng(2).normal(0, 0.02, (90, 120)).astype(np.float32)
    rows, mixed, columns = (part.mean() for part in structure_tensor(image, sigma=0.1, order="rc"))
    assert angle_of(grain(image)[0]) == pytest.approx(np.arctan2(2 * mixed, columns - rows), abs=0.05)


def test_a_quarter_turn_turns_the_grain_round_and_leaves_a_grid() -> None:
    image = np.random.default_rng(3).normal(0, 1, (64, 80)).astype(np.float32) + striped(0.3, (64, 80))
    assert np.allclose(grain(np.rot90(image)), grain(image) * [[-1], [1]], atol=1e-6)


def test_a_grid_has_no_grain_but_lies_straight() -> None:
    twice, four = grain(striped(0.3, (120, 120)) + striped(0.3 + np.pi / 2, (120, 120)))
    assert np.hypot(*twice) < 0.1 and np.hypot(*four) > 0.3


def test_noise_and_rounding_lie_no_way() -> None:
    """Rounded to 8 bits, gradients are often nothing along one of the axes."""
    random = np.random.default_rng(5)
    found = np.stack([grain(np.rint(random.normal(128, 1, (160, 160))).astype(np.float32)) for _ in range(40)])
    assert np.hypot(*found.mean(0).T).max() < 0.02


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (300, 2), (257, 512)])
def test_any_size_has_a_grain(size: tuple[int, int]) -> None:
    assert np.isfinite(grain(np.random.default_rng(4).random(size, np.float32))).all()
