"""What is exported of models that are no segmenters: of a classifier its grades, of Mask R-CNN its objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from flawsmith.data.image import to_float
from flawsmith.segment.models.classifier import Classifier
from flawsmith.segment.models.detector import Detector
from flawsmith.segment.models.grading import Grader
from flawsmith.segment.models.name import CLASSIFIER, DETECTOR_KIND
from flawsmith.segment.models.patch_net import CELL, MULTIPLE, PatchNet
from flawsmith.segment.onnx_graph import followed, mirrored, traced
from flawsmith.segment.onnx_kinds import FOUND, GRADE, OnnxClassifier, OnnxDetector

_TRACED = (2, 77, 90)  # N, H, W of the image that a classifier is traced with: nothing round, nothing that is 1
_FOLLOWED = (200, 264)  # H, W of the one that Mask R-CNN is followed with, which finds objects in anything


class Grades(nn.Module):
    """(N, C, H, W) float32 in [0, 1] → (N, K) float32 probabilities, any size, in one graph for all sizes.

    What is smaller than a window is filled up with what does not count, where the network itself takes a smaller one.
    """

    def __init__(self, network: PatchNet) -> None:
        super().__init__()
        self.network, self.window = network, network.window // CELL

    def forward(self, image: Tensor) -> Tensor:
        y = self.network.look(mirrored(mirrored(image, -2, MULTIPLE), -1, MULTIPLE))
        counts = torch.ones_like(y[:1, :1])
        for axis in (-2, -1):
            size = y.shape[axis]
            index = torch.arange(torch.sym_max(size, self.window))
            inside = (index < size).to(y.dtype)
            index = index.clamp(max=size - 1)
            y = y.index_select(axis, index)
            counts = counts.index_select(axis, index) * (inside[:, None] if axis == -2 else inside)
        step = max(self.window // 2, 1)
        means = F.avg_pool2d(y * counts, self.window, step) / F.avg_pool2d(counts, self.window, step)
        return self.network.judge(means, F.max_pool2d(y, self.window, step)).sigmoid()


class Objects(nn.Module):
    """(1, C, H, W) float32 in [0, 1] → boxes (M, 4), labels (M,), scores (M,), masks (M, 1, P, P), the surest first."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        (found,) = self.net([image[0].expand(3, -1, -1)])
        return tuple(found[name] for name in FOUND)


@dataclass(frozen=True, eq=False)
class ExactClassifier(Grader):
    """A classifier in float32 on the CPU."""

    network: PatchNet
    classes: tuple[str, ...]
    channels: int

    def grade_part(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """How probable each class is (K,) float32 for an image (H, W, C) that fits into memory."""
        with torch.inference_mode():
            logits: Tensor = self.network(torch.from_numpy(to_float(image, self.channels))[None])
        return np.asarray(logits[0].sigmoid().numpy(), np.float32)


class ClassifierForm:
    """A classifier, as it is exported."""

    kind = CLASSIFIER

    def __init__(self, model: Classifier) -> None:
        self.original = ExactClassifier(model.network.float(), model.classes, model.channels)

    def graph(self) -> Any:
        """The graph (ModelProto) with the weights."""
        count, *size = _TRACED
        example = torch.rand(count, self.original.channels, *size, generator=torch.Generator().manual_seed(0))
        return traced(Grades(self.original.network), example, GRADE)

    def copy(self, session: Any) -> OnnxClassifier:
        """The export in an open session."""
        return OnnxClassifier(session, self.original.classes, self.original.channels)


class DetectorForm:
    """A Mask R-CNN, as it is exported: in float32, and for one image at a time."""

    kind = DETECTOR_KIND

    def __init__(self, model: Detector) -> None:
        self.original = model
        model.network.net.backbone = model.network.net.backbone.inner  # without bfloat16

    def graph(self) -> Any:
        """The graph (ModelProto) with the weights."""
        random = torch.Generator().manual_seed(0)
        example = torch.rand(1, self.original.channels, *_FOLLOWED, generator=random)
        return followed(Objects(self.original.network.net), example, FOUND)

    def copy(self, session: Any) -> OnnxDetector:
        """The export in an open session."""
        return OnnxDetector(session, self.original.classes, self.original.channels)
