import numpy as np
import pytest
import torch

from flawsmith.gan.generator import Generator, GeneratorConfig, compose


@pytest.fixture
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(GeneratorConfig(channels=3, classes=2, widths=(8, 12, 16))).eval()


def inputs(height: int, width: int, count: int = 1) -> tuple[torch.Tensor, ...]:
    random = torch.Generator().manual_seed(1)
    mask = torch.zeros(count, 1, height, width)
    mask[:, :, 12:20, 10:22] = 1
    return (
        torch.rand(count, 3, height, width, generator=random),
        mask,
        torch.arange(count) % 2,
        torch.randn(count, 16, generator=random),
        torch.randn(count, 1, height, width, generator=random),
        torch.rand(count, 3, height, width, generator=random),
    )


@torch.no_grad()
def test_alpha_is_exactly_zero_beyond_its_reach(generator: Generator) -> None:
    clean, mask, *rest = inputs(40, 48)
    content, alpha = generator(clean, mask, *rest)
    rows, columns = torch.nonzero(alpha[0, 0], as_tuple=True)
    assert rows.min() == 10 and rows.max() == 21 and columns.min() == 8 and columns.max() == 23
    painted = compose(clean, content, alpha)
    assert torch.equal(painted[..., alpha[0, 0] == 0], clean[..., alpha[0, 0] == 0])


@torch.no_grad()
def test_before_it_has_learned_anything_it_shows_the_draft(generator: Generator) -> None:
    clean, mask, *rest, draft = inputs(40, 48)
    content, alpha = generator(clean, mask, *rest, draft)
    inside = np.s_[..., 14:18, 12:20]
    assert alpha[inside].min() > 0.95
    assert torch.allclose(compose(clean, content, alpha)[inside], draft[inside], atol=0.1)


@torch.no_grad()
@pytest.mark.parametrize("size", [(32, 32), (40, 96), (136, 24)])
def test_any_size_that_is_a_multiple_of_the_stride(generator: Generator, size: tuple[int, int]) -> None:
    content, alpha = generator(*inputs(*size))
    assert content.shape == (1, 3, *size) and alpha.shape == (1, 1, *size)


@torch.no_grad()
def test_an_empty_mask_paints_nothing(generator: Generator) -> None:
    clean, mask, *rest = inputs(32, 32)
    assert not generator(clean, torch.zeros_like(mask), *rest)[1].any()


@torch.no_grad()
def test_a_result_does_not_depend_on_what_else_is_in_the_batch(generator: Generator) -> None:
    generator = generator.to(memory_format=torch.channels_last)
    together = generator(*inputs(32, 32, count=4))[0]
    first = generator(*(value[:1] for value in inputs(32, 32, count=4)))[0]
    assert torch.allclose(first, together[:1], atol=1e-6)


def test_class_latent_noise_and_draft_all_reach_the_paint(generator: Generator) -> None:
    values = [value.requires_grad_() if value.is_floating_point() else value for value in inputs(32, 32)]
    torch.nn.init.normal_(generator.head.weight, std=0.1)
    for block in [*generator.down_blocks, *generator.up_blocks, generator.middle]:
        torch.nn.init.normal_(block.second.weight, std=0.1)
    clean, mask, _, latent, noise, draft = values
    content, alpha = generator(*values)
    ((content - clean) * alpha).square().sum().backward()
    assert all(value.grad is not None and value.grad.abs().max() > 0 for value in (clean, mask, latent, noise, draft))
    assert generator.embed.weight.grad is not None and generator.embed.weight.grad[0].abs().max() > 0


@torch.no_grad()
def test_a_darker_part_gets_a_paint_that_is_darker_in_proportion(generator: Generator) -> None:
    torch.nn.init.normal_(generator.head.weight, std=0.3)
    clean, *rest, draft = inputs(32, 32)
    content, alpha = generator(clean, *rest, draft)
    darker, same_alpha = generator(0.5 * clean, *rest, 0.5 * draft)
    assert torch.allclose(darker, 0.5 * content, atol=1e-5) and torch.allclose(same_alpha, alpha, atol=1e-5)
