"""Starting a fit from another product's run: same response, classes by name, frozen levels, no test image forgotten."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from flawsmith.data.checkpoint import load, save
from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.levels import groups
from flawsmith.data.select import Selection, select
from flawsmith.data.sources import read_sources, refuse_test_sources, write_sources
from flawsmith.data.split import make_split
from flawsmith.data.start import Start
from flawsmith.gan.bank import Bank, build
from flawsmith.gan.fit import fit
from flawsmith.gan.game import Game, GameConfig
from flawsmith.gan.trainer import WARMUP, FitConfig
from flawsmith.gan.transfer import (
    DISCRIMINATOR,
    GENERATOR,
    Origin,
    discriminator_levels,
    generator_levels,
)

CPU = torch.device("cpu")
CONFIG = FitConfig(steps=2, batch=2, patch=64, blanks=6, save_every=2, sample_every=2)


@pytest.fixture(scope="module")
def run(selection: Selection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of another product."""
    folder = tmp_path_factory.mktemp("runs") / "tile"
    list(fit(selection, CONFIG, folder, 0, CPU))
    return folder


def starting(run: Path, **options: Any) -> FitConfig:
    return replace(CONFIG, start=Start(str(run), **options))


def game(channels: int, classes: int, seed: int = 0) -> Game:
    """A game whose weights are all random: some begin as zeros."""
    made = Game(channels, classes, GameConfig()).eval()
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in made.parameters():
            value.add_(0.05 * torch.randn(value.shape, generator=random))
    return made


def origin(made: Game, classes: tuple[str, ...], channels: int) -> Origin:
    generator, discriminator = dict(made.generator.state_dict()), dict(made.discriminator.state_dict())
    return Origin(Path("tile"), Start("tile"), classes, channels, generator, discriminator)


def about(classes: tuple[str, ...], channels: int) -> Bank:
    return Bank((), classes, channels, 255)


def moved(made: Game, channels: int, target: int) -> Game:
    other = game(target, 2, seed=9)
    origin(made, ("a", "b"), channels).put_into(other, about(("a", "b"), target))
    return other


def coloured(latents: Tensor) -> Tensor:
    """Grey latents (N, 9) as those of the same defect in RGB: no tint."""
    zeros = torch.zeros(len(latents), 2)
    return torch.cat([latents[:, :1], zeros, latents[:, 1:2], zeros, latents[:, 2:]], 1)


def scene() -> tuple[Tensor, ...]:
    random = torch.Generator().manual_seed(3)
    image = torch.rand(2, 1, 32, 32, generator=random)
    mask = torch.zeros(2, 1, 32, 32)
    mask[:, :, 8:20, 10:18] = 1
    latent, noise = torch.randn(2, 9, generator=random), torch.randn(2, 1, 32, 32, generator=random)
    return image, mask, torch.tensor([0, 1]), latent, noise, torch.rand(2, 1, 32, 32, generator=random)


@torch.no_grad()
def test_a_grey_part_gets_the_same_paint_and_verdict_in_rgb_and_back() -> None:
    grey = game(1, 2)
    rgb = moved(grey, 1, 3)
    image, mask, defect, latent, noise, draft = scene()
    content, alpha = grey.generator(image, mask, defect, latent, noise, draft)
    colour, cover = rgb.generator(
        image.expand(-1, 3, -1, -1), mask, defect, coloured(latent), noise, draft.expand(-1, 3, -1, -1)
    )
    assert torch.allclose(cover, alpha, atol=1e-5)
    assert torch.allclose(colour, content.expand(-1, 3, -1, -1), atol=1e-5)
    verdict = grey.discriminator(image, mask, defect)
    assert torch.allclose(rgb.discriminator(image.expand(-1, 3, -1, -1), mask, defect), verdict, atol=1e-5)
    back = moved(rgb, 3, 1)
    for name, value in grey.state_dict().items():
        assert torch.allclose(back.state_dict()[name], value, atol=1e-6), name


@torch.no_grad()
def test_an_rgb_run_covers_and_judges_a_grey_part_as_before() -> None:
    rgb = game(3, 2)
    grey = moved(rgb, 3, 1)
    image, mask, defect, latent, noise, draft = scene()
    three = image.expand(-1, 3, -1, -1)
    colour, cover = rgb.generator(three, mask, defect, coloured(latent), noise, draft.expand(-1, 3, -1, -1))
    content, alpha = grey.generator(image, mask, defect, latent, noise, draft)
    assert torch.allclose(alpha, cover, atol=1e-5)
    assert torch.allclose(content, colour.mean(1, keepdim=True), atol=0.02)  # tints that differ meet only nearly
    assert torch.allclose(grey.discriminator(image, mask, defect), rgb.discriminator(three, mask, defect), atol=1e-5)


