"""Mask R-CNN (He et al., ICCV 2017) of torchvision on a ResNet with a feature pyramid, at native resolution."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import get_model
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNN, MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops.poolers import initLevelMapper

from flawsmith.data.device import autocast
from flawsmith.segment.models.objects import Object
from flawsmith.segment.models.paste import pasted
from flawsmith.segment.models.smp import DEVIATION, MEAN
from flawsmith.segment.models.targets import targets
from flawsmith.segment.models.weights import IMAGENET, not_downloaded, put, read_weights

ANCHORS = (
    8,
    16,
    32,
    64,
    128,
)  # px, one a level: a quarter of the usual, for small defects that are not enlarged
RATIOS = (0.33, 1.0, 3.0)  # height over width: scratches are long
WIDTH, HIDDEN = 128, 512  # channels; half of the usual, which takes eight times as long on a CPU for a few classes
PROPOSALS, REGIONS = 300, 64  # kept of an image, and learned from: a patch holds few defects
STRIDES = (4, 8, 16, 32)  # px; left alone torchvision guesses them from the first image, wrongly from one of 33 px
MOST = 50  # objects of a tile
FEWEST = 0.01  # score below which a box is dropped; low, so that average precision sees the whole curve


class MaskRCNNNet(nn.Module):
    """(N, C, H, W) float32 in [0, 1] → the objects of each image; grey parts are seen as grey RGB."""

    def __init__(self, encoder: str, classes: int) -> None:
        super().__init__()
        self.name = f"maskrcnn:{encoder}"
        self.net = MaskRCNN(
            _Fast(_pyramid(encoder)),
            rpn_anchor_generator=AnchorGenerator(tuple((size,) for size in ANCHORS), (RATIOS,) * len(ANCHORS)),
            rpn_pre_nms_top_n_train=4 * PROPOSALS,
            rpn_pre_nms_top_n_test=2 * PROPOSALS,
            rpn_post_nms_top_n_train=2 * PROPOSALS,
            rpn_post_nms_top_n_test=PROPOSALS,
            box_head=TwoMLPHead(WIDTH * 7**2, HIDDEN),  # torchvision pools boxes to 7 × 7
            box_predictor=FastRCNNPredictor(HIDDEN, classes + 1),  # 0 is the background
            box_batch_size_per_image=REGIONS,
            box_score_thresh=FEWEST,
            box_detections_per_img=MOST,
            mask_head=MaskRCNNHeads(WIDTH, (WIDTH, WIDTH), 1),
            mask_predictor=MaskRCNNPredictor(WIDTH, WIDTH, classes + 1),
        )
        self.net.transform = _Native(1, 1, MEAN, DEVIATION)
        heads = self.net.roi_heads
        for pooler in (heads.box_roi_pool, heads.mask_roi_pool):
            pooler.scales = [1 / stride for stride in STRIDES]
            pooler.map_levels = initLevelMapper(2, 5, pooler.canonical_scale, pooler.canonical_level)

    def start_from(self, weights: str) -> None:
        """Fills the ResNet from a file, or with ImageNet's weights; raises UserError where they cannot be had."""
        encoder = self.name.partition(":")[2]
        tensors = _imagenet(encoder) if weights == IMAGENET else read_weights(Path(weights))
        put(self.net.backbone.inner.body, tensors, weights)

    def loss(self, images: Tensor, truth: Tensor) -> Tensor:
        """The sum of the five losses of proposals, boxes and masks; only in training mode."""
        wanted = [{name: value.to(images.device) for name, value in one.items()} for one in targets(truth)]
        return torch.stack(list(self.net(list(_rgb(images)), wanted).values())).sum()

    def forward(self, x: Tensor) -> list[tuple[Object, ...]]:
        height, width = x.shape[-2:]
        return [_instances(found, height, width) for found in self.net(list(_rgb(x)))]


def _pyramid(encoder: str) -> BackboneWithFPN:
    """A ResNet with random weights, and a map of WIDTH channels at each of its four halvings."""
    body = get_model(encoder, weights=None)
    layers = {f"layer{level + 1}": str(level) for level in range(4)}
    deepest = body.fc.in_features
    return BackboneWithFPN(body, layers, [deepest // 2 ** (3 - level) for level in range(4)], WIDTH)


class _Fast(nn.Module):
    """The backbone in bfloat16 where that is faster; boxes need float32."""

    def __init__(self, inner: BackboneWithFPN) -> None:
        super().__init__()
        self.inner, self.out_channels = inner, inner.out_channels

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        with autocast(x.device):
            levels = self.inner(x.contiguous(memory_format=torch.channels_last))
        return {name: level.float() for name, level in levels.items()}


class _Native(GeneralizedRCNNTransform):  # type: ignore[misc]
    """torchvision's first and last step without their resizing: small defects stay as large as they are.

    Masks come back as small as they were predicted: pasting each into an image of its own would fill the memory.
    """

    def resize(self, image: Tensor, target: Any = None) -> tuple[Tensor, Any]:
        """Nothing."""
        return image, target

    def postprocess(self, result: list[dict[str, Tensor]], *_: Any) -> list[dict[str, Tensor]]:
        """Nothing."""
        return result


def _rgb(x: Tensor) -> Tensor:
    return x.expand(-1, 3, -1, -1)


def _instances(found: dict[str, Tensor], height: int, width: int) -> tuple[Object, ...]:
    """The objects of an image of this size; boxes that reach over the border are cut."""
    boxes, scores, masks = (found[name].float().cpu().numpy() for name in ("boxes", "scores", "masks"))
    return tuple(pasted(boxes, found["labels"].cpu().numpy(), scores, masks, (height, width)))


def _imagenet(encoder: str) -> dict[str, Tensor]:
    try:
        return dict(get_model(encoder, weights="IMAGENET1K_V1").state_dict())
    except Exception as error:
        raise not_downloaded(f"the ImageNet weights of torchvision's {encoder}", error) from error
