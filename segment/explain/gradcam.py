"""Which places of a deep layer speak for an object: Grad-CAM (Selvaraju et al., ICCV 2017), for segmentation.

Of a segmenter Seg-Grad-CAM (Vinogradova et al., AAAI 2020): the gradient of the mean logit over the object's pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from flawsmith.data.geometry.patch import Patch
from flawsmith.data.image import to_float
from flawsmith.segment.explain.tap import network_of, run, tapped
from flawsmith.segment.explain.view import View
from flawsmith.segment.explain.window import Window
from flawsmith.segment.model import Model, shrink_of
from flawsmith.segment.reduced import pad_to

Heat = NDArray[np.float32]  # (h, w)

MULTIPLE = 32  # px: the deepest maps' stride
LEAST = 0.1  # of the union that a detector's box must share with an object to be taken for it


@dataclass(frozen=True, eq=False)
class Cam:
    """Heat (h, w) float32 in [0, 1], 1 at its highest; all 0 where nothing in the layer speaks for the object."""

    heat: Heat
    layer: str
    cell: int  # px of the image that a pixel of the layer's coarsest map stands for
    share: float | None  # of the heat within a cell of the object; None where there is no heat


def grad_cam(model: Model, layer: str, seen: View) -> Cam | None:
    """The heat of a view at a named layer; None where a model that tells objects apart finds none there."""
    network = network_of(model)
    assert network is not None
    values = pad_to(torch.from_numpy(to_float(seen.image, model.channels))[None], MULTIPLE * shrink_of(model))
    values = values.to(next(network.parameters()).device)
    with torch.enable_grad(), tapped(network, layer) as maps:
        score = _score(run(network, values), seen)
        if score is None:
            return None
        gradients = torch.autograd.grad(score, maps, allow_unused=True)
    height, width = values.shape[-2:]
    speaking = [(one, slope) for one, slope in zip(maps, gradients, strict=True) if slope is not None]
    heat = sum((_spread(one, slope, height, width) for one, slope in speaking), torch.zeros(height, width))
    heat = heat.relu()[: seen.size[0], : seen.size[1]]
    coarsest = min(one.shape[-2] for one in maps)
    one, cell = _to_one(heat).numpy(), round(height / coarsest)
    return Cam(one, layer, cell, seen.share(one, cell))


def _spread(maps: Tensor, slope: Tensor, height: int, width: int) -> Tensor:
    """Each channel times its mean gradient, added up (eq. 1 and 2), at the size of the image."""
    weights = slope.float().mean((2, 3), keepdim=True)
    summed = (weights * maps.detach().float()).sum(1, keepdim=True)
    return F.interpolate(summed, size=(height, width), mode="bilinear", align_corners=False)[0, 0].cpu()


def _to_one(heat: Tensor) -> Tensor:
    most = float(heat.max()) if heat.numel() else 0.0
    return heat / most if most > 0 else torch.zeros_like(heat)


def _score(output: Any, seen: View) -> Tensor | None:
    """What is explained: the mean logit over the object, the class's logit, or the score of the object's box."""
    if isinstance(output, list):
        return _box_score(output[0], seen)
    logits: Tensor = output[0, seen.defect].float()
    if logits.dim() == 0:
        return logits
    mask = torch.from_numpy(seen.mask).to(logits.device)
    return logits[: mask.shape[0], : mask.shape[1]][mask].mean()


def _box_score(found: dict[str, Tensor], seen: View) -> Tensor | None:
    """The score of the class's box that shares most with the object's; None where none shares enough."""
    target = Window.of(Patch.of(seen.mask))
    boxes: Sequence[Any] = found["boxes"].detach().cpu().tolist()
    labels = found["labels"].tolist()
    shares = [
        _shared(target, box) if label == seen.defect + 1 else 0.0 for box, label in zip(boxes, labels, strict=True)
    ]
    if max(shares, default=0.0) < LEAST:
        return None
    return found["scores"][int(np.argmax(shares))]


def _shared(window: Window, box: Sequence[float]) -> float:
    """Intersection over union of a window and a box (x, y, x, y)."""
    left, top, right, bottom = box
    height = min(window.bottom, bottom) - max(window.top, top)
    width = min(window.right, right) - max(window.left, left)
    both = max(height, 0) * max(width, 0)
    return both / (window.size[0] * window.size[1] + (right - left) * (bottom - top) - both)
