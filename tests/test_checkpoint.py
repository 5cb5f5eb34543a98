"""Checkpoints come back bit for bit; what is truncated, altered, foreign or not finite is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from flawsmith.data.checkpoint import fill, load, save
from flawsmith.data.errors import UserError

CONFIG = {"widths": [8, 16], "name": "é", "rate": 0.5}


def tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(3, 4, generator=generator)
    return {
        "weight": weight,
        "same memory": weight[:2],
        "half": weight.bfloat16(),
        "steps": torch.tensor(7),
        "empty": torch.zeros(0, 2),
        "mask": weight > 0,
    }


def test_tensors_and_config_come_back_exactly(tmp_path: Path) -> None:
    save(tmp_path / "m.safetensors", tensors(), CONFIG)
    found, config = load(tmp_path / "m.safetensors", keys=["weight"])
    assert config == CONFIG
    assert found.keys() == tensors().keys()
    for name, tensor in tensors().items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        save(tmp_path / name, tensors(), CONFIG)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_every_truncation_and_flipped_bit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save(path, tensors(), CONFIG)
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    for share in range(0, 100, 10):
        path.write_bytes(content[: len(content) * share // 100])
        with pytest.raises(UserError):
            load(path)
    for position in generator.integers(0, len(content), 200):
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(generator.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"m\.safetensors"):
            load(path)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_never_saved(tmp_path: Path, bad: float) -> None:
    path = tmp_path / "m.safetensors"
    save(path, tensors(), CONFIG)
    before = path.read_bytes()
    with pytest.raises(UserError, match="finite"):
        save(path, {"weight": torch.tensor([1.0, bad])}, CONFIG)
    assert path.read_bytes() == before


def test_foreign_missing_and_pickled_files_are_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.ones(2)}, tmp_path / "foreign.safetensors")
    torch.save({"weight": torch.ones(2)}, tmp_path / "pickle.pt")
    for name in ("foreign.safetensors", "pickle.pt", "none.safetensors", "."):
        with pytest.raises(UserError):
            load(tmp_path / name)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    save(tmp_path / "m", tensors(), CONFIG)
    with pytest.raises(UserError, match="bias"):
        load(tmp_path / "m", keys=["weight", "bias"])


def test_fill_takes_exactly_the_networks_own_weights(tmp_path: Path) -> None:
    one, other = nn.Linear(3, 2), nn.Linear(3, 2)
    fill(other, one.state_dict(), tmp_path)
    assert torch.equal(one.weight, other.weight)
    for broken in (
        {"weight": one.weight.data},
        one.state_dict() | {"extra": torch.ones(1)},
        nn.Linear(4, 2).state_dict(),
    ):
        with pytest.raises(UserError, match=r"bias|extra|weight"):
            fill(other, broken, tmp_path)
