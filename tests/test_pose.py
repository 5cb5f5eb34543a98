"""Training patches are turned by any angle, and learned longer, where good parts lie any way round, and only there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawsmith.data.augment import AugmentConfig
from flawsmith.data.errors import UsageError
from flawsmith.data.image import write_image
from flawsmith.data.pose import FEWEST, lie_any_way
from flawsmith.data.record import DataSet, Label, Record
from flawsmith.data.select import Selection
from flawsmith.segment.train import STEPS, TURNED_STEPS, TrainConfig, make_batches, turned_as_parts_lie


def ground(folder: Path, index: int, angle: float, group: str) -> Record:
    """A good part with a grain at `angle`, and its record."""
    rows, columns = np.indices((60, 80), dtype=np.float32)
    waves = 128 + 60 * np.sin(0.6 * (columns * np.cos(angle) + rows * np.sin(angle)))
    noise = np.random.default_rng(index).normal(0, 6, waves.shape)
    write_image(folder / f"{index}.png", np.clip(waves + noise, 0, 255).astype(np.uint8)[..., None])
    return Record(f"{index}.png", folder / f"{index}.png", group)


def parts(folder: Path, angles: np.ndarray, groups: list[str] | None = None) -> tuple[Record, ...]:
    names = groups or [f"part {i}" for i in range(len(angles))]
    return tuple(ground(folder, i, float(angle), names[i]) for i, angle in enumerate(angles))


def test_parts_that_lie_straight_are_not_turned(tmp_path: Path) -> None:
    straight = parts(tmp_path, np.random.default_rng(0).normal(0.8, 0.15, 8))
    assert not lie_any_way(straight)
    assert turned_as_parts_lie(TrainConfig(), straight) == AugmentConfig(turn=False)


def test_parts_that_lie_any_way_are_turned(tmp_path: Path) -> None:
    loose = parts(tmp_path, np.linspace(0, np.pi, 8, endpoint=False))
    assert (
        turned_as_parts_lie(TrainConfig(), loose)
        == turned_as_parts_lie(TrainConfig(steps=STEPS), loose)
        == AugmentConfig(turn=True)
    )
    assert turned_as_parts_lie(TrainConfig(steps=STEPS - 1), loose) == AugmentConfig(
        turn=False
    )  # turned, they take longer to learn


def test_square_parts_lie_straight_too(tmp_path: Path) -> None:
    """As much of a grid runs along the rows as along the columns."""
    records = []
    for index, angle in enumerate(np.random.default_rng(1).normal(0.2, 0.05, 8)):
        two = [
            np.asarray(Image.open(ground(tmp_path, index, angle + turn, "").image), float) for turn in (0, np.pi / 2)
        ]
        Image.fromarray(np.maximum(*two).astype(np.uint8)).save(tmp_path / f"{index}.png")
        records.append(Record(f"{index}.png", tmp_path / f"{index}.png", f"part {index}"))
    assert not lie_any_way(records)


@pytest.mark.parametrize("asked", [False, True])
def test_what_is_asked_for_stays(tmp_path: Path, asked: bool) -> None:
    loose = parts(tmp_path, np.linspace(0, np.pi, 8, endpoint=False))
    config = replace(AugmentConfig(), turn=asked)
    assert turned_as_parts_lie(TrainConfig(augment=config), loose) == config


def test_too_few_parts_say_nothing(tmp_path: Path) -> None:
    angles = np.linspace(0, np.pi, 8, endpoint=False)
    assert not lie_any_way(())
    assert not lie_any_way(parts(tmp_path, angles, [f"part {i % (FEWEST - 1)}" for i in range(8)]))


def test_turned_patches_are_learned_longer() -> None:
    """What is asked for goes before."""
    turned = AugmentConfig(turn=True)
    assert TrainConfig().length == STEPS < TURNED_STEPS == TrainConfig(augment=turned).length
    assert TrainConfig(steps=7, augment=turned).length == 7


def test_a_threshold_has_no_patches_to_turn() -> None:
    with pytest.raises(UsageError, match="--turn: a threshold"):
        TrainConfig(model="threshold", augment=AugmentConfig(turn=True))


def test_training_looks_at_its_good_parts(tmp_path: Path) -> None:
    for name, angles in (("straight", np.full(9, 0.5)), ("loose", np.linspace(0, np.pi, 9))):
        folder = tmp_path / name
        folder.mkdir()
        good = parts(folder, angles)
        shown = replace(good[0], labels=(Label("pit", folder / "0.png"),))
        chosen = Selection(DataSet(folder, (shown, *good[1:]), ("pit",), True), (shown,), good[1:], ("pit",))
        assert make_batches(chosen, (), TrainConfig(), 0).augment.turn is (name == "loose")
