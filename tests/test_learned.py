from pathlib import Path

import numpy as np
import pytest
import torch

from flawsmith.data.checkpoint import load, save
from flawsmith.data.errors import UserError
from flawsmith.gan.bank import Bank
from flawsmith.gan.canvas import ShapeParams
from flawsmith.gan.generator import Generator, GeneratorConfig
from flawsmith.gan.latents import Latents
from flawsmith.gan.learned import LearnedPainter
from flawsmith.gan.painter import Job

SHAPE = ShapeParams(0, 0, 0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0, False, False)


@pytest.fixture(scope="module")
def painter(bank: Bank) -> LearnedPainter:
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(channels=1, classes=2, latent=4, widths=(8, 12, 16)))
    torch.nn.init.normal_(generator.head.weight, std=0.3)
    latents = Latents(torch.randn(6, 4), torch.tensor([0, 0, 0, 1, 1, 1]))
    return LearnedPainter(generator, latents, bank, torch.device("cpu"))


def job(index: int, size: tuple[int, int] = (45, 51)) -> Job:
    mask = np.zeros(size, bool)
    mask[10:20, 12 : 22 + index % 3] = True
    clean = np.random.default_rng(index).random((*size, 1)).astype(np.float32)
    return Job(clean, mask, index % 2, SHAPE, 10, 12, (0, index, 0, 0))


def test_a_job_is_painted_alike_whatever_it_is_painted_with(painter: LearnedPainter) -> None:
    jobs = [job(0), job(1, (64, 40)), job(2), job(3)]
    together = painter.paint(jobs)
    for one, paint in zip(jobs, together, strict=True):
        alone = painter.paint([one])[0]
        assert np.array_equal(alone.painted, paint.painted) and np.array_equal(alone.alpha, paint.alpha)


def test_a_longer_micro_batch_is_filled_up_and_changes_nothing_visible(painter: LearnedPainter) -> None:
    one = painter.paint([job(0)])[0]
    painter.together = 4
    four = painter.paint([job(0)])[0]
    painter.together = 1
    assert np.allclose(one.painted, four.painted, atol=1 / 255)


def test_windows_of_any_size_keep_it(painter: LearnedPainter) -> None:
    paint = painter.paint([job(0, (37, 61))])[0]
    assert paint.painted.shape == (37, 61, 1) and paint.alpha.shape == (37, 61)
    assert not paint.alpha[:8].any() and paint.alpha[15, 16] > 0


def test_another_seed_is_another_look(painter: LearnedPainter) -> None:
    first, other = job(0), Job(**{**vars(job(0)), "seed": (0, 0, 0, 1)})
    a, b = painter.paint([first])[0], painter.paint([other])[0]
    inside = first.mask
    assert np.abs(a.painted - b.painted)[inside].mean() > 0.01


def test_a_checkpoint_of_another_shape_is_refused(painter: LearnedPainter, tmp_path: Path) -> None:
    tensors = {f"generator.{name}": value for name, value in painter.generator.state_dict().items()}
    shape = {"channels": 3, "classes": 2, "latent": 4, "style": 64, "widths": [8, 12, 16], "reach": 2}
    save(tmp_path / "a.safetensors", tensors | painter.latents.tensors(), {"generator": shape})
    with pytest.raises(UserError, match="must be"):
        LearnedPainter.load(tmp_path / "a.safetensors", painter.bank, torch.device("cpu"))
    shape["channels"] = 1
    save(tmp_path / "b.safetensors", tensors | painter.latents.tensors(), {"generator": shape})
    again = LearnedPainter.load(tmp_path / "b.safetensors", painter.bank, torch.device("cpu"))
    assert np.array_equal(again.paint([job(0)])[0].painted, painter.paint([job(0)])[0].painted)
    assert load(tmp_path / "b.safetensors")[1]["generator"]["channels"] == 1
