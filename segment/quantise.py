"""Numbers of 8 bits instead of 32: the ranges come from images like those that the model will see."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.segment.extras import extra
from flawsmith.segment.onnx_model import INPUT

KINDS = ("Conv", "Concat", "MaxPool", "Resize", "Add")  # what runs in 8 bits; the rest stays as exact as it was


def quantise(graph: Any, images: Iterable[NDArray[np.float32]]) -> Any:
    """The graph (ModelProto) in 8 bits, its ranges from images (C, H, W) float32; but for what `left` leaves."""
    quantization = extra("onnxruntime.quantization")
    onnx = extra("onnx")
    with TemporaryDirectory(prefix="flawsmith-") as folder:
        whole, small = Path(folder) / "whole.onnx", Path(folder) / "small.onnx"
        onnx.save(graph, whole)
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)  # it advises what has been done, or cannot be
        try:
            quantization.quantize_static(
                str(whole),
                str(small),
                Reader(images),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=list(KINDS),
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                nodes_to_exclude=left(graph),
            )
        finally:
            logging.disable(before)
        return onnx.load(small)


def left(graph: Any) -> list[str]:
    """The nodes that stay in 32 bits: up to the first convolution or the last depthwise one, and the head.

    Before the first one a part is compared with its surroundings: of the deviation of an even one 8 bits leave nothing.
    Depthwise ones lose most (2 % of the IoU in the encoder of the pretrained network); the head says the result.
    """
    nodes = list(graph.graph.node)
    convolutions = [place for place, node in enumerate(nodes) if node.op_type == "Conv"]
    depthwise = [place for place in convolutions if _groups(nodes[place]) > 1]
    cut = max([convolutions[0], *depthwise])
    return [node.name for place, node in enumerate(nodes) if place <= cut or place == convolutions[-1]]


def _groups(node: Any) -> int:
    """Into how many groups a convolution divides its channels."""
    return next((int(one.i) for one in node.attribute if one.name == "group"), 1)


class Reader:
    """Images one after the other, as onnxruntime asks for them."""

    def __init__(self, images: Iterable[NDArray[np.float32]]) -> None:
        self._images: Iterator[NDArray[np.float32]] = iter(images)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next one as a batch of one, None after the last."""
        image = next(self._images, None)
        return None if image is None else {INPUT: image[None]}
