"""A shard: every N-th image of a set, painted by one of N machines."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from flawsmith.data.errors import UsageError

# Where schedulers say which of an array's jobs this is, from which number they count, and how many there are.
_SCHEDULERS = (
    ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_COUNT"),
    ("AWS_BATCH_JOB_ARRAY_INDEX", None, "AWS_BATCH_JOB_ARRAY_SIZE"),
    ("JOB_COMPLETION_INDEX", None, None),  # of Kubernetes' indexed jobs, which do not say how many they are
)
_FIX = "give I/N, as in 1/8; or auto, or auto/8, in a job array of Slurm, AWS Batch or Kubernetes"


@dataclass(frozen=True)
class Shard:
    """Number `number` of `count`, from 1."""

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise UsageError("--shard", "I/N with I from 1 to N", self, _FIX)

    def __str__(self) -> str:
        """As it is given: 1/8."""
        return f"{self.number}/{self.count}"

    @property
    def folder(self) -> str:
        """The name of the folder below the output that it writes."""
        return f"shard-{self.number}-of-{self.count}"

    @classmethod
    def parse(cls, text: str, environment: Mapping[str, str] = os.environ) -> Shard:
        """A shard of "I/N", or of "auto" or "auto/N" from the scheduler's environment; raises UsageError."""
        number, _, count = text.partition("/")
        if number == "auto":
            return _scheduled(count, environment)
        return cls(_number(number, text), _number(count, text))


def _scheduled(count: str, environment: Mapping[str, str]) -> Shard:
    """The shard that is this job's in its array."""
    for index, first, size in _SCHEDULERS:
        if index not in environment:
            continue
        place = _number(environment[index], index)
        least = _number(environment.get(first, "0"), first) if first else 0
        total = count or (environment.get(size, "") if size else "")
        if not total:
            raise UsageError("--shard", f"{index} does not say how many jobs there are", "auto", "give auto/N")
        return Shard(place - least + 1, _number(total, size or "--shard"))
    raise UsageError("--shard", "auto needs a job array", "none in the environment", _FIX)


def _number(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise UsageError("--shard", "I and N are whole numbers", f"{text!r} of {where}", _FIX)
    return int(text)
