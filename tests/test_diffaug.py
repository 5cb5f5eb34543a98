import torch

from flawsmith.gan.diffaug import Jitter, apply_jitter, sample_jitter


def test_neutral_parameters_are_the_identity() -> None:
    image, mask = torch.rand(2, 3, 16, 16), (torch.rand(2, 1, 16, 16) > 0.5).float()
    neutral = Jitter(torch.ones(2, 1, 1, 1), torch.zeros(2, 1, 1, 1), (False, False), (0, 0))
    same_image, same_mask = apply_jitter(neutral, image, mask)
    assert torch.allclose(same_image, image, atol=1e-7) and torch.equal(same_mask, mask)


def test_image_and_mask_move_together() -> None:
    mask = torch.zeros(4, 1, 32, 32)
    mask[:, :, 8:14, 18:22] = 1
    for seed in range(8):
        jitter = sample_jitter(4, torch.Generator().manual_seed(seed), strength=0.0)
        image, moved = apply_jitter(jitter, mask.clone(), mask)
        assert torch.allclose(image, moved, atol=1e-6) and set(moved.unique().tolist()) == {0.0, 1.0}


def test_the_gradient_reaches_the_image() -> None:
    image = torch.rand(2, 1, 16, 16, requires_grad=True)
    apply_jitter(sample_jitter(2, torch.Generator().manual_seed(0)), image, torch.ones(2, 1, 16, 16))[
        0
    ].sum().backward()
    assert image.grad is not None and image.grad.abs().sum() > 0
