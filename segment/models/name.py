"""What a model is called on the command line and in a checkpoint."""

from __future__ import annotations

from flawsmith.data.errors import UsageError

OWN = ("pair", "pretrained", "small", "fast")  # the U-Nets of this package
SMP = "smp"  # of smp:ENCODER
MASKRCNN = "maskrcnn"
CLASSIFIER, THRESHOLD = "classifier", "threshold"
DETECTOR_KIND = "detector"  # in a checkpoint
MODELS = (*OWN, "smp:ENCODER", "maskrcnn:resnet18", "maskrcnn:resnet50", CLASSIFIER, THRESHOLD)


def gives_maps(name: str) -> bool:
    """Whether a model's network gives every pixel a logit."""
    return name.partition(":")[0] in (*OWN, SMP)


def check_model(name: str) -> str:
    """The name itself; raises UsageError where there is no such model. Whether smp knows an encoder, smp must say."""
    family, _, encoder = name.partition(":")
    if not (name in MODELS and name != "smp:ENCODER") and not (family == SMP and encoder and encoder != "ENCODER"):
        raise UsageError("--model", f"a model is one of {', '.join(MODELS)}", name)
    return name
