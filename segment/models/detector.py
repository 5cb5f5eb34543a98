"""A model that tells objects apart: Mask R-CNN, read from disk, on whole images of any size; and how it is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flawsmith.data.checkpoint import fill, save
from flawsmith.data.distributed import Group
from flawsmith.data.image import to_float
from flawsmith.segment.models.joined import find_by_tiles
from flawsmith.segment.models.maskrcnn import MaskRCNNNet
from flawsmith.segment.models.name import DETECTOR_KIND
from flawsmith.segment.models.objects import Maps, Object, drawn
from flawsmith.segment.models.placed import Placed
from flawsmith.segment.segmenter import check_channels
from flawsmith.segment.tiles import Tiling

if TYPE_CHECKING:
    from flawsmith.segment.train import TrainConfig


@dataclass(frozen=True)
class Detector(Placed[MaskRCNNNet]):
    """Tells the objects of an image apart."""

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

    def find(self, image: NDArray[Any], tiling: Tiling | None = None) -> tuple[Object, ...]:
        """The objects of an image (H, W, C) uint8 or uint16 of any size, best first; of a large one by tiles."""
        return find_by_tiles(self._find, image, tiling or Tiling())

    def _find(self, image: NDArray[Any]) -> tuple[Object, ...]:
        """Those of an image, or of a tile."""
        values = torch.from_numpy(to_float(image, self.channels))[None]
        with torch.inference_mode():
            found: tuple[Object, ...] = self.network(values.to(self.device))[0]
        return found


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
