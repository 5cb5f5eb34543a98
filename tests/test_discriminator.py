import torch

from flawsmith.gan.discriminator import Discriminator, DiscriminatorConfig, masked_mean


def test_masked_mean_ignores_what_is_far_from_the_mask() -> None:
    features = torch.zeros(1, 2, 16, 16)
    features[..., 4:8, 4:8] = 3.0
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 5:7, 5:7] = 1
    before = masked_mean(features, mask)
    features[..., 15, 15] = 1e6
    assert torch.equal(masked_mean(features, mask), before)


def test_masked_mean_of_an_empty_mask_is_finite() -> None:
    assert torch.isfinite(masked_mean(torch.rand(1, 2, 8, 8), torch.zeros(1, 1, 32, 32))).all()


def test_it_learns_to_tell_a_wrong_mask() -> None:
    """Bright squares in their mask against the same squares under a moved mask: the pair differs in nothing else."""
    torch.manual_seed(0)
    critic = Discriminator(DiscriminatorConfig(channels=1, classes=1, widths=(8, 12, 16)))
    optimiser = torch.optim.Adam(critic.parameters(), 3e-3)
    mask = torch.zeros(8, 1, 32, 32)
    for index in range(8):
        mask[index, :, 2 + index : 10 + index, 4:12] = 1
    image, moved, defect = 0.2 + 0.6 * mask, mask.roll(16, 3), torch.zeros(8, dtype=torch.long)
    for _ in range(40):
        margin = critic(image, mask, defect) - critic(image, moved, defect)
        loss = torch.nn.functional.softplus(-margin).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (critic(image, mask, defect) > critic(image, moved, defect)).all()


def test_the_class_changes_the_judgement() -> None:
    torch.manual_seed(0)
    critic = Discriminator(DiscriminatorConfig(channels=1, classes=3))
    image, mask = torch.rand(3, 1, 32, 32)[:1].repeat(3, 1, 1, 1), torch.ones(3, 1, 32, 32)
    logits = critic(image, mask, torch.arange(3))
    assert logits.shape == (3, 3) and all(len(set(logits[:, head].tolist())) == 3 for head in range(3))
