"""Starting a model from another product's: its network, made to fit other classes and colours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from flawsmith.data.adapt import Change
from flawsmith.data.checkpoint import fill, identity, load
from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.start import Start
from flawsmith.segment.fast import BLOCK, FastUNet
from flawsmith.segment.model import ONNX
from flawsmith.segment.models.patch_net import PatchNet
from flawsmith.segment.models.smp import EncoderUNet
from flawsmith.segment.models.threshold import SETTINGS
from flawsmith.segment.pair import PairUNet
from flawsmith.segment.pretrained import PretrainedUNet
from flawsmith.segment.segmenter import MODEL
from flawsmith.segment.unet import UNet

BANK = "bank.safetensors"  # what makes a folder a run of fit

Adapt = Mapping[str, Callable[[Tensor], Tensor]]  # by the name of the weight


@dataclass(frozen=True, eq=False)
class Origin:
    """A trained network that another training starts from."""

    file: Path
    start: Start  # whose `init` is the folder's name and the digest of the weights
    model: str  # one of models/name.py
    classes: tuple[str, ...]
    channels: int
    tensors: dict[str, Tensor]

    @classmethod
    def open(cls, start: Start) -> Origin:
        """Reads a model's folder or its file; raises UserError or UsageError where it is none to start from."""
        file = _file(Path(start.init))
        tensors, about = load(file)
        try:
            classes, channels = tuple(about["classes"]), int(about["channels"])
            model = str(about["network"])
        except (KeyError, TypeError, ValueError) as error:
            fix = "give a folder that train wrote"
            raise UserError(file, "train starts from a trained model", f"no {error} in it", fix) from error
        name = f"{file.resolve().parent.name} {identity(file)[:16]}"
        return cls(file, replace(start, init=name), model, classes, channels, tensors)

    @property
    def folder(self) -> Path:
        """Where it lies, with the list of what it was made from."""
        return self.file.parent

    def check(self, model: str | None) -> str:
        """What it is; raises UsageError where another model is to be trained."""
        if model not in (None, self.model):
            fix = "leave --model out, or start from one of its own"
            raise UsageError("--model", f"--init names {self.folder}, a model {self.model}", model, fix)
        return self.model

    def put_into(self, network: nn.Module, classes: tuple[str, ...], channels: int) -> None:
        """Fills a network in place; raises UserError naming the first weight that does not fit."""
        adapt = _adapt(network, self._change(classes, channels))
        made = {name: adapt[name](one) if name in adapt else one for name, one in self.tensors.items()}
        fill(network, made, self.file)

    def note(self, classes: tuple[str, ...], channels: int) -> str:
        """What was taken over, and what was not."""
        return f"starts from the {self.model} of {self.folder}: {self._change(classes, channels).note()}"

    def _change(self, classes: tuple[str, ...], channels: int) -> Change:
        return Change(self.classes, classes, (self.channels, channels))


def _file(path: Path) -> Path:
    """The file of weights; raises UserError or UsageError for what is known to be something else."""
    fix = "give a folder that train wrote"
    if path.suffix.lower() == ONNX:
        raise UsageError("--init", "an exported model cannot be learned on from", path, f"{fix}, as before its export")
    if (path / BANK).exists() or path.name in (BANK, "generator.safetensors", "discriminator.safetensors"):
        fix += "; a run goes to flawsmith fit --init"
        raise UsageError("--init", "train starts from a model that finds defects", f"{path}, a run that paints", fix)
    if path.name == SETTINGS or (path / SETTINGS).exists():
        raise UsageError("--init", "a threshold has no weights to start from", path, fix)
    return path / MODEL if path.is_dir() else path


def _adapt(network: nn.Module, change: Change) -> Adapt:
    """What becomes of the weights that know a class or a colour; images are seen with their local contrast beside."""
    if isinstance(network, PairUNet):
        parts = network.members.items()
        return {f"{name}.{key}": one for name, part in parts for key, one in _adapt(part, change).items()}
    if isinstance(network, UNet | FastUNet | PretrainedUNet):
        each = BLOCK**2 if isinstance(network, FastUNet) else 4  # pixels of a block
        first = "fine.0.weight" if isinstance(network, PretrainedUNet) else "down.0.layers.0.weight"
        return {
            first: lambda weight: change.inputs(weight, each, images=2),
            **_rows(("head.weight", "head.bias"), change, each),
        }
    if isinstance(network, PatchNet):
        return _rows(("head.weight", "head.bias"), change)
    if isinstance(network, EncoderUNet):
        return _rows(("unet.segmentation_head.0.weight", "unet.segmentation_head.0.bias"), change)
    scores, boxes = "net.roi_heads.box_predictor.cls_score", "net.roi_heads.box_predictor.bbox_pred"
    masks = "net.roi_heads.mask_predictor.mask_fcn_logits"
    counts = {scores: 1, boxes: 4, masks: 1}  # rows of a class, of which the background is one too
    return {
        name: adapt
        for layer, count in counts.items()
        for name, adapt in _rows((f"{layer}.weight", f"{layer}.bias"), change, count, first=count).items()
    }


def _rows(names: tuple[str, ...], change: Change, each: int = 1, first: int = 0) -> Adapt:
    return dict.fromkeys(names, lambda weight: change.classes(weight, each, first))
