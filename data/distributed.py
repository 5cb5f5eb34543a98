"""Several processes that train one network together, as torchrun starts them: who each is, and what they tell."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zlib import crc32

from flawsmith.data.errors import UsageError, UserError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

PATIENCE = timedelta(hours=1)  # that a process waits for another: the first alone heals the defects, which takes long


@dataclass(frozen=True)
class Place:
    """A process among those that torchrun started: over all machines, and on its own."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1

    @classmethod
    def here(cls) -> Place:
        """This process's, from the environment; the only one where torchrun did not start it."""
        return cls(*(_number(name, low) for name, low in _VARIABLES)) if "RANK" in os.environ else cls()

    @property
    def is_first(self) -> bool:
        """Whether it is the one that writes and prints."""
        return self.rank == 0

    def __str__(self) -> str:
        return f"rank {self.rank} of {self.world}"


_VARIABLES = (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0), ("LOCAL_WORLD_SIZE", 1))  # and their lowest values


def _number(name: str, low: int) -> int:
    text = os.environ.get(name, str(low))
    if not (text.isascii() and text.isdigit() and int(text) >= low):
        raise UsageError(name, f"this variable of torchrun is a number from {low} on", text, "start it by torchrun")
    return int(text)


@dataclass(frozen=True)
class Group:
    """This process among those that train together. Alone, all of this is nothing: no bit changes, none is sent.

    Plain sums of tensors, and no DistributedDataParallel: its hooks expect one backward pass through one module, and
    a step of the game goes twice through a network that holds three, with a critic that is fixed half of the time.
    """

    rank: int = 0
    world: int = 1

    @property
    def is_first(self) -> bool:
        """Whether it is the one that writes and prints."""
        return self.rank == 0

    def share(self, total: int) -> Share:
        """This process's part of `total` items; none, where there are fewer items than processes."""
        return Share(self, total, total * self.rank // self.world, total * (self.rank + 1) // self.world)

    def refuse_small(self, batch: int) -> None:
        """Raises UsageError where a batch has fewer items than there are processes: each needs one."""
        if batch < self.world:
            rule = f"a batch of {batch} is divided among at most {batch} processes"
            raise UsageError("torchrun", rule, self.world, "start fewer: --nproc-per-node, --nnodes")

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over the processes, in place; raises UserError where one of them is gone."""
        if self.world > 1:
            import torch.distributed as dist

            with self._contact():
                dist.all_reduce(tensor)
        return tensor

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Gives every process the sum of all gradients, in one message."""
        if self.world == 1:
            return
        import torch

        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        whole = self.sum(torch.cat([gradient.reshape(-1) for gradient in gradients]))
        for gradient, part in zip(gradients, torch.split(whole, [one.numel() for one in gradients]), strict=True):
            gradient.copy_(part.view(gradient.shape))

    def align(self, tensors: Iterable[Tensor]) -> None:
        """Gives every process the first one's values, in place: what a seed gives differs between processors."""
        if self.world == 1:
            return
        import torch

        for tensor in tensors:
            tensor.copy_(self.sum((tensor if self.is_first else torch.zeros_like(tensor)).clone()))

    def agree(self, where: object, rule: str, value: object) -> None:
        """Raises UserError in all processes where `value` is not the same in all of them."""
        if self.world == 1:
            return
        numbers = self.share(self.world).whole(_doubles([crc32(repr(value).encode())])).tolist()
        if len(set(numbers)) > 1:
            odd = next(rank for rank, number in enumerate(numbers) if number != numbers[0])
            raise UserError(where, rule, f"another in rank {odd} than in rank 0")

    def lead(self, work: Callable[[], object]) -> None:
        """The first process does the work, the others wait for it; where it fails they end with it."""
        if self.is_first:
            work()
        if self.world > 1:
            self.sum(_doubles([0.0]))

    def told(self, events: Iterator[Any]) -> Iterator[Any]:
        """The events in the first process; the others work without a word."""
        try:
            for event in events:
                if self.is_first:
                    yield event
        finally:
            if hasattr(events, "close"):
                events.close()  # a generator: now, and not when it is collected

    @contextmanager
    def _contact(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            import torch.distributed as dist

            if not isinstance(error, dist.DistError) and "gloo" not in str(error):  # which has no type of its own
                raise
            fix = "its own message says why; the same command takes up a fit where it stood"
            raise UserError("torchrun", "another process has ended", _reason(error), fix) from error


ALONE = Group()


@dataclass(frozen=True)
class Share:
    """Items `start` … `stop` of a batch of `total`: those of one process."""

    group: Group
    total: int
    start: int
    stop: int

    @property
    def rows(self) -> slice:
        """Which items of the batch."""
        return slice(self.start, self.stop)

    @property
    def size(self) -> int:
        """How many items."""
        return self.stop - self.start

    @property
    def weight(self) -> float:
        """Of the mean over these items in the mean over the batch."""
        return self.size / self.total

    def weighted(self, loss: Tensor) -> Tensor:
        """Its summand in the batch's loss of a loss that is a mean over these items."""
        return loss if self.group.world == 1 else loss * self.weight

    def part(self, whole: Tensor) -> Tensor:
        """Of one or more batches (k · total, …) that lie one after another, these items: (k · (stop - start), …)."""
        if self.group.world == 1:
            return whole
        return whole.reshape(-1, self.total, *whole.shape[1:])[:, self.rows].flatten(0, 1)

    def whole(self, part: Tensor) -> Tensor:
        """The batch (total, …) of which every process has its part (stop - start, …); exact, not differentiable."""
        if self.group.world == 1:
            return part
        padded = part.new_zeros((self.total, *part.shape[1:]))
        padded[self.rows] = part.detach()
        return self.group.sum(padded)

    def means(self, values: Mapping[str, float]) -> dict[str, float]:
        """The means over the batch of values that are means over these items; not finite where one of them is not."""
        if self.group.world == 1:
            return dict(values)
        parts = _doubles([value * self.weight for value in values.values()])
        return dict(zip(values, self.group.sum(parts).tolist(), strict=True))


def _doubles(values: Collection[float]) -> Tensor:
    import torch

    return torch.tensor(values, dtype=torch.float64)


def _reason(error: Exception) -> str:
    """The first sentence, without the place in the library's own source."""
    return re.sub(r"^\[\S+:\d+\] *", "", str(error).strip()).partition("\n")[0].partition(". ")[0]


@contextmanager
def joined(device: torch.device) -> Iterator[Group]:
    """The group that torchrun started this process in, by gloo and on GPUs by NCCL; ALONE without torchrun.

    Raises UserError where the processes do not reach each other.
    """
    here = Place.here()
    if here.world == 1:
        yield ALONE
        return
    import torch
    import torch.distributed as dist

    if not dist.is_available():
        raise UserError(here, "several processes need a torch with torch.distributed", torch.__version__)
    # Before there is a group: its functions keep the one they find as a default, and a group that is kept is not
    # destroyed. Its threads would free tensors while Python ends, which aborts the process (pytorch/pytorch#179291).
    import torch.distributed.nn.functional

    if device.type == "cuda":
        torch.cuda.set_device(device)
    try:
        # What is on the CPU goes by gloo on GPUs too: it notices at once where a process has ended.
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise UserError(here, "must reach the others", _reason(error), "start all of them by torchrun") from error
    yield Group(here.rank, here.world)
    dist.destroy_process_group()  # not after an error: NCCL would wait for those that are gone, and the end is near