def test_classes_are_known_by_name_and_new_ones_start_from_the_mean() -> None:
    before, after = game(1, 2), game(1, 3, seed=5)
    origin(before, ("pit", "scratch"), 1).put_into(after, about(("crack", "scratch", "stain"), 1))
    for old, new in (
        (before.generator.embed, after.generator.embed),
        (before.discriminator.region_class, after.discriminator.region_class),
        (before.discriminator.places[1].of_class, after.discriminator.places[1].of_class),  # type: ignore[union-attr]
    ):
        assert torch.equal(new.weight[1], old.weight[1])
        assert torch.equal(new.weight[0], old.weight.mean(0)) and torch.equal(new.weight[2], old.weight.mean(0))


def test_it_says_what_was_taken_over(selection: Selection, run: Path, tmp_path: Path) -> None:
    first, *_ = fit(selection, starting(run), tmp_path / "a", 0, CPU)
    assert first["note"] == f"starts from generator and discriminator of {run}: knows pit, scratch already"
    bare = shutil.copytree(run, tmp_path / "bare")
    (bare / DISCRIMINATOR).unlink()
    pits = replace(selection, defects=selection.defects[:4], classes=("pit",))
    first, *_ = fit(pits, starting(bare), tmp_path / "b", 0, CPU)
    assert first["note"].endswith("dropped: scratch; its discriminator was not kept, and starts anew")


def weights(folder: Path, file: str = GENERATOR) -> dict[str, Tensor]:
    return {name.removeprefix("generator."): value for name, value in load(folder / file)[0].items()}


def test_frozen_levels_stay_to_the_bit_and_the_others_learn(selection: Selection, run: Path, tmp_path: Path) -> None:
    list(fit(selection, starting(run, freeze=2), tmp_path / "run", 0, CPU))
    made = Game(1, 2, GameConfig())
    for file, levels in (
        (GENERATOR, generator_levels(made.generator)),
        (DISCRIMINATOR, discriminator_levels(made.discriminator)),
    ):
        before, after = weights(run, file), weights(tmp_path / "run", file)
        held = tuple(f"{name}." for level in levels[:2] for name in level)
        same = {name for name in before if torch.equal(before[name], after[name])}
        assert len(levels) == 3 and {name for name in before if name.startswith(held)} <= same
        assert not any(name.startswith(("down_blocks.2", "blocks.2", "head", "region")) for name in same)


def test_a_fixed_critic_learns_again_but_for_what_is_frozen() -> None:
    made = game(1, 2)
    frozen = made.discriminator.stem.requires_grad_(False)
    with made.fixed_critic():
        assert not any(value.requires_grad for value in made.discriminator.parameters())
    learned = [value.requires_grad for value in made.discriminator.parameters()]
    assert not frozen.weight.requires_grad and sum(learned) == len(learned) - 2


def test_each_level_learns_that_much_slower_than_the_next(selection: Selection, run: Path, tmp_path: Path) -> None:
    """Adam's first step is as long as its rate."""
    config = replace(starting(run, layer_decay=0.5), steps=1)
    list(fit(selection, config, tmp_path / "run", 0, CPU))
    before, after = weights(run, DISCRIMINATOR), weights(tmp_path / "run", DISCRIMINATOR)
    levels = discriminator_levels(Game(1, 2, GameConfig()).discriminator)
    found = [
        max(float((after[n] - before[n]).abs().max()) for n in before if n.startswith(names))
        for names in (*(tuple(f"{name}." for name in level) for level in levels), ("region.",))
    ]
    full = config.critic_rate / WARMUP  # of the first step
    assert found == pytest.approx([full / 8, full / 4, full / 2, full], rel=0.02)


def test_without_a_start_all_learn_alike_in_their_own_order() -> None:
    made = game(1, 2).generator
    (only,) = groups(made, generator_levels(made), None)
    assert all(a is b for a, b in zip(only["params"], made.parameters(), strict=True)) and only["share"] == 1


