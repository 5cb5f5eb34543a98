import numpy as np
import pytest
from scipy import ndimage

from flawsmith.gan.heal import HALO, heal
from flawsmith.gan.region import grow


def part(seed: int, size: tuple[int, int] = (90, 110), channels: int = 1) -> np.ndarray:
    """A striped, grainy part (H, W, C)."""
    random = np.random.default_rng(seed)
    stripes = 0.5 + 0.1 * np.sin(np.arange(size[1]) / 3) + 0.001 * np.arange(size[0])[:, None]
    image = stripes[..., None] + random.normal(0, 0.03, (*size, channels))
    return np.asarray(image.clip(0, 1), np.float32)


def disc(size: tuple[int, int], row: int, column: int, radius: int) -> np.ndarray:
    y, x = np.ogrid[: size[0], : size[1]]
    return np.asarray((y - row) ** 2 + (x - column) ** 2 <= radius**2)


def grain(image: np.ndarray, where: np.ndarray) -> float:
    return float((image - ndimage.gaussian_filter(image, (1.5, 0, 0)))[where].std())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("column", [50, 3])
def test_a_dark_disc_disappears_and_the_texture_stays(channels: int, column: int) -> None:
    clean = part(0, channels=channels)
    mask = disc(clean.shape[:2], 45, column, 8)
    healed = heal(np.where(mask[..., None], 0.1, clean), mask, [part(1, channels=channels)], np.random.default_rng(0))
    assert healed[mask].mean() == pytest.approx(clean[mask].mean(), abs=0.02)
    assert grain(healed, mask) == pytest.approx(grain(clean, mask), rel=0.3)  # neither blurred nor rougher
    assert np.abs(healed[mask] - clean[mask]).mean() < 0.07  # the stripes go on


def test_pixels_away_from_the_defect_keep_their_bits() -> None:
    image, mask = part(0), disc((90, 110), 40, 60, 6)
    healed = heal(image, mask, [part(1)], np.random.default_rng(0))
    far = ~grow(mask, HALO)
    assert np.array_equal(healed[far], image[far]) and healed.dtype == np.float32


def test_a_defect_is_never_healed_with_another_one() -> None:
    """Everything but the defects is flat: the best fit for the ring of one disc is the ring of the other."""
    image = np.full((90, 110, 1), 0.5, np.float32)
    image += np.random.default_rng(0).normal(0, 0.01, image.shape).astype(np.float32)
    mask = disc((90, 110), 30, 30, 7) | disc((90, 110), 60, 80, 7)
    image[mask] = 0.1
    assert heal(image, mask, [], np.random.default_rng(0))[mask].min() > 0.4


def test_without_a_donor_of_the_size_the_gap_is_closed_with_grain() -> None:
    image = part(0, (40, 40))
    mask = disc((40, 40), 20, 20, 15)
    healed = heal(np.where(mask[..., None], 0, image), mask, [part(1, (10, 10))], np.random.default_rng(0))
    assert healed[mask].min() > 0.3 and grain(healed, mask) > 0.01


def test_a_mask_over_the_whole_image_is_survived() -> None:
    image = part(0, (30, 30))
    assert np.isfinite(heal(image, np.ones((30, 30), bool), [part(1)], np.random.default_rng(0))).all()


def test_nothing_masked_is_nothing_changed() -> None:
    image = part(0)
    assert np.array_equal(heal(image, np.zeros((90, 110), bool), [part(1)], np.random.default_rng(0)), image)


def test_the_same_generator_gives_the_same_pixels() -> None:
    image, mask = part(0, (40, 40)), disc((40, 40), 20, 20, 15)
    first, second = (heal(image, mask, [], np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first, second)
