"""The picture at the top of README.md, from the folder that `make demo` leaves: real | clean | painted | mask."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from flawsmith.data.image import read_image, to_float, write_image
from flawsmith.data.read import read
from flawsmith.data.record import Record
from flawsmith.data.sample import Sample, load

OVERVIEW = Path(__file__).parent / "pictures" / "overview.png"
SIDE, GAP, ZOOM = 112, 6, 2  # px of a panel, px between panels, how many screen pixels a pixel gets
Panel = NDArray[np.uint8]


def middle(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """The middle (y, x) of the largest piece of a mask (H, W)."""
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    rows, columns = ndimage.find_objects(labels)[int(np.argmax(np.bincount(labels.ravel())[1:]))]
    return (rows.start + rows.stop) // 2, (columns.start + columns.stop) // 2


def panel(image: NDArray[Any], centre: tuple[int, int]) -> Panel:
    """The SIDE px about a centre of (H, W, C), magnified without smoothing: (SIDE · ZOOM, SIDE · ZOOM, 3) uint8."""
    rgb = np.rint(to_float(image, 3).transpose(1, 2, 0) * 255).astype(np.uint8)
    top, left = (min(max(at - SIDE // 2, 0), length - SIDE) for at, length in zip(centre, rgb.shape[:2], strict=True))
    return rgb[top : top + SIDE, left : left + SIDE].repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)


def clarity(sample: Sample) -> float:
    """How well a defect shows in a panel: its step to a ring of 6 px over the texture, and a fair area."""
    mask, grey = sample.masks[0], to_float(sample.image, 1)[0]
    ring = ndimage.binary_dilation(mask, iterations=6) & ~mask
    step = abs(float(grey[mask].mean() - grey[ring].mean())) / float(grey[ring].std())
    return float(np.log(step + 1e-3) - 0.5 * abs(np.log(mask.sum() * 20 / SIDE**2)))  # fair: a twentieth of the panel


def row(defect: str, parts: dict[str, Record], painted: dict[str, Record], entries: list[dict[str, Any]]) -> Panel:
    """Real | clean | painted | mask of one class, the clearest of each: chosen by a rule and not by hand."""
    labelled = max((load(one, [defect]) for one in parts.values() if defect in one.defects), key=clarity)
    mine = [one for one in entries if one["class"] == defect]
    entry = max(mine, key=lambda one: clarity(load(painted[one["image"]], [defect])))
    made = load(painted[entry["image"]], [defect])
    centre, mask = middle(made.masks[0]), made.masks[0]
    panels = [
        panel(labelled.image, middle(labelled.masks[0])),
        panel(read_image(parts[entry["clean"]].image), centre),
        panel(made.image, centre),
        panel(mask[..., None].astype(np.uint8) * 255, centre),
    ]
    gap = np.full((SIDE * ZOOM, GAP, 3), 255, np.uint8)
    return np.concatenate([piece for one in panels for piece in (one, gap)][:-1], axis=1)


def main(demo: Path) -> None:
    """Writes docs/pictures/overview.png."""
    parts, painted = read(demo / "parts"), read(demo / "trial" / "synthetic" / "gan")
    lines = (demo / "trial" / "synthetic" / "gan" / "provenance.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    real, made = ({one.name: one for one in dataset.records} for dataset in (parts, painted))
    rows = [row(defect, real, made, entries) for defect in painted.classes]
    gap = np.full((GAP, rows[0].shape[1], 3), 255, np.uint8)
    write_image(OVERVIEW, np.concatenate([piece for one in rows for piece in (one, gap)][:-1]))
    print(OVERVIEW)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/demo"))
