import numpy as np
from hypothesis import given
from hypothesis.strategies import floats

from flawsmith.gan.standout import standout

MASK = np.zeros((40, 40), bool)
MASK[16:24, 14:26] = True


def part(by: float, grain: float, seed: int = 0) -> np.ndarray:
    image = 0.5 + grain * np.random.default_rng(seed).normal(size=(40, 40, 1))
    image[MASK] -= by
    return image.astype(np.float32)


@given(floats(0.02, 0.4), floats(0.005, 0.05))
def test_it_is_the_contrast_in_units_of_the_surface_around(by: float, grain: float) -> None:
    expected = by / (grain + 2 / 255)
    assert abs(standout(part(by, grain), MASK) / expected - 1) < 0.35 + 3 * grain / by / MASK.sum() ** 0.5


def test_the_same_defect_stands_out_less_on_a_rougher_part() -> None:
    assert standout(part(0.2, 0.01), MASK) > 2 * standout(part(0.2, 0.05), MASK)


def test_brighter_and_darker_count_alike_and_nothing_does_not_stand_out() -> None:
    image = part(0.2, 0.01)
    assert abs(standout(image, MASK) - standout(1 - image, MASK)) < 1e-3
    assert standout(image, np.zeros_like(MASK)) == standout(image, np.ones_like(MASK)) == 0.0
    assert standout(part(0, 0.01), MASK) < 0.3


def test_what_the_part_itself_does_is_not_the_paints() -> None:
    shaded, rough = part(0.2, 0.01), part(0.2, 0.01, seed=1)
    assert standout(rough, MASK) > 10 * standout(rough, MASK, shaded)
    level = part(0, 0.01)
    assert standout(rough, MASK, level) > 0.9 * standout(rough, MASK)
    assert standout(level, MASK, shaded) < 0.3  # paint that hides a shade changes much, and shows nothing
