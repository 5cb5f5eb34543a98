"""Real defects decide whether what looks like background is one."""

from pathlib import Path

import numpy as np
import pytest

from flawsmith.data.image import write_image
from flawsmith.data.select import select
from flawsmith.gan.bank import Bank, build
from flawsmith.gan.context import survey
from flawsmith.gan.integrity.halo import like_place
from flawsmith.gan.placement import sample_place
from flawsmith.gan.shapes import draw_shape, sample_shape

SIZE = (120, 140)


def picture(seed: int) -> np.ndarray:
    """A bright bar on a dark ground, which could be a part on a table or a track on a board (H, W, 1) uint8."""
    image = np.random.default_rng(seed).normal(40, 2, (*SIZE, 1))
    image[40:80, 20:120] += 160
    return np.rint(image.clip(0, 255)).astype(np.uint8)


def product(root: Path, on: int, beside: int) -> Path:
    """Spots on the bar and beside it, one an image, and good parts; the layout of MVTec AD."""
    for number in range(on + beside):
        image, mask = picture(number), np.zeros((*SIZE, 1), np.uint8)
        top = 52 if number < on else 95
        left = 30 + 9 * number
        image[top : top + 8, left : left + 8] = 120
        mask[top : top + 8, left : left + 8] = 255
        write(root / f"test/spot/{number}.png", image)
        write(root / f"ground_truth/spot/{number}_mask.png", mask)
    for number in range(8):
        write(root / f"train/good/{number}.png", picture(100 + number))
    return root


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, image)


def built(root: Path, on: int, beside: int) -> Bank:
    return build(select(product(root, on, beside)), 0)


@pytest.mark.parametrize(("on", "beside", "whole"), [(6, 0, False), (6, 1, False), (4, 2, True), (0, 5, True)])
def test_all_is_part_where_defects_lie_beside_what_looks_like_one(
    on: int, beside: int, whole: bool, tmp_path: Path
) -> None:
    bank = built(tmp_path, on, beside)
    assert bank.whole is whole
    bank.save(tmp_path / "bank.safetensors")
    assert Bank.load(tmp_path / "bank.safetensors").whole is whole


def test_defects_are_put_where_real_ones_lie(tmp_path: Path) -> None:
    part = picture(200).astype(np.float32) / 255
    bar = np.zeros(SIZE, bool)
    bar[40:80, 20:120] = True
    on, off = built(tmp_path / "on", 6, 0), built(tmp_path / "off", 0, 6)
    for seed in range(10):
        for bank, inside in ((on, True), (off, False)):
            random = np.random.default_rng(seed)
            place = sample_place(part, draw_shape(sample_shape(bank, 0, random), bank), bank, None, random)
            assert place is not None
            assert bool((place.mask(SIZE) & bar).any()) is inside


def test_a_defect_beside_the_part_touches_no_edge_of_it(tmp_path: Path) -> None:
    bank = built(tmp_path, 0, 5)
    assert not any(any(one.touches) for one in bank.instances)


def test_a_survey_of_all_is_all() -> None:
    part = survey(picture(0), whole=True)
    assert part.ground.whole and part.allowed_in(0, 0, *SIZE).all() and not survey(picture(0)).ground.whole


def test_paint_over_clean_ground_is_asked_for_beside_the_part_too(tmp_path: Path) -> None:
    bank = built(tmp_path, 0, 5)
    part = picture(300).astype(np.float32) / 255
    assert like_place(bank.instances[0], part) is None
    assert like_place(bank.instances[0], part, whole=True) is not None
