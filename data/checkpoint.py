"""Tensors and their configuration in one safetensors file: no pickle, a checksum, nothing but finite numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flawsmith.data.errors import UserError
from flawsmith.data.files import write_bytes

if TYPE_CHECKING:
    from torch import Tensor, nn

FORMAT = "1"  # of the metadata: a JSON object of format, config (JSON) and sha256
_AGAIN = "copy it again, or train again"


def save(path: Path, tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
    """Writes tensors and a JSON-able config, whole or not at all; raises UserError on NaN, infinity or a full disk."""
    from safetensors.torch import save as to_bytes

    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}  # may share memory
    _check_finite(path, plain, "the training diverged; start it again from an older checkpoint")
    text = json.dumps(config, sort_keys=True, allow_nan=False)
    about = {"format": FORMAT, "config": text, "sha256": _digest(plain, text)}
    # One entry: safetensors writes several in any order, and the same content must give the same bytes.
    write_bytes(path, to_bytes(plain, {"flawsmith": json.dumps(about, sort_keys=True)}))


def load(path: Path, keys: Collection[str] = ()) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors (on the CPU) and the config; `keys` must be among the tensors.

    Raises UserError where the file is missing, truncated, altered, not flawsmith's, or holds NaN.
    """
    from safetensors import safe_open

    if not path.is_file():
        raise UserError(path, "the checkpoint does not exist")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = _about(file.metadata())
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # safetensors has its own exception, and lets others through
        raise UserError(path, "the checkpoint cannot be read", error, _AGAIN) from error
    if metadata.get("format") != FORMAT:
        found = f"format {metadata.get('format', 'of another program')}"
        raise UserError(path, f"a checkpoint of flawsmith has format {FORMAT}", found)
    if metadata.get("sha256") != _digest(tensors, metadata.get("config", "")):
        raise UserError(path, "the checkpoint is damaged", "a checksum that differs", _AGAIN)
    _check_finite(path, tensors, _AGAIN)
    missing = sorted(set(keys) - set(tensors))
    if missing:
        raise UserError(path, "the checkpoint lacks a tensor", ", ".join(missing[:3]))
    config: dict[str, Any] = json.loads(metadata["config"])
    return tensors, config


def identity(path: Path) -> str:
    """SHA-256 of the content, as written beside it; `load` is what checks that it is true. Raises UserError."""
    return str(_written(path).get("sha256"))


def config_of(path: Path) -> dict[str, Any]:
    """The config alone, as it is written, without its tensors; `load` checks that it is true. Raises UserError."""
    config: dict[str, Any] = json.loads(_written(path).get("config", "{}"))
    return config


def _written(path: Path) -> dict[str, str]:
    """What is written beside the tensors, which are not read."""
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return _about(file.metadata())
    except Exception as error:  # as in `load`
        raise UserError(path, "the checkpoint cannot be read", error, _AGAIN) from error


def fill(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Loads exactly the module's own weights; raises UserError naming the first that is missing, extra or misshapen."""
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            rule = f"{name} must be {wanted.get(name, 'absent')} in this network"
            raise UserError(path, rule, found.get(name, "nothing"), "use the checkpoint with its own configuration")
    module.load_state_dict(dict(tensors))


def _about(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """Format, config and checksum; empty where flawsmith did not write the file."""
    about = json.loads((metadata or {}).get("flawsmith", "{}"))
    return about if isinstance(about, dict) else {}


def _digest(tensors: Mapping[str, Tensor], config: str) -> str:
    import torch

    digest = hashlib.sha256(config.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _check_finite(path: Path, tensors: Mapping[str, Tensor], fix: str) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise UserError(path, "every weight must be a finite number", f"NaN or infinity in {name}", fix)
