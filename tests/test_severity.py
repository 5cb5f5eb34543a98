import numpy as np
import pytest

from flawsmith.gan.blend import composite
from flawsmith.gan.painter import Paint
from flawsmith.gan.severity import harder


@pytest.fixture
def clean() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.3, 0.7, (20, 30, 3)).astype(np.float32)


@pytest.fixture
def paint(clean: np.ndarray) -> Paint:
    random = np.random.default_rng(1)
    change = random.uniform(-0.1, 0.1, clean.shape).astype(np.float32)
    return Paint(clean + change, random.uniform(0, 1, clean.shape[:2]).astype(np.float32))


def test_one_is_the_paint_itself_and_zero_the_clean_part_to_the_bit(clean: np.ndarray, paint: Paint) -> None:
    assert harder(paint, clean, 1) is paint
    assert np.array_equal(harder(paint, clean, 0).painted, clean)


@pytest.mark.parametrize("severity", [0.25, 0.5, 1.5, 2.0])
def test_the_change_grows_in_proportion_and_alpha_stays(clean: np.ndarray, paint: Paint, severity: float) -> None:
    found = harder(paint, clean, severity)
    assert found.painted.dtype == np.float32 and found.alpha is paint.alpha
    assert np.allclose(found.painted - clean, severity * (paint.painted - clean), atol=1e-6)
    before, after = (composite(clean, one.painted, one.alpha) for one in (paint, found))
    assert np.allclose(after - clean, severity * (before - clean), atol=1e-6)


def test_values_stay_in_range(clean: np.ndarray, paint: Paint) -> None:
    assert harder(paint, clean, 100).painted.min() == 0 and harder(paint, clean, 100).painted.max() == 1


@pytest.mark.parametrize("severity", [-0.1, float("nan"), float("inf")])
def test_an_impossible_severity_is_refused(clean: np.ndarray, paint: Paint, severity: float) -> None:
    with pytest.raises(ValueError, match="a severity is 0 or more"):
        harder(paint, clean, severity)
