"""From a model's name to how it is trained, and from a folder to the model in it: the one place that knows them all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from flawsmith.data.checkpoint import load as load_checkpoint
from flawsmith.data.errors import UserError
from flawsmith.segment.extras import extra
from flawsmith.segment.model import Model
from flawsmith.segment.models.classifier import KIND as CLASSIFIER_KIND
from flawsmith.segment.models.classifier import Classifier, Grades
from flawsmith.segment.models.dense import Dense
from flawsmith.segment.models.family import Family
from flawsmith.segment.models.name import CLASSIFIER, DETECTOR_KIND, MASKRCNN, SMP, check_model
from flawsmith.segment.models.threshold import SETTINGS, Threshold
from flawsmith.segment.segmenter import KIND as SEGMENTER_KIND
from flawsmith.segment.segmenter import MODEL, Segmenter

if TYPE_CHECKING:
    from flawsmith.segment.models.detector import Detector

EXTRAS = {SMP: "segmentation_models_pytorch", MASKRCNN: "faster_coco_eval"}  # by family
ENCODER_PACE = 0.3  # an smp encoder learns as a whole, for which the own networks' rate is too high


def family_of(name: str) -> Family:
    """How the network of a model is trained; a threshold has none. Raises UsageError where there is no such model."""
    family = check_model(name).partition(":")[0]
    if family == MASKRCNN:
        from flawsmith.segment.models.detector import Boxes  # it imports torchvision, which takes seconds

        return Boxes()
    if family == CLASSIFIER:
        return Grades()
    return Dense(ENCODER_PACE) if family == SMP else Dense()


def refuse_missing(name: str) -> None:
    """Raises UsageError where a package that training or scoring the model needs is not installed."""
    family = check_model(name).partition(":")[0]
    if family in EXTRAS:
        extra(EXTRAS[family])


def load_trained(path: Path, device: torch.device) -> Model:
    """The model in a folder that train wrote, or of its file, whichever it is; raises UserError where it is none."""
    settings = path / SETTINGS if path.is_dir() else path
    if settings.name == SETTINGS and settings.is_file():
        return Threshold.load(settings)
    file = path / MODEL if path.is_dir() else path
    tensors, config = load_checkpoint(file)
    return _kind(config, file).restore(tensors, config, file, device)


def _kind(config: Mapping[str, Any], file: Path) -> type[Segmenter] | type[Classifier] | type[Detector]:
    """The class of a checkpoint's model; raises UserError where it is none."""
    kind = config.get("kind", "something else")
    if kind == SEGMENTER_KIND:
        return Segmenter
    if kind == CLASSIFIER_KIND:
        return Classifier
    if kind == DETECTOR_KIND:
        from flawsmith.segment.models.detector import Detector

        return Detector
    raise UserError(file, "must be the model of a segmenter", kind, "give the folder that train wrote")


def is_trained(folder: Path) -> bool:
    """True where a training has ended with a model."""
    return (folder / MODEL).exists() or (folder / SETTINGS).exists()
