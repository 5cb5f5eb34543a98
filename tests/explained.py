"""What the tests of explanations share: models of a few lines, views of an object."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from flawsmith.data.geometry.patch import Patch
from flawsmith.segment.explain.view import View
from flawsmith.segment.explain.window import Window
from flawsmith.segment.network import make_network
from flawsmith.segment.segmenter import Segmenter

CPU = torch.device("cpu")


class Rule:
    """A model that is a function of the grey values (H, W) in [0, 1]; counts how often it is asked."""

    classes = ("pit",)
    channels = 1

    def __init__(self, rule: Callable[[np.ndarray], np.ndarray]) -> None:
        self.rule, self.asked = rule, 0

    def predict(self, image: np.ndarray) -> np.ndarray:
        self.asked += 1
        grey = image[..., 0].astype(np.float32) / 255
        return np.broadcast_to(self.rule(grey), grey.shape)[None].astype(np.float32)


def part(height: int = 64, width: int = 80, seed: int = 0) -> np.ndarray:
    """A grey part (H, W, 1) uint8 of noise."""
    return np.random.default_rng(seed).integers(90, 160, (height, width, 1)).astype(np.uint8)


def square(top: int, left: int, side: int) -> Patch:
    return Patch(top, left, np.ones((side, side), bool))


def whole(image: np.ndarray, patch: Patch, defect: int = 0) -> View:
    """All of an image, for an object."""
    height, width = image.shape[:2]
    return View(Window.whole(height, width), image, patch.full(height, width), defect)


def network(name: str = "small", seed: int = 0, classes: int = 2, **options: Any) -> Segmenter:
    """A segmenter with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = make_network(name, 1, classes, **({"widths": (8, 16)} if name == "small" else {}), **options)
        for weight in made.parameters():  # a new network expects good parts alone
            if weight.dim() == 1:
                torch.nn.init.normal_(weight, 0.5, 0.3)
    return Segmenter.of(made, ("pit", "scratch")[:classes], 1, CPU)
