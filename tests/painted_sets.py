"""Makes a small painted set by hand, as `generate` leaves one: shared by the tests of what is done with such sets."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as rle

from flawsmith.data.painted_set import write_tables

CLASSES = ("pit", "scratch")
SIZE = (80, 100)  # H, W


def _id(index: int) -> str:
    return sha256(str(index).encode()).hexdigest()[:16]


def _defect(defect: str, mask: np.ndarray) -> dict[str, Any]:
    """A defect as provenance tells it; the numbers come from pycocotools."""
    packed = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {
        "class": defect,
        "sources": ["images/d0.png"],
        "shape": {"defect": 0},
        "top": 5,
        "left": 9,
        "try": 0,
        "severity": 1.0,
        "fill": 0.93,
        "area": int(rle.area(packed)),
        "standout": 2.3,
        "likeness": None,
        "critic": None,
        "box": [int(side) for side in rle.toBbox(packed)],
        "rle": {"size": list(mask.shape), "counts": packed["counts"].decode()},
    }


def _line(out: Path, index: int, kind: str, random: np.random.Generator, size: tuple[int, int]) -> dict[str, Any]:
    """Writes image and mask, and says what they are."""
    name, pixels, defects = f"{index:06d}.png", random.normal(130, 5, size), []
    whole = np.zeros(size, bool)
    for _ in range(0 if kind == "good" else 1 + index % 2):
        mask = np.zeros(size, bool)
        row, column = (int(random.integers(4, side - 24)) for side in size)
        mask[row : row + 6, column : column + 20] = True
        mask[row : row + 12, column : column + 5] = True
        pixels[mask] -= 60
        whole |= mask
        defects.append(_defect(kind, mask))
    image = pixels.clip(0, 255).astype(np.uint8)
    for folder, values in (("images", image), *((("masks", whole),) if defects else ())):
        (out / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(out / folder / name)
    return {
        "id": _id(index),
        "index": index,
        "image": f"images/{name}",
        "mask": f"masks/{name}" if defects else None,
        "class": kind,
        "group": f"part{index % 3}",
        "size": list(size),
        "clean": f"images/good{index % 3}.png",
        "clean_sha256": sha256(str(index % 3).encode()).hexdigest(),
        "seed": 0,
        "again": 0,
        "painter": "paste",
        "checkpoint": "0" * 64,
        "defects": defects,
        "failed_tries": {"not visible": 1} if index % 4 == 0 else {},
        "pixels_sha256": sha256(image.tobytes()).hexdigest(),
    }


def make_painted_set(
    out: Path, count: int = 12, classes: tuple[str, ...] = CLASSES, good: int = 2, size: tuple[int, int] = SIZE
) -> Path:
    """`count` images of the classes in turn, then `good` untouched ones, with plan, summary, sources and tables."""
    random, out = np.random.default_rng(3), Path(out)
    kinds = [classes[index % len(classes)] for index in range(count)] + ["good"] * good
    lines = [_line(out, index, kind, random, size) for index, kind in enumerate(kinds)]
    per_class = {name: {"wanted": kinds.count(name) + 1, "images": kinds.count(name)} for name in classes}
    documents = {
        "plan": {
            "config": {"count": count + 1, "painter": "paste"},
            "seed": 0,
            "run": "0" * 64,
            "clean": "1" * 64,
            "versions": {"flawsmith": "0.1.0", "numpy": "2.0"},
            "where": {"run": "runs/parts", "clean": "parts"},
        },
        "summary": {
            "count": count + 1,
            "images": count,
            "good": good,
            "per_class": per_class,
            "given_up": 1,
            "tries": 20,
            "failed_tries": {"not visible": 4},
            "reasons": {"no place for the shape": 1},
        },
        "sources": {"images/d0.png": "2" * 64, "images/good0.png": "3" * 64},
    }
    for name, content in documents.items():
        (out / f"{name}.json").write_text(json.dumps(content))
    write_tables(out, classes, lines)
    return out


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a file with one a line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def tree(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file by its path."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}
