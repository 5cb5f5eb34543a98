"""How fast painting is beside what cannot be saved: reading the clean part, writing image and mask. See make bench.

All jobs take the same clean parts in the same order, in one run, each process on one core.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from flawsmith.data.image import read_image, write_image, write_mask
from flawsmith.data.record import Record

LARGE = 1024  # px: the side of the large parts, continued from the small ones by reflection
WARM = 8  # images before the clock starts
STEPS = 200  # of the fit: what a painter that has hardly learned makes is refused by the gate, and painted again
LEARN = 10  # defect images of each class

Job = Callable[["Setting"], Callable[[int], Any]]  # prepared in the process, then called for each image


@dataclass(frozen=True)
class Setting:
    """What a process is given."""

    run: Path
    parts: tuple[Record, ...]
    output: Path


def copying(setting: Setting) -> Callable[[int], Any]:
    """(a): the clean part is decoded, and encoded with a mask as large as a defect's."""
    from flawsmith.gan.run import Run

    instances = Run.open(setting.run).bank.instances

    def copy(index: int) -> None:
        image = read_image(setting.parts[index % len(setting.parts)].image)
        mask = np.zeros(image.shape[:2], bool)
        shape = instances[index % len(instances)].mask[: mask.shape[0], : mask.shape[1]]
        mask[: shape.shape[0], : shape.shape[1]] = shape
        write(setting.output, index, image, mask)

    return copy


