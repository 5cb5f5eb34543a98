"""Shared fixtures: a tiny data set of grey parts with two classes of defect, not made by the code under test."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image
from scipy import ndimage

from flawsmith.data.select import Selection, select
from flawsmith.gan.bank import Bank, build

settings.register_profile("untimed", settings.default, deadline=None)  # a busy machine's time says nothing
settings.load_profile("untimed")
MakeParts = Callable[..., Path]
KINDS = ("pit", "scratch")


def _part(random: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A grey part (H, W) float: coarse structure of its own, fine grain."""
    coarse = ndimage.gaussian_filter(random.normal(size=size), 6)
    return 130 + 300 * coarse + random.normal(size=size) * 4


def _damage(part: np.ndarray, kind: str, random: np.random.Generator) -> np.ndarray:
    """Adds a dark disc or a bright line in place; returns its mask (H, W) bool."""
    y, x = np.ogrid[: part.shape[0], : part.shape[1]]
    row, column = (int(random.integers(20, side - 20)) for side in part.shape)
    if kind == "pit":
        mask = (y - row) ** 2 + (x - column) ** 2 <= int(random.integers(5, 8)) ** 2
        part[mask] -= 70
    else:
        mask = (abs(y - row - 0.5 * (x - column)) < 2) & (abs(x - column) < 12)
        part[mask] += 70
    return mask


def _write(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def make_parts(
    root: Path, defects: int = 4, good: int = 8, size: tuple[int, int] = (96, 112), kinds: tuple[str, ...] = KINDS
) -> Path:
    """Writes `defects` images of each kind and `good` ones, two photographs a group, with a manifest."""
    random = np.random.default_rng(7)
    rows = ["image,mask,class,group"]
    for kind, total in [*((kind, defects) for kind in kinds), ("good", good)]:
        for index in range(total):
            part, name = _part(random, size), f"{kind}{index}.png"
            if kind != "good":
                _write(root / "masks" / name, _damage(part, kind, random))
            _write(root / "images" / name, part.clip(0, 255).astype(np.uint8))
            rows.append(f"images/{name},{'' if kind == 'good' else f'masks/{name}'},{kind},{kind}{index // 2}")
    root.mkdir(parents=True, exist_ok=True)
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="session", name="make_parts")
def _make_parts() -> MakeParts:
    """The function that writes a tiny data set."""
    return make_parts


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny data set: 4 pits, 4 scratches, 8 good parts, in groups of two. Read it, never change it."""
    return make_parts(tmp_path_factory.mktemp("data") / "parts")


@pytest.fixture(scope="session")
def selection(parts: Path) -> Selection:
    """All of the tiny data set."""
    return select(parts)


@pytest.fixture(scope="session")
def bank(selection: Selection) -> Bank:
    """The real defects of the tiny data set."""
    return build(selection, seed=0)
