"""Libraries that only some commands need: imported when they do, and missed in one line."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from flawsmith.data.errors import UsageError

_PACKAGES = {"av": ("PyAV", "video"), "onnx": ("onnx", "export"), "onnxscript": ("onnxscript", "export")}
_PACKAGES["onnxruntime"] = ("onnxruntime", "export")
_PACKAGES["segmentation_models_pytorch"] = ("segmentation-models-pytorch", "models")
_PACKAGES["faster_coco_eval"] = ("faster-coco-eval", "coco")


def extra(module: str) -> Any:
    """The module `module` or one inside it; raises UsageError with what to install where its package is missing.

    Any: types are the same to mypy whether it is installed or not.
    """
    package, name = _PACKAGES[module.partition(".")[0]]
    try:
        return import_module(module)
    except ImportError as error:
        raise UsageError(package, "is needed for this", error, f"pip install 'flawsmith[{name}]'") from error
