"""Where to compute, and in which precision: nothing here imports torch before it is asked to."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flawsmith.data.distributed import Place
from flawsmith.data.errors import UsageError

if TYPE_CHECKING:
    import torch

_FAST_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}  # x86, x86, ARM: names in /proc/cpuinfo


def pick_device(name: str = "auto") -> torch.device:
    """ "auto" (a GPU where there is one), "cpu", "cuda" or "cuda:N"; raises UsageError where it is absent.

    Under torchrun "auto" and "cuda" are the GPU of this process: the first process of a machine has its first GPU.
    """
    import torch

    here = Place.here()
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if ":" in name and here.local_world > 1:
        raise UsageError("--device", "under torchrun every process has a GPU of its own", name, "use --device auto")
    if name in ("auto", "cuda"):
        name = f"cuda:{here.local_rank}"
    kind, _, index = name.partition(":")
    if kind != "cuda" or (":" in name and not (index.isascii() and index.isdigit())):
        raise UsageError("--device", "a device is auto, cpu, cuda or cuda:N", name)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(index or 0) >= count:
        fix = "start a process for each GPU, no more" if count and here.local_world > 1 else "use --device auto"
        raise UsageError("--device", f"{name} is not there", f"{count} GPUs", fix)
    return torch.device("cuda", int(index or 0))


@cache
def cpu_has_bfloat16() -> bool:
    """True where the CPU multiplies bfloat16 in hardware; elsewhere it is emulated, and slower than float32."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    lines = (line for line in text.splitlines() if line.startswith(("flags", "Features")))
    return any(_FAST_BFLOAT16 & set(line.split()) for line in lines)


def autocast(device: torch.device, enabled: bool = True) -> AbstractContextManager[Any]:
    """bfloat16 autocast where the device is faster with it (2.4 to 9× on CPUs that have it), else nothing."""
    import torch

    fast = torch.cuda.is_bf16_supported(including_emulation=False) if device.type == "cuda" else cpu_has_bfloat16()
    return torch.autocast(device.type, torch.bfloat16) if enabled and fast else nullcontext()


def memory_format(device: torch.device) -> torch.memory_format:
    """Channels last: fastest for convolutions on CPUs and GPUs, and on the CPU batch 1 gives the bits of batch 8."""
    import torch

    return torch.channels_last
