"""What predicts: anything that gives a probability map per class, however it computes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.errors import UserError

if TYPE_CHECKING:
    import torch

ONNX = ".onnx"
CHANNELS = (1, 3)  # that an image can be turned into: grey and RGB


class Model(Protocol):
    """A trained model."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The K classes that it knows, in the order of its maps."""

    @property
    def channels(self) -> int:
        """The colour channels that it sees."""

    def predict(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """The probabilities (K, H, W) float32 in [0, 1] of an image (H, W, C) uint8 or uint16 of any size."""


def shrink_of(model: Model) -> int:
    """How many times smaller than they are a model sees the images; 1 for one that says nothing of it."""
    return int(getattr(model, "shrink", 1))


def load_model(path: Path, device: torch.device) -> Model:
    """A model's folder or file, or an exported .onnx; raises UserError where it is none, or sees other channels."""
    model: Model
    if path.suffix.lower() == ONNX:
        from flawsmith.segment.onnx_kinds import load_onnx

        model = load_onnx(path, device.type)
    else:
        from flawsmith.segment.models.choose import load_trained

        model = load_trained(path, device)
    if model.channels not in CHANNELS:
        raise UserError(path, "a model sees grey or colour, 1 or 3 channels", f"{model.channels} channels")
    return model
