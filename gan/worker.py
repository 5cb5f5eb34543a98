"""Painting chunks of images and writing them, in this process or as one of several."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from flawsmith.data.errors import UsageError
from flawsmith.data.formats.coco import encode
from flawsmith.data.image import suffix_for, write_image, write_mask
from flawsmith.data.record import Record
from flawsmith.gan.run import PAINTERS, Run
from flawsmith.gan.scene import Scene, SceneConfig, accept, begin, propose

CHUNK = 16  # images that are painted together


@dataclass(frozen=True)
class GenerateConfig:
    """What is generated; part of the identity of the output folder."""

    count: int = 1000
    painter: str = "gan"
    classes: tuple[str, ...] = ()  # empty: all that the run knows, in turn
    scene: SceneConfig = field(default_factory=SceneConfig)

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UsageError("-n", "at least one image", self.count)
        if self.painter not in PAINTERS:
            raise UsageError("--painter", f"a painter is one of {', '.join(PAINTERS)}", self.painter)


@dataclass(frozen=True)
class Task:
    """All that a worker needs; picklable by being plain."""

    run: Path
    clean: tuple[Record, ...]
    config: GenerateConfig
    output: Path
    seed: int
    device: str
    identity: str = ""  # digest of the plan: with the index it is an image's provenance id


class Worker:
    """Paints chunks of images; one a process, its painter loaded once."""

    def __init__(self, task: Task) -> None:
        self.task, self.run = task, Run.open(task.run)
        self.painter = self.run.painter(task.config.painter, torch.device(task.device))
        known = self.run.bank.classes
        self.classes = tuple(known.index(name) for name in task.config.classes or known)

    def paint(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Make and write the images of a chunk; their provenance, or why an image was given up."""
        task, bank = self.task, self.run.bank
        scenes = [begin(bank, task.clean, self.classes, task.seed, index) for index in indices]
        waiting = scenes
        while waiting:
            proposals = [(scene, propose(scene, bank, task.config.scene, task.seed)) for scene in waiting]
            jobs = [(scene, proposal) for scene, proposal in proposals if proposal is not None]
            paints = self.painter.paint([proposal.job for _, proposal in jobs])
            painted = {
                scene.index
                for (scene, proposal), paint in zip(jobs, paints, strict=True)
                if accept(scene, proposal, paint, task.config.scene)
            }
            for scene in waiting:
                scene.attempt = 0 if scene.index in painted else scene.attempt + 1
            waiting = [s for s in waiting if not s.done and s.attempt < task.config.scene.tries]
        return [self.write(scene) for scene in scenes]

    def write(self, scene: Scene) -> dict[str, Any]:
        """Write image and mask; an image with at least one defect counts, one without is given up."""
        if not scene.masks:
            return {"index": scene.index, "clean": scene.record.name, "rejected": dict(scene.reasons)}
        task, name = self.task, f"{scene.index:06d}"
        image = f"images/{name}{suffix_for(scene.pixels)}"
        write_image(task.output / image, scene.pixels)
        write_mask(task.output / f"masks/{name}.png", scene.mask)
        defect = self.run.bank.classes[scene.defect]
        return {
            "index": scene.index,
            "image": image,
            "mask": f"masks/{name}.png",
            "class": defect,
            "group": scene.record.group,
            "origin": digest(f"{task.identity}/{scene.index}".encode())[:16],
            "clean": scene.record.name,
            "clean_sha256": digest(scene.record.image.read_bytes()),
            "seed": task.seed,
            "painter": self.painter.name,
            "defects": scene.defects,
            "failed_tries": dict(scene.reasons),
            "pixels_sha256": digest(np.ascontiguousarray(scene.pixels).tobytes()),
            "coco": [encode(defect, mask) for mask in scene.masks],
            "size": list(scene.pixels.shape[:2]),
        }


_worker: Worker | None = None  # of a worker process


def start_worker(task: Task) -> None:
    """Load the painter; every process keeps to one core."""
    global _worker
    torch.set_num_threads(1)
    _worker = Worker(task)


def paint_in_worker(indices: Sequence[int]) -> list[dict[str, Any]]:
    """One chunk in a worker process."""
    assert _worker is not None
    return _worker.paint(indices)


def digest(content: bytes) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(content).hexdigest()
