"""Every painter that needs no training goes through the same tests."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flawsmith.data.select import select
from flawsmith.gan.bank import Bank, build
from flawsmith.gan.blend import composite
from flawsmith.gan.canvas import ShapeParams
from flawsmith.gan.painter import Job, Painter
from flawsmith.gan.paste import Paste
from flawsmith.gan.poisson import Poisson
from flawsmith.gan.procedural import Procedural
from flawsmith.gan.region import grow
from flawsmith.gan.shapes import draw_shape, sample_shape

PAINTERS = (Paste, Poisson, Procedural)


@pytest.fixture(scope="module")
def bank(parts: Path) -> Bank:
    return build(select(parts), seed=0)


def job(bank: Bank, seed: int, defect: int = 0, top: int = 30, left: int = 34) -> Job:
    random = np.random.default_rng(seed)
    shape = draw_shape(sample_shape(bank, defect, random), bank)
    clean = (0.55 + random.normal(0, 0.015, (100, 110, 1))).astype(np.float32)
    mask = np.zeros((100, 110), bool)
    height, width = shape.mask.shape
    mask[top : top + height, left : left + width] = shape.mask
    return Job(clean, mask, defect, shape.params, top, left, (1, seed))


@pytest.fixture(params=PAINTERS, ids=lambda kind: kind.name)
def painter(request: pytest.FixtureRequest, bank: Bank) -> Painter:
    made: Painter = request.param(bank)
    return made


@pytest.mark.parametrize("defect", [0, 1])
@pytest.mark.parametrize("seed", range(4))
def test_the_defect_shows_in_the_mask_and_nowhere_else(painter: Painter, bank: Bank, seed: int, defect: int) -> None:
    one = job(bank, seed, defect)
    (paint,) = painter.paint([one])
    mixed = composite(one.clean, paint.painted, paint.alpha)
    sign = -1 if defect == 0 else 1  # pits are dark, scratches bright
    assert sign * (mixed - one.clean)[one.mask].mean() > 0.08
    far = ~grow(one.mask, 4)
    assert (paint.alpha[far] == 0).all() and np.array_equal(mixed[far], one.clean[far])


def test_what_is_painted_is_finite_float_in_range(painter: Painter, bank: Bank) -> None:
    for paint in painter.paint([job(bank, seed) for seed in range(3)]):
        assert paint.painted.dtype == paint.alpha.dtype == np.float32 and paint.painted.shape == (100, 110, 1)
        assert (
            paint.painted.min() >= 0 and paint.painted.max() <= 1 and 0 <= paint.alpha.min() <= paint.alpha.max() <= 1
        )


def test_a_job_does_not_depend_on_its_company(painter: Painter, bank: Bank) -> None:
    alone, together = painter.paint([job(bank, 2)])[0], painter.paint([job(bank, 1), job(bank, 2)])[1]
    assert np.array_equal(alone.painted, together.painted) and np.array_equal(alone.alpha, together.alpha)


@pytest.mark.parametrize("place", [(0, 0), (0, 50), (70, 0)])
def test_at_the_border_of_the_window(painter: Painter, bank: Bank, place: tuple[int, int]) -> None:
    one = job(bank, 0, 0, *place)
    (paint,) = painter.paint([one])
    assert (composite(one.clean, paint.painted, paint.alpha) - one.clean)[one.mask].mean() < -0.08


def test_the_clean_part_is_left_alone(painter: Painter, bank: Bank) -> None:
    one = job(bank, 0)
    before = one.clean.copy()
    painter.paint([one])
    assert np.array_equal(one.clean, before)


def test_an_unchanged_defect_is_put_back_as_it_was(bank: Bank) -> None:
    """Pasted unwarped where it came from, it gives the real image again."""
    one = bank.instances[0]
    same = ShapeParams(one.defect, 0, 0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0, False, False)
    top, left = int(np.flatnonzero(one.mask.any(1))[0]), int(np.flatnonzero(one.mask.any(0))[0])
    (paint,) = Paste(bank).paint([Job(one.healed, one.mask, one.defect, same, top, left, (0,))])
    inner = one.mask & ~grow(~one.mask, 1.5)  # at the rim the depth is kept, not the place
    assert np.abs(paint.painted - one.image)[inner].mean() < 0.02


def test_poisson_has_no_seam(bank: Bank) -> None:
    """The step over the rim of what was painted is no larger than the grain."""
    one = job(bank, 0)
    (paint,) = Poisson(bank).paint([one])
    inside = paint.alpha > 0
    down = np.abs(np.diff(paint.painted[..., 0], axis=0))
    rim = inside[1:] != inside[:-1]
    assert np.median(down[rim]) < 2.5 * np.median(np.abs(np.diff(one.clean[..., 0], axis=0)))


def test_the_paste_follows_the_light(bank: Bank) -> None:
    one = job(bank, 0)
    dim = replace(one, clean=one.clean * np.float32(0.5))
    (bright_paint,), (dim_paint,) = Paste(bank).paint([one]), Paste(bank).paint([dim])
    ratio = dim_paint.painted[one.mask].mean() / bright_paint.painted[one.mask].mean()
    assert ratio == pytest.approx(0.5, abs=0.05)


def test_procedural_paint_depends_on_the_seed(bank: Bank) -> None:
    one = job(bank, 0)
    first, other = Procedural(bank).paint([one, replace(one, seed=(9, 9))])
    assert not np.array_equal(first.painted, other.painted)
