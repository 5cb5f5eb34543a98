"""A model that says good or which defect, of whole images and not where; and how it is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from flawsmith.data.checkpoint import fill, save
from flawsmith.data.device import autocast, memory_format
from flawsmith.data.distributed import Group
from flawsmith.data.image import to_float
from flawsmith.segment.efficientnet import Encoder
from flawsmith.segment.models.grading import Grader
from flawsmith.segment.models.patch_net import PatchNet
from flawsmith.segment.models.placed import Placed
from flawsmith.segment.models.weights import refuse_weights
from flawsmith.segment.pretrained import STAGES
from flawsmith.segment.segmenter import check_channels

if TYPE_CHECKING:
    from flawsmith.segment.train import TrainConfig

KIND = "classifier"


@dataclass(frozen=True)
class Classifier(Placed[PatchNet], Grader):
    """Says how probable each class is, of an image as a whole."""

    @classmethod
    def restore(cls, tensors: Mapping[str, Tensor], config: Mapping[str, Any], file: Path, device: Any) -> Classifier:
        """The classifier of a checkpoint that was read from `file`; raises UserError where they do not fit."""
        check_channels(config["channels"], file)
        network = PatchNet(len(config["classes"]), config["window"])
        fill(network, tensors, file)
        return cls.of(network, config["classes"], config["channels"], device)

    def save(self, path: Path, recipe: Mapping[str, Any]) -> None:
        """Writes the model's file; `recipe` (JSON-able) tells how it was trained."""
        about = {"kind": KIND, "network": self.network.name, "window": self.network.window}
        about |= {"classes": list(self.classes), "channels": self.channels, "recipe": dict(recipe)}
        save(path, self.network.state_dict(), about)

    def grade_part(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """How probable each class is (K,) float32 for an image (H, W, C) that fits into memory."""
        values = torch.from_numpy(to_float(image, self.channels))[None]
        with torch.inference_mode(), autocast(self.device):
            logits = self.network(values.to(self.device, memory_format=memory_format(self.device)))
        return np.asarray(logits[0].float().sigmoid().cpu().numpy(), np.float32)


@dataclass(frozen=True)
class Grades:
    """How a classifier is trained: each patch shows a class or does not, whatever part of the patch that is."""

    pace: float = 1.0
    mines: bool = False

    def start(self, config: TrainConfig, channels: int, classes: int) -> nn.Module:
        """On an encoder that has seen ImageNet; where it starts from another model, its weights are still to come."""
        refuse_weights(config.model, config.weights)
        network = PatchNet(classes, config.patch, config.dropout)
        if config.start is None:
            network.hold(Encoder(STAGES).load_imagenet())
        return network

    def loss(self, network: nn.Module, images: Tensor, truth: Tensor, group: Group) -> Tensor:
        """Cross-entropy of each class."""
        with autocast(images.device):
            logits = network(images)
        return F.binary_cross_entropy_with_logits(logits.float(), truth.amax((2, 3)))

    def model(self, network: nn.Module, classes: Sequence[str], channels: int, device: torch.device) -> Classifier:
        """A classifier."""
        assert isinstance(network, PatchNet)
        return Classifier.of(network, classes, channels, device)
