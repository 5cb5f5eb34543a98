"""What has to be the same for the same bytes: versions and what the processor can do."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

import torch

from flawsmith.data.device import cpu_has_bfloat16

_PACKAGES = ("flawsmith", "torch", "numpy", "scipy", "pillow")


@cache
def versions(device: torch.device) -> dict[str, str]:
    """Versions of the libraries whose arithmetic or compression ends up in the files, and the processor's kind."""
    found = {name: _version(name) for name in _PACKAGES}
    if device.type == "cuda":
        return found | {"device": torch.cuda.get_device_name(device)}
    return found | {"device": torch.backends.cpu.get_cpu_capability() + ("+BF16" if cpu_has_bfloat16() else "")}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # run from a folder that was never installed
        return "unknown"
