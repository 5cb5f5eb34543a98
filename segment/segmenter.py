"""A trained segmenter: read from disk, one probability map per class for a whole image at its own size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flawsmith.data.checkpoint import fill, save
from flawsmith.data.checkpoint import load as load_checkpoint
from flawsmith.data.device import autocast, memory_format
from flawsmith.data.errors import UserError
from flawsmith.data.image import to_float
from flawsmith.segment.folding import folded
from flawsmith.segment.network import Network, make_network
from flawsmith.segment.reduced import reduce

MODEL, KIND = "model.safetensors", "segmenter"
TILE = 1024  # px as the network sees them: larger images are done in tiles, so that memory does not grow with the image
OVERLAP = 128  # px around a tile that are computed and thrown away; beyond it the network sees next to nothing


@dataclass(frozen=True)
class Segmenter:
    """A network with the classes it knows and the number of colour channels that it sees."""

    network: Network
    classes: tuple[str, ...]
    channels: int
    device: torch.device

    @classmethod
    def load(cls, path: Path, device: torch.device | None = None) -> Segmenter:
        """Reads a model's folder or its file; raises UserError where it is no model of a segmenter."""
        file = path / MODEL if path.is_dir() else path
        tensors, config = load_checkpoint(file)
        if config.get("kind") != KIND:
            found = config.get("kind", "something else")
            raise UserError(file, "must be the model of a segmenter", found, "give the folder that train wrote")
        return cls.restore(tensors, config, file, device or torch.device("cpu"))

    @classmethod
    def restore(cls, tensors: Mapping[str, Tensor], config: Mapping[str, Any], file: Path, device: Any) -> Segmenter:
        """The segmenter of a checkpoint that was read from `file`."""
        check_channels(config["channels"], file)
        network = make_network(config["network"], config["channels"], len(config["classes"]), config["widths"])
        fill(network, tensors, file)
        reduce(network, config.get("shrink", 1))
        return cls.of(network, config["classes"], config["channels"], device)

    @classmethod
    def of(cls, network: Network, classes: Any, channels: int, device: torch.device) -> Segmenter:
        """Wraps a network, which is set to inference in place."""
        network.to(device, memory_format=memory_format(device))  # type: ignore[call-overload]
        return cls(network.eval(), tuple(classes), channels, device)

    @property
    def shrink(self) -> int:
        """How many times smaller than they are it sees the images."""
        return self.network.shrink

    def save(self, path: Path, recipe: Mapping[str, Any]) -> None:
        """Writes the model's file; `recipe` (JSON-able) tells how it was trained."""
        config = {
            "kind": KIND,
            "classes": list(self.classes),
            "channels": self.channels,
            "network": self.network.name,
            "widths": list(self.network.widths),
            "shrink": self.shrink,
            "recipe": dict(recipe),
        }
        save(path, self.network.state_dict(), config)

    def predict(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """The probabilities (K, H, W) float32 of an image (H, W, C) uint8 or uint16 of any size."""
        height, width = image.shape[:2]
        if max(height, width) <= (TILE + 2 * OVERLAP) * self.shrink:
            return self._forward(image)
        maps = np.empty((len(self.classes), height, width), np.float32)
        for rows, around_rows in tiles(height, self.shrink):
            for columns, around_columns in tiles(width, self.shrink):
                part = self._forward(image[around_rows, around_columns])
                top, left = rows.start - around_rows.start, columns.start - around_columns.start
                maps[:, rows, columns] = part[
                    :, top : top + rows.stop - rows.start, left : left + columns.stop - columns.start
                ]
        return maps

    @cached_property
    def _quick(self) -> nn.Module:
        """The network as it is when it first predicts, for inference alone."""
        return folded(self.network)

    def _forward(self, image: NDArray[Any]) -> NDArray[np.float32]:
        values = torch.from_numpy(to_float(image, self.channels))[None]
        with torch.inference_mode(), autocast(self.device):
            logits: Tensor = self._quick(values.to(self.device, memory_format=memory_format(self.device)))
            return np.asarray(logits[0].float().sigmoid().cpu().numpy(), np.float32)


def check_channels(channels: int, file: Path) -> None:
    """Raises UserError where a model would see anything but grey or RGB: no image is read as such."""
    if channels not in (1, 3):
        raise UserError(file, "a model sees 1 channel or 3", channels, "train it again on grey or RGB images")


def tiles(size: int, shrink: int = 1) -> Iterator[tuple[slice, slice]]:
    """Cuts 0 … size into tiles: each with the wider slice that is computed for it."""
    tile, overlap = TILE * shrink, OVERLAP * shrink
    for start in range(0, size, tile):
        stop = min(start + tile, size)
        yield slice(start, stop), slice(max(start - overlap, 0), min(stop + overlap, size))
