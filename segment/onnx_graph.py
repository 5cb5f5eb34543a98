"""From a module of torch to a graph of ONNX, by either of torch's two exporters, which talk much."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import torch
from torch import Tensor, nn

from flawsmith.segment.extras import extra
from flawsmith.segment.onnx_model import INPUT

OPSET = 20
OLD_OPSET = 17  # that the older exporter knows


def traced(module: nn.Module, example: Tensor, output: str) -> Any:
    """The graph (ModelProto) of a module (N, C, H, W) → one tensor, for any N, H and W."""
    extra("onnxscript")
    with _quietly():
        program = torch.onnx.export(
            module.eval(),
            (example,),
            dynamo=True,
            dynamic_shapes=({0: "batch", 2: "height", 3: "width"},),
            input_names=[INPUT],
            output_names=[output],
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    return program.model_proto


def followed(module: nn.Module, example: Tensor, outputs: Sequence[str]) -> Any:
    """The graph of a module (1, C, H, W) → tensors whose first axis is as long as the image has objects.

    By the older exporter, which follows one image through the module: the newer one stops where a branch depends on
    how much was found.
    """
    onnx, file = extra("onnx"), BytesIO()
    with _quietly():
        torch.onnx.export(
            module.eval(),
            (example,),
            file,  # type: ignore[arg-type]  # which it takes, and does not say
            dynamo=False,
            input_names=[INPUT],
            output_names=list(outputs),
            dynamic_axes={INPUT: {2: "height", 3: "width"}, **{name: {0: "objects"} for name in outputs}},
            opset_version=OLD_OPSET,
        )
    return onnx.load_from_string(file.getvalue())


def mirrored(x: Tensor, axis: int, multiple: int) -> Tensor:
    """The tensor mirrored at the end of an axis up to the next multiple, in one graph for all sizes."""
    size = x.shape[axis]
    padded = multiple * ((size + multiple - 1) // multiple)
    period = torch.scalar_tensor(2 * size - 2, dtype=torch.int64)
    index = torch.remainder(torch.arange(padded), period.clamp_min(1))
    return x.index_select(axis, torch.minimum(index, (period - index).clamp_min(0)))


@contextmanager
def _quietly() -> Iterator[None]:
    """Without what torch warns of and logs: what it will do otherwise one day."""
    before = logging.root.manager.disable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)
