"""Weights to start from: a file of anyone's, read as tensors and nothing else, or ImageNet's if that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from flawsmith.data.errors import UsageError, UserError

IMAGENET = "imagenet"  # the one name; anything else is a path
COUNTS = "num_batches_tracked"  # of normalisation layers: older files do not have it, and nothing depends on it
_INSIDE = ("state_dict", "model_state_dict", "model")  # where trainers put the weights in their checkpoints


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors, .pth, .pt or .bin file; raises UserError. Code in a pickle is never run."""
    if not path.is_file():
        raise UserError(path, "the file of weights does not exist", None, f"give a file, or --weights {IMAGENET}")
    try:
        content = _content(path)
    except Exception as error:  # whatever a file of another program makes torch or safetensors say
        found = str(error).split("\n")[0][:120]
        raise UserError(path, "must hold tensors and nothing else (.safetensors or .pth)", found) from error
    for name in _INSIDE:
        content = content[name] if isinstance(content.get(name), dict) else content
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise UserError(path, "must hold a network's weights by name", "no tensor")
    return tensors


def _content(path: Path) -> dict[str, Any]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return dict(load_file(path))
    content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict):
        raise ValueError(f"a {type(content).__name__}")
    return content


def put(module: nn.Module, tensors: Mapping[str, Tensor], where: object) -> None:
    """Fills a module with its weights among `tensors`, whatever stands before their names; others are left out.

    Raises UserError naming the first weight that is missing or has another shape: another network, other channels.
    """
    wanted = {name: value for name, value in module.state_dict().items() if not name.endswith(COUNTS)}
    prefix = _prefix(list(wanted), tensors)
    for name, value in wanted.items():
        found = tensors.get(prefix + name)
        if found is None or found.shape != value.shape:
            rule = f"{name} must be {tuple(value.shape)} in this network"
            raise UserError(where, rule, "nothing" if found is None else tuple(found.shape), "give its own weights")
    module.load_state_dict({name: tensors[prefix + name] for name in wanted}, strict=False)


def _prefix(wanted: list[str], tensors: Mapping[str, Tensor]) -> str:
    """What stands before the first wanted name where most of the others follow it."""
    first = wanted[0]
    before = {name.removesuffix(first) for name in tensors if name.endswith(first)} or {""}
    return max(sorted(before), key=lambda prefix: sum(prefix + name in tensors for name in wanted))


def refuse_weights(model: str, weights: str | None) -> None:
    """Raises UsageError where weights were given for a model that takes none."""
    if weights is not None:
        raise UsageError("--weights", "go with smp:ENCODER and maskrcnn:RESNET", f"--model {model}", "leave it out")


def not_downloaded(what: str, error: BaseException) -> UserError:
    """The one line for weights that could not be fetched."""
    reason = f"{type(error).__name__}: {str(error).strip().split(chr(10))[0][:160]}"
    return UserError("--weights", f"{what} could not be downloaded", reason, "give a file: --weights PATH")
