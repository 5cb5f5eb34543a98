"""A model that tells objects apart: Mask R-CNN, read from disk, on whole images of any size; and how it is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flawsmith.data.checkpoint import fill, save
from flawsmith.data.device import memory_format
from flawsmith.data.distributed import Group
from flawsmith.data.image import to_float
from flawsmith.segment.models.maskrcnn import MaskRCNNNet
from flawsmith.segment.models.name import DETECTOR_KIND
from flawsmith.segment.models.objects import Maps, Object, drawn
from flawsmith.segment.segmenter import check_channels, tiles

if TYPE_CHECKING:
    from flawsmith.segment.train import TrainConfig


@dataclass(frozen=True)
class Detector:
    """A network with the classes it knows and the number of colour channels that it sees."""

    network: MaskRCNNNet
    classes: tuple[str, ...]
    channels: int
    device: torch.device

    @classmethod
    def of(cls, network: MaskRCNNNet, classes: Sequence[str], channels: int, device: torch.device) -> Detector:
        """Wraps a network, which is set to inference in place."""
        network.to(device, memory_format=memory_format(device))  # type: ignore[call-overload]
        return cls(network.eval(), tuple(classes), channels, device)

    @classmethod
    def restore(cls, tensors: Mapping[str, Tensor], config: Mapping[str, Any], file: Path, device: Any) -> Detector:
        """The detector of a checkpoint that was read from `file`; raises UserError where they do not fit."""
        check_channels(config["channels"], file)
        network = MaskRCNNNet(config["network"].partition(":")[2], len(config["classes"]))
        fill(network, tensors, file)
        return cls.of(network, config["classes"], config["channels"], device)

    def save(self, path: Path, recipe: Mapping[str, Any]) -> None:
        """Writes the model's file; `recipe` (JSON-able) tells how it was trained."""
        about = {
            "kind": DETECTOR_KIND,
            "network": self.network.name,
            "classes": list(self.classes),
            "channels": self.channels,
        }
        save(path, self.network.state_dict(), {**about, "recipe": dict(recipe)})

    def predict(self, image: NDArray[Any]) -> Maps:
        """Maps (K, H, W) float32 drawn from the objects: at each pixel the highest score times probability."""
        return drawn(self.find(image), len(self.classes), *image.shape[:2])

    def find(self, image: NDArray[Any]) -> tuple[Object, ...]:
        """The objects of an image (H, W, C) uint8 or uint16 of any size, best first."""
        height, width = image.shape[:2]
        found = [
            one for rows in tiles(height) for columns in tiles(width) for one in self._in_tile(image, rows, columns)
        ]
        return tuple(sorted(found, key=lambda one: -one.score))

    def _in_tile(
        self, image: NDArray[Any], rows: tuple[slice, slice], columns: tuple[slice, slice]
    ) -> Iterator[Object]:
        """The objects whose middle lies in the tile: those of its surroundings are another tile's."""
        (inner_rows, around_rows), (inner_columns, around_columns) = rows, columns
        values = torch.from_numpy(to_float(image[around_rows, around_columns], self.channels))[None]
        with torch.inference_mode():
            found: tuple[Object, ...] = self.network(values.to(self.device))[0]
        for one in found:
            moved = replace(one, top=one.top + around_rows.start, left=one.left + around_columns.start)
            row, column = moved.top + one.values.shape[0] // 2, moved.left + one.values.shape[1] // 2
            if inner_rows.start <= row < inner_rows.stop and inner_columns.start <= column < inner_columns.stop:
                yield moved


@dataclass(frozen=True)
class Boxes:
    """How Mask R-CNN is trained: with its own losses."""

    pace: float = 0.3
    mines: bool = False  # looking at 200 whole parts would take longer than the training

    def start(self, config: TrainConfig, channels: int, classes: int) -> nn.Module:
        """The ResNet's weights as given, else random."""
        network = MaskRCNNNet(config.model.partition(":")[2], classes)
        if config.weights is not None:
            network.start_from(config.weights)
        return network

    def loss(self, network: nn.Module, images: Tensor, truth: Tensor, group: Group) -> Tensor:
        """Of proposals, boxes and masks."""
        assert isinstance(network, MaskRCNNNet)
        return network.loss(images, truth)

    def model(self, network: nn.Module, classes: Sequence[str], channels: int, device: torch.device) -> Detector:
        """A detector."""
        assert isinstance(network, MaskRCNNNet)
        return Detector.of(network, classes, channels, device)
