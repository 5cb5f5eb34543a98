"""A model as an ONNX file that needs no torch: any size, compared with its original before it is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flawsmith.data.checkpoint import identity
from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.files import write_bytes
from flawsmith.data.image import to_float
from flawsmith.segment.agreement import Agreement, Images, compare, refuse
from flawsmith.segment.model import ONNX, Model, shrink_of
from flawsmith.segment.models.choose import load_trained
from flawsmith.segment.models.classifier import Classifier
from flawsmith.segment.models.smp import EncoderUNet
from flawsmith.segment.models.threshold import Threshold
from flawsmith.segment.network import Own
from flawsmith.segment.onnx_graph import mirrored, traced
from flawsmith.segment.onnx_model import FORMAT, KEY, OUTPUT, SEGMENTER, OnnxModel, open_session
from flawsmith.segment.probes import Probes, made
from flawsmith.segment.quantise import quantise
from flawsmith.segment.segmenter import MODEL, Segmenter

if TYPE_CHECKING:
    from flawsmith.segment.models.detector import Detector

NORMALISATION = "values / 255 or / 65535: float32 in [0, 1]; grey by BT.601, or RGB; no mean, no deviation"
_TRACED = (2, 77, 90)  # N, H, W of the image that the graph is traced with: nothing round, nothing that is 1


@dataclass(frozen=True, eq=False)
class Original:
    """The network as it is, in float32 and on the CPU: what an export is compared with."""

    network: nn.Module
    classes: tuple[str, ...]
    channels: int
    shrink: int = 1  # how many times smaller than they are it sees the images

    def predict(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """The probabilities (K, H, W) float32 of an image (H, W, C) uint8 or uint16."""
        with torch.inference_mode():
            logits: Tensor = self.network(torch.from_numpy(to_float(image, self.channels))[None])
        return np.asarray(logits[0].sigmoid().numpy(), np.float32)


class Whole(nn.Module):
    """(N, C, H, W) float32 in [0, 1] → (N, K, H, W) float32 probabilities, any size, in one graph for all sizes.

    It mirrors an image up to the network's stride as the network itself would, without asking whether it must.
    """

    def __init__(self, network: nn.Module, stride: int) -> None:
        super().__init__()
        self.network, self.stride = network, stride

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        logits: Tensor = self.network(mirrored(mirrored(image, -2, self.stride), -1, self.stride))
        return logits[..., :height, :width].sigmoid()


def stride_of(network: nn.Module) -> int:
    """The number of which the network wants both sides to be multiples; raises UserError where that is unknown."""
    if isinstance(network, Own | EncoderUNet):
        return network.stride
    raise UserError("export", "must be a network whose stride is known", type(network).__name__)


class Form(Protocol):
    """How a kind of model is exported."""

    @property
    def kind(self) -> str:
        """As the file says it."""

    @property
    def original(self) -> Model:
        """The model in float32 and on the CPU: what the export is compared with."""

    def graph(self) -> Any:
        """The graph (ModelProto) with the weights."""

    def copy(self, session: Any) -> Model:
        """The export in an open session."""


class SegmenterForm:
    """A segmenter, as it is exported."""

    kind = SEGMENTER

    def __init__(self, model: Segmenter) -> None:
        self.original = Original(model.network.float(), model.classes, model.channels, model.shrink)

    def graph(self) -> Any:
        """The graph (ModelProto) with the weights."""
        return to_onnx(self.original)

    def copy(self, session: Any) -> OnnxModel:
        """The export in an open session."""
        return OnnxModel(session, self.original.classes, self.original.channels, self.original.shrink)


def form_of(trained: Model, path: Path) -> Form:
    """How a model read from `path` is exported; raises UserError where it is not."""
    if isinstance(trained, Segmenter):
        return SegmenterForm(trained)
    if isinstance(trained, Threshold):
        raise UserError(
            path, "a threshold is not exported", "rules in JSON", "they need no network: take them as they are"
        )
    from flawsmith.segment.export_kinds import ClassifierForm, DetectorForm  # they import torchvision: seconds

    if isinstance(trained, Classifier):
        return ClassifierForm(trained)
    return DetectorForm(cast("Detector", trained))


def export(model: Path, output: Path, check: Probes | None = None, int8: bool = False) -> Iterator[dict[str, Any]]:
    """Writes the model as ONNX if it agrees with the original on `check`, without any on made images.

    int8 needs at least two images: every second one calibrates, the others compare. Yields {"task", "step", "steps"};
    the last item has "agreement" and "bytes". Raises UserError, UsageError.
    """
    if output.suffix.lower() != ONNX:
        raise UsageError("--output", f"an export ends in {ONNX}", output)
    if int8 and (check is None or len(check) < 2):
        fix = "give parts like those that it will see"
        raise UsageError("--int8", "needs at least 2 images to calibrate and compare with: --check", None, fix)
    form = form_of(load_trained(model, torch.device("cpu")), model)
    if int8 and form.kind != SEGMENTER:
        raise UsageError("--int8", "is for models that give maps", f"a {form.kind}", "leave it out")
    original = form.original
    steps = 3 if int8 else 2
    yield {"task": "export", "step": 0, "steps": steps}
    graph = form.graph()
    images: Images | Sequence[Any] = check if check is not None else made(original.channels)
    if int8 and check is not None:
        yield {"task": "export", "step": 1, "steps": steps}
        graph = quantise(graph, seen(check.every_second(0), original.channels))
        images = check.every_second(1)
    content = described(graph, form, identity(model / MODEL if model.is_dir() else model), int8)
    yield {"task": "export", "step": steps - 1, "steps": steps}
    found: Agreement = compare(original, form.copy(open_session(content)), images)
    refuse(model, found, int8)
    write_bytes(output, content)
    yield {"task": "export", "step": steps, "steps": steps, "agreement": found, "bytes": len(content)}


def probes_of(check: Path | None, split: Path | None, classes: Sequence[str]) -> Probes | None:
    """What --check and --split name, None for neither; raises UserError."""
    if check is None and split is not None:
        raise UsageError("--split", "belongs to --check", split)
    return None if check is None else Probes.of(check, split, classes)


def seen(images: Probes, channels: int) -> Iterator[NDArray[np.float32]]:
    """The images (C, H, W) float32 as the network sees them, read one by one."""
    for number in range(len(images)):
        yield to_float(images[number].image, channels)


def to_onnx(original: Original) -> Any:
    """The ONNX graph (ModelProto) of a network with its weights."""
    count, height, width = _TRACED
    example = torch.rand(count, original.channels, height, width, generator=torch.Generator().manual_seed(0))
    return traced(Whole(original.network, stride_of(original.network)), example, OUTPUT)


def described(graph: Any, form: Form, digest: str, int8: bool) -> bytes:
    """The file: the graph without the traces of the machine that made it, and what it is."""
    about = {
        "format": FORMAT,
        "kind": form.kind,
        "classes": list(form.original.classes),
        "channels": form.original.channels,
        "shrink": shrink_of(form.original),
        "normalisation": NORMALISATION,
        "precision": "int8" if int8 else "float32",
        "flawsmith": version("flawsmith"),
        "model": digest,
    }
    for place in (graph, *graph.functions, *_parts(graph.graph)):
        del place.metadata_props[:]  # torch notes the file and line of every operation there
        place.doc_string = ""
    entry = graph.metadata_props.add()
    entry.key, entry.value = KEY, json.dumps(about, sort_keys=True)
    content: bytes = graph.SerializeToString(deterministic=True)
    return content


def _parts(graph: Any) -> Iterator[Any]:
    """A graph, its nodes and values, and those of the graphs inside its branches."""
    yield from (graph, *graph.node, *graph.value_info)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _parts(attribute.g)