def cloning(setting: Setting) -> Callable[[int], Any]:
    """(b): OpenCV's seamlessClone of a real defect into the middle of the part; it wants colours."""
    import cv2

    from flawsmith.gan.run import Run

    cv2.setNumThreads(1)
    instances = Run.open(setting.run).bank.instances

    def clone(index: int) -> None:
        image = read_image(setting.parts[index % len(setting.parts)].image)
        one, (height, width) = instances[index % len(instances)], image.shape[:2]
        rows, columns = np.nonzero(one.mask)
        box = np.s_[max(rows.min() - 2, 0) : rows.max() + 3, max(columns.min() - 2, 0) : columns.max() + 3]
        source, mask = one.image[box][: height - 4, : width - 4], one.mask[box][: height - 4, : width - 4]
        colours = [np.repeat(x, 3 // x.shape[2], 2) for x in ((source * 255).astype(np.uint8), image[..., :3])]
        middle = (width // 2, height // 2)
        painted = cv2.seamlessClone(*colours, mask.astype(np.uint8) * 255, middle, cv2.NORMAL_CLONE)
        whole = np.zeros((height, width), bool)
        top, left = height // 2 - mask.shape[0] // 2, width // 2 - mask.shape[1] // 2
        whole[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
        write(setting.output, index, np.ascontiguousarray(painted[..., : image.shape[2]]), whole)

    return clone


def write(output: Path, index: int, image: Any, mask: Any) -> None:
    """Image and mask, as generate writes them."""
    write_image(output / f"images/{index:06d}.png", image)
    write_mask(output / f"masks/{index:06d}.png", mask)


def painter(name: str) -> Job:
    """(c): what generate does for an image, gate and provenance included."""
    return {"paste": pasting, "poisson": solving, "gan": learned}[name]


def pasting(setting: Setting) -> Callable[[int], Any]:
    """The painter `paste`."""
    return painting(setting, "paste")


def solving(setting: Setting) -> Callable[[int], Any]:
    """The painter `poisson`."""
    return painting(setting, "poisson")


def learned(setting: Setting) -> Callable[[int], Any]:
    """The painter `gan`."""
    return painting(setting, "gan")


def painting(setting: Setting, name: str) -> Callable[[int], Any]:
    """One image at a time, as a worker of generate."""
    from flawsmith.gan.production.config import GenerateConfig
    from flawsmith.gan.production.generate import digested
    from flawsmith.gan.production.task import Task
    from flawsmith.gan.production.worker import Worker

    config = GenerateConfig(100_000, name)
    worker = Worker(Task(setting.run, digested(setting.parts), config, setting.output, 0, "cpu"))
    return lambda index: list(worker.paint([index]))


def rate(job: Job, setting: Setting, count: int, processes: int) -> float:
    """Images a second of so many processes together, what each has to load and warm up not counted."""
    context = get_context("spawn")
    barrier, queue = context.Barrier(processes), context.Queue()
    crew = [
        context.Process(target=work, args=(job, setting, count, number, barrier, queue)) for number in range(processes)
    ]
    for one in crew:
        one.start()
    seconds = [queue.get(timeout=600) for _ in crew]
    for one in crew:
        one.join()
    return processes * count / max(seconds)


def work(job: Job, setting: Setting, count: int, number: int, barrier: Barrier, queue: Any) -> None:
    """A process's whole life."""
    import torch

    torch.set_num_threads(1)
    make = job(setting)
    first = number * (count + WARM)
    for index in range(first, first + WARM):
        make(index)
    barrier.wait()
    start = time.perf_counter()
    for index in range(first + WARM, first + WARM + count):
        make(index)
    queue.put(time.perf_counter() - start)


def enlarged(parts: tuple[Record, ...], folder: Path) -> tuple[Record, ...]:
    """The parts continued to LARGE × LARGE px."""
    found = []
    for number, part in enumerate(parts):
        image = read_image(part.image)
        pads = [(0, max(LARGE - side, 0)) for side in image.shape[:2]]
        path = folder / f"{number}.png"
        write_image(path, np.ascontiguousarray(np.pad(image, (*pads, (0, 0)), mode="reflect")[:LARGE, :LARGE]))
        found.append(Record(path.name, path, part.group))
    return tuple(found)


def prepare(data: Path | None, classes: tuple[str, ...] | None, work: Path) -> tuple[Path, tuple[Record, ...]]:
    """A fitted run and the clean parts."""
    import torch

    from flawsmith.data.demo import write_demo
    from flawsmith.data.select import select
    from flawsmith.gan.fit import fit
    from flawsmith.gan.trainer import FitConfig

    if data is None:
        data = work / "parts"
        write_demo(data, seed=0)
    selection = select(data, None, LEARN, classes)
    for _ in fit(selection, FitConfig(steps=STEPS), work / "run", 0, torch.device("cpu")):
        pass
    return work / "run", selection.good[:64]


def rows(run: Path, parts: tuple[Record, ...], work: Path, count: int) -> Iterator[tuple[str, ...]]:
    """A line of the table for each job and size."""
    jobs: dict[str, Job] = {"(a) decode + encode": copying, "(b) OpenCV seamlessClone": cloning}
    jobs |= {f"(c) {name}": painter(name) for name in ("paste", "poisson", "gan")}
    sizes = {"as they are": parts, f"{LARGE}×{LARGE}": enlarged(parts, work / "large")}
    for size, own in sizes.items():
        found: dict[str, float] = {}
        for name, job in jobs.items():
            setting = Setting(run, own, work / "out")
            number = count if size == "as they are" else count // 3
            one, two = (rate(job, setting, number, processes) for processes in (1, 2))
            found[name] = one
            first, second = found["(a) decode + encode"], found.get("(b) OpenCV seamlessClone", one)
            yield (
                name,
                size,
                f"{one:.1f}",
                f"{one / first:.0%}",
                f"{one / second:.2f}",
                f"{two:.1f}",
                f"{two / one:.2f}",
            )


def main() -> None:
    """Prints the table for a data set, or for the demo parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, help="data set; default: the demo parts")
    parser.add_argument("--classes", help="defect classes, a,b; default: all")
    parser.add_argument("-n", "--count", type=int, default=150, help="images of each job and process")
    options = parser.parse_args()
    classes = tuple(options.classes.split(",")) if options.classes else None
    os.environ["OMP_NUM_THREADS"] = "1"
    with TemporaryDirectory() as folder:
        run, parts = prepare(options.data, classes, Path(folder))
        print("| job | parts | images / s | of (a) | of (b) | with 2 processes | gain |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for row in rows(run, parts, Path(folder), options.count):
            print(f"| {' | '.join(row)} |", flush=True)
    print(f"\nGoals: gan ≥ 60 % of (a), ≥ 85 % at {LARGE}×{LARGE}, ≥ 0.77 of (b), gain ≥ 1.8.")


if __name__ == "__main__":
    main()
