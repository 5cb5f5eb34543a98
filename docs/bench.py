"""Speed and memory against their goals, as a table: make bench [DATA=folder]. Each job runs in a process of its own."""

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

FLAWSMITH = (sys.executable, "-c", "from flawsmith.cli import main; main()")
GIGABYTE = 1e9
INFERENCE = """
import sys, time, torch, numpy as np
from pathlib import Path
from flawsmith.segment.segmenter import Segmenter
segmenter = Segmenter.load(Path(sys.argv[1]), torch.device("cpu"))
shape = (256, 320, segmenter.channels)
images = [np.random.default_rng(i).integers(0, 256, shape, dtype=np.uint8) for i in range(32)]
segmenter.predict(images[0])
start = time.perf_counter()
for image in images * 4:
    segmenter.predict(image)
print(len(images) * 4 / (time.perf_counter() - start))
"""


@dataclass(frozen=True)
class Usage:
    """What one process and those that it started took: wall seconds, bytes at the peak, its standard output."""

    seconds: float
    peak: float
    output: str


def resident(pid: int) -> int:
    """Bytes in memory of a process and its descendants, by /proc; pages that they share count once."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        own = sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
        tasks = Path(f"/proc/{pid}/task").iterdir()
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return 0
    return own + sum(resident(child) for child in children)


def measure(command: Sequence[object]) -> Usage:
    """Runs a command; the peak is of all its processes together."""
    start, peak = time.perf_counter(), 0
    with subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            peak = max(peak, resident(process.pid))
            time.sleep(0.25)  # looking at memory holds the process up
        output = process.stdout.read() if process.stdout else ""
    if process.returncode not in (0, 3):
        raise SystemExit(f"{command} ended with exit code {process.returncode}")
    return Usage(time.perf_counter() - start, peak, output)


def rows(data: Path, classes: str | None, work: Path, count: int) -> list[tuple[str, str, str, bool]]:
    """What was measured, the figure, the goal, and whether it was met."""
    split, run, painted, model = work / "split.json", work / "run", work / "painted", work / "model"
    some = ["--classes", classes] if classes else []
    learn = ["--split", split, "--real", 10, *some, "--device", "cpu"]
    measure([*FLAWSMITH, "split", data, "-o", split])
    fit = measure([*FLAWSMITH, "fit", data, *learn, "-o", run])
    clean = ["--clean", data, "--split", split, "--device", "cpu"]
    paint = measure([*FLAWSMITH, "generate", run, *clean, "-n", count, "-o", painted])
    train = measure([*FLAWSMITH, "train", data, "--synthetic", painted, *learn, "-o", model])
    infer = measure([sys.executable, "-c", INFERENCE, model])
    instant = median(measure([*FLAWSMITH, "--help"]).seconds for _ in range(5))
    rate, speed = count / paint.seconds, float(infer.output)
    table = [
        ("fit, 10 defects a class", f"{fit.seconds:.0f} s", "≤ 300 s", fit.seconds <= 300),
        (f"painting and writing {count} images", f"{rate:.1f} / s", "≥ 25 / s", rate >= 25),
        ("training the segmenter", f"{train.seconds:.0f} s", "≤ 120 s", train.seconds <= 120),
        ("inference, whole images of 256×320 px", f"{speed:.1f} / s", "≥ 30 / s", speed >= 30),
        ("flawsmith --help", f"{instant:.2f} s", "< 0.5 s", instant < 0.5),
    ]
    for name, usage in {"fit": fit, "painting": paint, "training": train, "inference": infer}.items():
        table.append((f"peak memory, {name}", f"{usage.peak / GIGABYTE:.2f} GB", "< 2 GB", usage.peak < 2 * GIGABYTE))
    return table


def main() -> None:
    """Prints the table for a data set, or for the demo parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, help="data set; default: the demo parts")
    parser.add_argument("--classes", help="defect classes, a,b; default: all")
    parser.add_argument("-n", "--count", type=int, default=1000, help="images to paint")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        data = options.data or Path(folder) / "parts"
        if options.data is None:
            from flawsmith.data.demo import write_demo

            write_demo(data, seed=0)
        lines = rows(data, options.classes, Path(folder), options.count)
    name = data.name if options.data else "demo parts, made by a computer"
    print(f"{name}; {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}\n")
    print("| what | measured | goal | met |\n| --- | --- | --- | --- |")
    for what, measured, goal, met in lines:
        print(f"| {what} | {measured} | {goal} | {'yes' if met else 'NO'} |")


if __name__ == "__main__":
    main()
