import numpy as np
import torch
from torch import Tensor

from flawsmith.gan.bank import Bank
from flawsmith.gan.draft import GAIN, LEVEL, NOISE, stirred, varied
from flawsmith.gan.instance import Instance
from flawsmith.gan.painter import Job
from flawsmith.gan.shapes import draw_shape, sample_shape, source_coordinates
from flawsmith.gan.transplant import transplant


def scene(count: int = 64) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A square with a slope from dark to bright on grey; the grey; the square's mask; noise."""
    random = torch.Generator().manual_seed(0)
    mask = torch.zeros(count, 1, 40, 48)
    mask[:, :, 10:30, 12:36] = 1
    clean = torch.full_like(mask, 0.5)
    noise = torch.randn(count, 1, 40, 48, generator=random)
    return clean + mask * torch.linspace(-0.2, 0.1, 48), clean, mask, noise


def test_without_doubt_and_noise_it_is_the_real_defect() -> None:
    draft, clean, mask, noise = scene()
    assert torch.allclose(varied(draft, clean, mask, torch.zeros(64, 2), 0 * noise), draft, atol=1e-6)


def test_how_dark_and_how_strong_it_is_is_left_open() -> None:
    draft, clean, mask, noise = scene(3)
    doubt = torch.tensor([[0.0, 0.0], [0.0, 2.0], [2.0, 0.0]])
    plain, brighter, stronger = varied(draft, clean, mask, doubt, 0 * noise)[:, 0, 11:29, 13:35] - 0.5
    assert torch.allclose(brighter - plain, (brighter - plain).mean().expand_as(plain), atol=1e-5)
    strength = plain.square().mean().sqrt()
    assert brighter.mean() - plain.mean() > 1.8 * LEVEL * strength
    assert torch.allclose(stronger, np.exp(2 * GAIN) * plain, atol=1e-4)


def test_its_noise_is_smooth_and_in_proportion_to_what_is_there() -> None:
    draft, clean, mask, noise = scene()
    change = varied(draft, clean, mask, torch.zeros(64, 2), noise) - draft
    strength = (draft - clean)[mask > 0].square().mean().sqrt()
    assert 0.7 * NOISE < change[..., 12:28, 14:34].std() / strength < 1.3 * NOISE
    assert (change[..., 12:28, 15:34] - change[..., 12:28, 14:33]).std() < 0.5 * change[..., 12:28, 14:34].std()
    assert torch.allclose(varied(clean, clean, mask, torch.ones(64, 2), noise), clean, atol=1e-6)


def test_the_part_beside_the_defect_is_left_alone() -> None:
    draft, clean, mask, noise = scene(4)
    change = varied(draft, clean, mask, torch.ones(4, 2), noise) - draft
    rows, columns = change.abs().amax((0, 1)).nonzero(as_tuple=True)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (9, 30, 11, 36)


def test_colours_are_varied_together_and_stay_in_range() -> None:
    draft, clean, mask, noise = scene(8)
    colours, greys = (torch.cat([one, 0.8 * one, 0.6 * one], 1) for one in (draft, clean))
    change = varied(colours, greys, mask, torch.zeros(8, 2), noise) - colours
    assert torch.allclose(change[:, 0], change[:, 2], atol=1e-5)
    extreme = varied(colours, greys, mask, 9 * torch.ones(8, 2), noise)
    assert extreme.min() >= 0 and extreme.max() <= 1


def test_pixels_are_moved_by_about_as_much_as_the_area_says() -> None:
    nowhere = np.zeros((2, 80, 90), np.float32)
    for area, amount in ((9, 0.7), (400, 2.4), (40000, 4.0)):
        moves = stirred(nowhere, area, 99, np.random.default_rng(0))
        assert moves.shape == (2, 80, 90) and 0.5 * amount < moves.std() < 1.1 * amount
        assert np.abs(np.diff(moves, axis=2)).max() < 1.2  # smoothly: next to nothing is folded over


def test_a_long_defect_is_moved_along_more_than_across_and_a_disc_alike() -> None:
    rows, columns = np.mgrid[-40:40, -45:45].astype(np.float32)
    line, disc = np.abs(rows) - 3, np.hypot(rows, columns) - 16
    moves = stirred(np.stack(np.gradient(line)), 540, 1.5, np.random.default_rng(0))
    assert moves[0].std() < 1.1 < 2 < moves[1].std()
    inside = -disc[disc < 0]
    slopes, area = np.stack(np.gradient(disc)), inside.size
    round_ = stirred(slopes, area, float(inside.mean()), np.random.default_rng(0))
    assert np.abs(round_ - stirred(0 * slopes, area, 99, np.random.default_rng(0))).max() < 0.3


def test_what_is_stirred_keeps_its_depth_and_is_no_copy(bank: Bank) -> None:
    random = np.random.default_rng(0)
    for defect in range(len(bank.classes)):
        shape = draw_shape(sample_shape(bank, defect, random), bank)
        mask = np.pad(shape.mask, 20)
        clean = np.full((*mask.shape, bank.channels), 0.6, np.float32)
        job = Job(clean, mask, defect, shape.params, 20, 20, ())
        copy, _ = transplant(job, bank)
        moved, _ = transplant(job, bank, np.random.default_rng(1))
        again, _ = transplant(job, bank, np.random.default_rng(1))
        other, _ = transplant(job, bank, np.random.default_rng(2))
        assert np.array_equal(moved, again) and not np.array_equal(moved, other)
        assert not np.allclose(moved[mask], copy[mask], atol=0.01)
        assert abs(moved[mask].mean() - copy[mask].mean()) < 0.3 * abs(copy[mask].mean() - 0.6)  # still as dark
        assert (
            source_coordinates(shape.params, bank, random).shape[1:] == source_coordinates(shape.params, bank).shape[1:]
        )


def test_a_long_thin_defect_is_not_torn() -> None:
    rows, columns = np.mgrid[:128, :160]
    off = np.abs(rows - 64 - 10 * np.sin(columns / 25))
    line, mask = (off < 1.5) & (columns > 20) & (columns < 140), (off < 4) & (columns > 18) & (columns < 142)
    healed = np.full((128, 160, 1), 0.6, np.float32)
    scratch = Instance(
        0, np.where(line[..., None], np.float32(0.2), healed), mask, healed, (False,) * 4, 0, 0, 128, 160, "a", "a"
    )
    bank = Bank((scratch,), ("scratch",), 1, 255)
    torn = []
    for seed in range(8):
        random = np.random.default_rng(seed)
        shape = draw_shape(sample_shape(bank, 0, random), bank)
        drawn = np.pad(shape.mask, 20)
        job = Job(np.full((*drawn.shape, 1), 0.6, np.float32), drawn, 0, shape.params, 20, 20, ())
        moved, _ = transplant(job, bank, random)
        darkest = np.where(drawn, moved[..., 0], 1).min(0)[drawn.any(0)]
        torn.append((darkest[8:-8] > 0.4).mean())  # columns in which it has lost half of its contrast
    assert np.mean(torn) < 0.01  # moved across as far as along: 0.07
