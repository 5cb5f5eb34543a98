"""Painting images and writing them, in this process or as one of several."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from flawsmith.data.errors import UserError
from flawsmith.data.formats.coco import encode_patch
from flawsmith.data.image import read_image, suffix_for, write_image, write_mask
from flawsmith.data.record import GOOD
from flawsmith.gan.gate import Gate
from flawsmith.gan.production.items import Items, part_of
from flawsmith.gan.production.task import Part, Task
from flawsmith.gan.production.versions import versions
from flawsmith.gan.run import Run
from flawsmith.gan.scene import accept, begin, propose

PIXELS = 2**25  # of the images that are painted together
Entry = dict[str, Any]  # an image's line of provenance; {"index", "rejected"} where it was given up


class Worker:
    """Paints images; one a process, its painter loaded once."""

    def __init__(self, task: Task) -> None:
        self.task, self.run = task, Run.open(task.run)
        self.items: Items = task.config.items(self.run.bank)
        self.painter = self.run.painter(task.config.painter, torch.device(task.device))
        self.gate = Gate(self.run.bank, task.config.painter, task.config.gate)
        self.versions = versions(torch.device(task.device))

    def paint(self, indices: Sequence[int]) -> Iterator[Entry]:
        """Make and write the images; the entry of each as soon as its files are there.

        On a GPU as many as its batch holds are painted together, on a CPU one after the other.
        """
        together: list[Attempt] = []
        for index in indices:
            together.append(Attempt(self, index))
            if len(together) >= self.painter.together or sum(one.area for one in together) >= PIXELS:
                yield from self.paint_together(together)
                together = []
        if together:
            yield from self.paint_together(together)

    def paint_together(self, attempts: "Sequence[Attempt]") -> Iterator[Entry]:
        """The entries of a few images that share batches; what each becomes does not depend on the others."""
        while waiting := [one for one in attempts if not one.over]:
            proposals = [(one, propose(one.scene, self.run.bank, one.config, self.task.seed)) for one in waiting]
            jobs = [(one, proposal) for one, proposal in proposals if proposal is not None]
            paints = self.painter.paint([proposal.job for _, proposal in jobs])
            painted = {
                one.index
                for (one, proposal), paint in zip(jobs, paints, strict=True)
                if accept(one.scene, proposal, paint, one.config, self.gate)
            }
            for one in waiting:
                one.tried(one.index in painted)
        return (self.entry(one) for one in attempts)

    def entry(self, attempt: "Attempt") -> Entry:
        """Write an image and its mask, and tell of it; or why it was given up."""
        if attempt.part is None:
            return {"index": attempt.index, "class": attempt.name, "rejected": dict(attempt.reasons)}
        task, number = self.task, f"{attempt.index:0{self.task.digits}d}"
        pixels = attempt.pixels
        suffix = suffix_for(pixels, task.config.image_format)
        image, mask = f"images/{number}{suffix}", f"masks/{number}.png" if attempt.name != GOOD else None
        write_image(task.output / image, pixels, task.config.level)
        height, width = pixels.shape[:2]
        if mask is not None:
            write_mask(task.output / mask, attempt.scene.mask)
        return {
            "id": identity(task.identity, attempt.index),
            "index": attempt.index,
            "image": image,
            "mask": mask,
            "class": attempt.name,
            "group": attempt.part.record.group,
            "size": [height, width],
            "clean": attempt.part.record.name,
            "clean_sha256": attempt.part.sha256,
            "seed": task.seed,
            "again": attempt.again,
            "painter": task.config.painter if mask else None,
            "checkpoint": task.checkpoint if mask else None,
            "blend": dict(self.painter.blend) if mask else None,
            "defects": attempt.defects,
            "failed_tries": dict(attempt.reasons),
            "pixels_sha256": digest(np.ascontiguousarray(pixels)),
            "image_sha256": digest((task.output / image).read_bytes()),
            "mask_sha256": digest((task.output / mask).read_bytes()) if mask else None,
            "versions": self.versions,
        }


class Attempt:
    """An image on its way: begun on a clean part, and anew on another one where that led nowhere."""

    def __init__(self, worker: Worker, index: int, again: int = 0) -> None:
        self.worker, self.index, self.config = worker, index, worker.task.config.scene
        self.name = worker.items.name(index)
        self.reasons = Counter[str]()
        self.again = again - 1
        self.part: Part | None = None  # that it was finished on
        self.over = False
        self.area = 0  # px that it has in memory
        self.begin()

    def begin(self) -> None:
        """Take the next clean part; one that cannot be read is counted, and passed over."""
        task, bank = self.worker.task, self.worker.run.bank
        while self.again < task.config.again:
            self.again += 1
            place = part_of(task.seed, self.index, self.again, len(task.parts))
            part = task.parts[place]
            try:
                if self.name == GOOD:
                    self.pixels, self.part, self.over = read_image(part.record.image), part, True
                    return
                stream, defect = (self.index, self.again), bank.classes.index(self.name)
                self.scene = begin(bank, part.record, defect, self.config.control, task.seed, stream)
                self.on, self.area = part, self.scene.pixels[..., 0].size
                return
            except UserError as error:
                self.reasons[f"unreadable: {error}"] += 1
        self.over = True

    def tried(self, painted: bool) -> None:
        """A defect was painted or not: go on, finish, or begin anew."""
        scene = self.scene
        scene.attempt = 0 if painted else scene.attempt + 1
        if not scene.done and scene.attempt < self.config.tries:
            return
        self.reasons += scene.reasons
        if len(scene.labels) >= self.config.control.fewest:
            self.pixels, self.part, self.over = scene.pixels, self.on, True
        else:
            self.begin()

    @property
    def defects(self) -> list[dict[str, Any]]:
        """What is painted on it, each with its pixels as COCO's run lengths."""
        if self.name == GOOD:
            return []
        height, width = self.pixels.shape[:2]
        pairs = zip(self.scene.defects, self.scene.labels, strict=True)
        return [
            {**about, "rle": encode_patch(self.name, label, height, width)["segmentation"]} for about, label in pairs
        ]


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it torch keeps to one core: windows are small, and sums must not depend on how many there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def identity(plan: str, index: int) -> str:
    """The provenance id of an image: 16 hexadecimal digits."""
    return digest(f"{plan}/{index}".encode())[:16]


def digest(content: Any) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(content).hexdigest()
