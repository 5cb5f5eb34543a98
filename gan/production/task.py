"""All that a worker needs to know; picklable by being plain."""

from dataclasses import dataclass
from pathlib import Path

from flawsmith.data.record import Record
from flawsmith.gan.production.config import GenerateConfig


@dataclass(frozen=True)
class Part:
    """A good part to paint on, and the SHA-256 of its file when the set was begun."""

    record: Record
    sha256: str


@dataclass(frozen=True)
class Task:
    """One painted set: `item` i is a pure function of this, but for `output` and `device`."""

    run: Path
    parts: tuple[Part, ...]
    config: GenerateConfig
    output: Path
    seed: int
    device: str
    identity: str = ""  # digest of the plan: with the index it is an image's provenance id
    checkpoint: str = ""  # checksum of what the painter is made of
    digits: int = 6  # of the numbers in file names
