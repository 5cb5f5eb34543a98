"""Running a segmenter over images: a probability map per class, a mask, and a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.errors import PartlyDone, UsageError, UserError
from flawsmith.data.files import new_folder
from flawsmith.data.image import SUFFIXES, read_image, to_uint, write_image, write_mask
from flawsmith.segment.metrics import image_score
from flawsmith.segment.segmenter import Segmenter
from flawsmith.segment.table import Cell, file_name, write_table

WHAT = ("probability", "px")  # per class: the highest smoothed probability, the pixels at or above the threshold


def predict_folder(
    segmenter: Segmenter, images: Mapping[str, Path], output: Path, threshold: float = 0.5
) -> Iterator[dict[str, Any]]:
    """Writes maps/CLASS/NAME.png (8 bit, 255 = certain), masks/NAME.png (1 bit, all classes) and predictions.csv.

    `images` are paths by NAME.png, as `image_files` gives them; an interrupted run can be given again. Yields {"step",
    "steps"} after each image. Raises PartlyDone at the end where some could not be read: the others are complete.
    """
    if not 0 < threshold < 1:
        raise UsageError("--threshold", "lies between 0 and 1", threshold)
    new_folder(output, ("maps", "masks"))
    rows: list[dict[str, Cell]] = []
    failed: list[UserError] = []
    for step, (name, path) in enumerate(images.items(), 1):
        try:
            image = read_image(path)
        except UserError as error:
            failed.append(error)
        else:
            maps = segmenter.predict(image)
            write_maps(output, name, maps, segmenter.classes, threshold)
            rows.append({"image": str(path), "mask": f"masks/{name}", **row(maps, segmenter.classes, threshold)})
        yield {"step": step, "steps": len(images)}
    header = ("image", "mask", "score", "defect", *(f"{name} {what}" for name in segmenter.classes for what in WHAT))
    write_table(output / "predictions.csv", rows, header)
    if failed:
        raise PartlyDone(output, f"{len(failed)} of {len(images)} images could not be read", failed[0])


def image_files(paths: Sequence[Path]) -> dict[str, Path]:
    """The images at and below `paths` by the name of their results, NAME.png, numbered where two would be the same.

    Raises UserError where a path does not exist or holds no image.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise UserError(path, "does not exist")
        images = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        if not images:
            raise UserError(path, "holds no image", None, f"images end in {' '.join(SUFFIXES)}")
        for image in images:
            stem = PurePosixPath(image.relative_to(path) if path.is_dir() else image.name).with_suffix("")
            name, number = f"{stem}.png", 1
            while name in found:
                number += 1
                name = f"{stem}-{number}.png"
            found[name] = image
    return found


def row(maps: NDArray[np.float32], classes: Sequence[str], threshold: float) -> dict[str, Cell]:
    """One image's figures: its score, the most probable class where any pixel reaches the threshold, and per class."""
    peaks = [image_score(probability) for probability in maps]
    found = bool((maps >= threshold).any())
    cells: dict[str, Cell] = {"score": max(peaks), "defect": classes[int(np.argmax(peaks))] if found else ""}
    for name, peak, probability in zip(classes, peaks, maps, strict=True):
        cells |= {f"{name} probability": peak, f"{name} px": int((probability >= threshold).sum())}
    return cells


def write_maps(output: Path, name: str, maps: NDArray[np.float32], classes: Sequence[str], threshold: float) -> None:
    """Writes one image's maps and the mask of all classes together."""
    for defect, probability in zip(classes, maps, strict=True):
        write_image(output / "maps" / file_name(defect) / name, to_uint(probability[None], np.uint8))
    write_mask(output / "masks" / name, maps.max(0) >= threshold)
