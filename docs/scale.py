"""Speed and memory of reading: 10,000 images with 50,000 polygons, checked from COCO and from CVAT.

Each check runs in a process of its own. The images are grey, 256×256 px and without noise, so that what is measured
is the labels, not the decoding of large files.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CHECK = (sys.executable, "-c", "from flawsmith.cli import main; main()", "check")
SIDE = 256  # px
POINTS = 24  # of a polygon
CLASSES = ("pit", "scratch", "stain")
GOALS = 20.0, 1e9  # s, bytes

Rings = NDArray[np.float64]  # (images, polygons, points, 2): x, y in px


@dataclass(frozen=True)
class Usage:
    """What one process took: seconds by the clock, of all processors together, bytes at the peak, and its report."""

    seconds: float
    busy: float
    peak: float
    report: dict[str, object]


def rings(images: int, polygons: int) -> Rings:
    """Star-shaped outlines within the image, to a hundredth of a pixel, as tools write them."""
    random = np.random.default_rng(0)
    angle = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    radius = random.uniform(4, 20, (images, polygons, 1)) * random.uniform(0.7, 1.3, (images, polygons, POINTS))
    middle = random.uniform(30, SIDE - 30, (images, polygons, 1, 2))
    return np.round(middle + radius[..., None] * np.stack([np.cos(angle), np.sin(angle)], -1), 2)


def paint(folder: Path, images: int) -> None:
    """Images that differ in two pixels: the same one twice would be a problem of its own."""
    folder.mkdir(parents=True)
    for number in range(images):
        pixels = np.full((SIDE, SIDE), 120, np.uint8)
        pixels[0, :2] = divmod(number, 256)
        Image.fromarray(pixels).save(folder / name(number), compress_level=1)


def name(number: int) -> str:
    """The file of an image."""
    return f"part{number:05}.png"


def coco(path: Path, outlines: Rings) -> None:
    """annotations.json, polygons as most tools export them."""
    images = [{"id": i, "file_name": name(i), "width": SIDE, "height": SIDE} for i in range(len(outlines))]
    low, size = outlines.min(2), np.ptp(outlines, axis=2)
    annotations = [
        {
            "id": image * outlines.shape[1] + place,
            "image_id": image,
            "category_id": place % len(CLASSES) + 1,
            "segmentation": [outlines[image, place].ravel().tolist()],
            "bbox": [*low[image, place].tolist(), *size[image, place].round(2).tolist()],
            "area": float(size[image, place].prod().round(2)),
            "iscrowd": 0,
        }
        for image in range(len(outlines))
        for place in range(outlines.shape[1])
    ]
    categories = [{"id": number, "name": one} for number, one in enumerate(CLASSES, 1)]
    path.write_text(json.dumps({"images": images, "categories": categories, "annotations": annotations}))


def cvat(path: Path, outlines: Rings) -> None:
    """annotations.xml as "CVAT for images 1.1"."""
    with path.open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n')
        for number, objects in enumerate(outlines.tolist()):
            file.write(f'  <image id="{number}" name="{name(number)}" width="{SIDE}" height="{SIDE}">\n')
            for place, ring in enumerate(objects):
                points = ";".join(f"{x:.2f},{y:.2f}" for x, y in ring)
                label = CLASSES[place % len(CLASSES)]
                about = f'label="{label}" source="manual" occluded="0" points="{points}" z_order="0"'
                file.write(f"    <polygon {about}>\n    </polygon>\n")
            file.write("  </image>\n")
        file.write("</annotations>\n")


FORMATS: dict[str, tuple[str, Callable[[Path, Rings], None]]] = {
    "COCO": ("annotations.json", coco),
    "CVAT": ("annotations.xml", cvat),
}


def measure(data: Path, sheet: Path) -> Usage:
    """Checks a folder in a process of its own, the contact sheet included."""
    start = time.perf_counter()
    with subprocess.Popen([*CHECK, str(data), "--json", "-o", str(sheet)], stdout=subprocess.PIPE) as process:
        output = process.stdout.read() if process.stdout else b""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"check of {data} ended with exit code {process.returncode}: {output[-300:]!r}")
    return Usage(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, json.loads(output))


def rows(work: Path, images: int, polygons: int) -> list[tuple[str, str, str, bool]]:
    """What was measured, the figure, the goal, and whether it was met; for the whole number of images alone."""
    outlines = rings(images, polygons)
    table = []
    paint(work / "images", images)
    for label, (file, write) in FORMATS.items():
        data = work / label
        data.mkdir()
        (work / "images").rename(data / "images")
        write(data / file, outlines)
        used = measure(data, work / f"{label}.png")
        found = sum(one["instances"] for kind, one in used.report["classes"].items() if kind != "good")  # type: ignore
        assert (used.report["images"], found, used.report["errors"]) == (images, images * polygons, 0), used.report
        (data / "images").rename(work / "images")
        size = (data / file).stat().st_size / 1e6
        what = f"check {images:,} images, {images * polygons:,} polygons, {label} ({size:.0f} MB)"
        figure = f"{used.seconds:.1f} s ({used.busy:.1f} s of CPU)"
        table.append((what, figure, f"< {GOALS[0]:.0f} s", used.seconds < GOALS[0]))
        table.append((f"memory of it, {label}", f"{used.peak / 1e6:.0f} MB", "< 1 GB", used.peak < GOALS[1]))
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table; exit code 1 where a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--polygons", type=int, default=5, help="in each image")
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as work:
        table = rows(Path(work), options.images, options.polygons)
    for what, figure, goal, met in table:
        print(f"{what:62}  {figure:26}  {goal:7}  {'met' if met else 'MISSED'}")
    sys.exit(not all(met for *_, met in table))


if __name__ == "__main__":
    main()
