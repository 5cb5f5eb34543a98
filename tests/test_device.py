"""Devices are picked by name, and an absent one is refused."""

import pytest
import torch

from flawsmith.data.device import autocast, cpu_has_bfloat16, memory_format, pick_device
from flawsmith.data.errors import UsageError


def test_auto_is_a_gpu_where_there_is_one() -> None:
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert pick_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "cuda:", "cuda:-1", "cuda:x", "mps:0", "cpu:1", ""])
def test_absent_and_unknown_devices_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="--device"):
        pick_device(name)


def test_autocast_computes_in_bfloat16_only_where_that_is_fast() -> None:
    weight = torch.ones(4, 4)
    with autocast(torch.device("cpu")):
        assert (weight @ weight).dtype == (torch.bfloat16 if cpu_has_bfloat16() else torch.float32)
    with autocast(torch.device("cpu"), enabled=False):
        assert (weight @ weight).dtype == torch.float32


def test_memory_format_can_be_given_to_a_batch() -> None:
    layout = memory_format(torch.device("cpu"))
    assert torch.zeros(2, 3, 4, 4).to(memory_format=layout).is_contiguous(memory_format=layout)