def test_more_levels_than_there_are_is_refused(selection: Selection, run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--freeze: this network has 3 levels; found 4"):
        list(fit(selection, starting(run, freeze=4), tmp_path / "run", 0, CPU))
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").glob("*.json"))


def test_what_is_learned_depends_on_the_weights_and_not_on_where_they_lie(
    selection: Selection, run: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(run, tmp_path / "elsewhere" / "tile")
    list(fit(selection, starting(run), tmp_path / "a", 0, CPU))
    list(fit(selection, starting(other), tmp_path / "b", 0, CPU))
    list(fit(selection, CONFIG, tmp_path / "c", 0, CPU))
    first, second, anew = ((tmp_path / name / GENERATOR).read_bytes() for name in "abc")
    assert first == second != anew
    assert str(run) not in (tmp_path / "a" / "config.json").read_text()


def test_another_checkpoint_does_not_continue_a_run(selection: Selection, run: Path, tmp_path: Path) -> None:
    stopped = fit(selection, starting(run), tmp_path / "run", 0, CPU)
    next(stopped)
    stopped.close()
    screw = tmp_path / "screw"
    list(fit(selection, CONFIG, screw, 1, CPU))
    with pytest.raises(UsageError, match=r'config.start.init was "tile [0-9a-f]{16}", is "screw [0-9a-f]{16}"'):
        list(fit(selection, starting(screw), tmp_path / "run", 0, CPU))
    assert [one["step"] for one in fit(selection, starting(run), tmp_path / "run", 0, CPU)][-1] == 2


def test_a_killed_run_continues_to_the_same_weights(selection: Selection, run: Path, tmp_path: Path) -> None:
    config = replace(starting(run, freeze=1, layer_decay=0.8), steps=4)
    list(fit(selection, config, tmp_path / "whole", 0, CPU))
    stopped = fit(selection, config, tmp_path / "stopped", 0, CPU)
    for _ in range(4):  # the note, and three steps; the checkpoint stands at the second
        next(stopped)
    stopped.close()
    assert [item["step"] for item in fit(selection, config, tmp_path / "stopped", 0, CPU)] == [3, 4]
    for name in (GENERATOR, DISCRIMINATOR):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_test_image_that_the_first_run_has_seen_is_refused(make_parts: Any, run: Path, tmp_path: Path) -> None:
    """Also where the images of two products have the same names."""
    parts = make_parts(tmp_path / "parts", size=(96, 96))
    dataset = select(parts).dataset
    split = make_split(dataset, 0.5, 0)
    split.save(tmp_path / "split.json")
    leak = split.test(dataset)[0]
    seen = shutil.copytree(run, tmp_path / "seen")
    write_sources(seen, [replace(leak, name="images/pit0.png")])
    for name, first in (("clean", run), ("leaky", seen)):
        list(fit(select(parts, tmp_path / "split.json"), starting(first), tmp_path / name, 0, CPU))
        own = {record.name for record in split.pool(dataset)}
        assert own <= set(read_sources(tmp_path / name)) and len(read_sources(tmp_path / name)) > len(own)
    refuse_test_sources(tmp_path / "clean", split)
    with pytest.raises(UserError, match="nothing may be learned from a test image"):
        refuse_test_sources(tmp_path / "leaky", split)


def tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    yield from load(folder / GENERATOR)[0].items()


def test_networks_of_other_widths_are_refused_by_the_first_weight(
    selection: Selection, run: Path, tmp_path: Path
) -> None:
    thin = shutil.copytree(run, tmp_path / "thin")
    cut = {name: value[:16] if name == "generator.stem.weight" else value for name, value in tensors(run)}
    save(thin / GENERATOR, cut, load(run / GENERATOR)[1])
    with pytest.raises(
        UserError, match=r"stem.weight must be \(32, 20, 3, 3\) in this network; found \(16, 20, 3, 3\)"
    ):
        list(fit(selection, starting(thin), tmp_path / "run", 0, CPU))


@pytest.mark.parametrize(
    ("file", "message"),
    [("model.safetensors", "a model goes to flawsmith train --init"), ("notes.txt", "this is no run folder")],
)
def test_what_is_no_run_is_refused(selection: Selection, tmp_path: Path, file: str, message: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / file).write_bytes(b"")
    with pytest.raises(UserError, match=message):
        list(fit(selection, starting(tmp_path / "other"), tmp_path / "run", 0, CPU))


def test_a_run_without_steps_or_one_that_was_stopped_is_refused(selection: Selection, tmp_path: Path) -> None:
    list(fit(selection, replace(CONFIG, steps=0), tmp_path / "bank", 0, CPU))
    with pytest.raises(UserError, match="no trained generator"):
        list(fit(selection, starting(tmp_path / "bank"), tmp_path / "run", 0, CPU))


def test_grey_run_starts_a_colour_fit(selection: Selection, run: Path, tmp_path: Path) -> None:
    from PIL import Image

    for record in selection.defects + selection.good:
        (tmp_path / "parts" / record.name).parent.mkdir(parents=True, exist_ok=True)
        Image.open(record.image).convert("RGB").point(
            [min(255, v * k // 10) for k in (10, 9, 8) for v in range(256)]
        ).save(tmp_path / "parts" / record.name)
    root = selection.dataset.root
    shutil.copytree(root / "masks", tmp_path / "parts" / "masks")
    shutil.copy(root / "manifest.csv", tmp_path / "parts")
    colour = select(tmp_path / "parts")
    assert build(colour, 0).channels == 3
    *_, last = fit(colour, starting(run), tmp_path / "run", 0, CPU)
    assert last["step"] == 2 and load(tmp_path / "run" / GENERATOR)[1]["generator"]["channels"] == 3


@pytest.mark.parametrize("wrong", [{"layer_decay": 0.0}, {"layer_decay": 1.1}, {"freeze": -1}])
def test_impossible_starts_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"--(layer-decay|freeze): .*found"):
        Start("tile", **wrong)
