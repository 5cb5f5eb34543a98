"""A painted set on disk, taken apart; not one pixel may have changed that no shape accounts for."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from flawsmith.data.errors import UserError
from flawsmith.data.image import read_image, read_mask, write_image
from flawsmith.data.painted_set import write_tables
from flawsmith.data.select import Selection
from flawsmith.gan.bank import Bank
from flawsmith.gan.integrity.leak import leak
from flawsmith.gan.integrity.painted import CONTEXT, entries, pictures, rejected
from flawsmith.gan.painter import BankPainter, Job, Paint
from flawsmith.gan.paste import Paste
from flawsmith.gan.poisson import Poisson
from flawsmith.gan.procedural import Procedural
from flawsmith.gan.production.config import GenerateConfig
from flawsmith.gan.production.generate import digested
from flawsmith.gan.production.ledger import write_rejected
from flawsmith.gan.production.task import Task
from flawsmith.gan.production.worker import Worker
from flawsmith.gan.region import bounding_box, grow

COUNT = 8
Paints = Callable[[BankPainter], Path]


@pytest.fixture(scope="module")
def painted(bank: Bank, selection: Selection, tmp_path_factory: pytest.TempPathFactory) -> Paints:
    """Lets any painter paint a set, as `generate` would."""

    def paint(painter: BankPainter) -> Path:
        folder = tmp_path_factory.mktemp("set")
        bank.save(folder / "run" / "bank.safetensors")
        parts = digested(selection.good)
        worker = Worker(Task(folder / "run", parts, GenerateConfig(COUNT, "paste"), folder / "set", 0, "cpu"))
        worker.painter = painter
        write_tables(folder / "set", bank.classes, worker.paint(range(COUNT)))
        return folder / "set"

    return paint


@pytest.fixture(scope="module")
def pasted(painted: Paints, bank: Bank) -> Path:
    return painted(Paste(bank))


class Spill(Paste):
    """Brightens a spot far beyond the mask."""

    def paint_one(self, job: Job) -> Paint:
        paint = super().paint_one(job)
        spilt = grow(job.mask, 9) & ~grow(job.mask, 7)
        brighter = np.where(spilt[..., None], job.clean + np.float32(0.1), paint.painted)
        return Paint(brighter, np.maximum(paint.alpha, spilt).astype(np.float32))


class Unseen(Paste):
    """Says that it covers nothing."""

    def paint_one(self, job: Job) -> Paint:
        paint = super().paint_one(job)
        return replace(paint, alpha=0 * paint.alpha)


@pytest.mark.parametrize("kind", [Paste, Poisson, Procedural])
def test_the_painters_there_are_leak_nothing(
    kind: type[BankPainter], painted: Paints, bank: Bank, selection: Selection
) -> None:
    painter = kind(bank)
    figure = leak(pictures(painted(painter), bank, selection.good), painter, bank.channels)
    assert figure.passed and figure.detail["images"] == COUNT and figure.detail["changed"] > 0


def test_a_painter_that_spills_is_caught(painted: Paints, bank: Bank, selection: Selection) -> None:
    painter = Spill(bank)
    figure = leak(pictures(painted(painter), bank, selection.good), painter, bank.channels)
    assert not figure.passed and figure.detail["beyond reach"] > 0 and figure.detail["alpha 0"] == 0


def test_paint_where_alpha_is_nothing_is_caught(pasted: Path, bank: Bank, selection: Selection) -> None:
    figure = leak(pictures(pasted, bank, selection.good), Unseen(bank), bank.channels)
    assert (
        not figure.passed and figure.detail["alpha 0"] == figure.detail["changed"] and not figure.detail["beyond reach"]
    )


def test_a_single_pixel_changed_later_is_found(pasted: Path, bank: Bank, selection: Selection, tmp_path: Path) -> None:
    spoilt = copytree(pasted, tmp_path / "spoilt")
    path = spoilt / entries(spoilt)[-1]["image"]
    image, shapes = read_image(path), list(pictures(spoilt, bank, selection.good))[-1].masks
    row, column = np.argwhere(~grow(np.logical_or.reduce(shapes), 4))[0]
    image[row, column] ^= 1
    write_image(path, image)
    assert leak(pictures(spoilt, bank, selection.good), Paste(bank), bank.channels, replayed=0).value == 1


def test_shapes_drawn_again_are_those_that_were_painted(pasted: Path, bank: Bank, selection: Selection) -> None:
    for picture, entry in zip(pictures(pasted, bank, selection.good), entries(pasted), strict=True):
        label, drawn = read_mask(pasted / entry["mask"]) > 0, np.logical_or.reduce(picture.masks)
        assert len(picture.masks) == len(entry["defects"]) and not (label & ~grow(drawn, 4)).any()
        assert (label & drawn).sum() > 0.5 * drawn.sum()


def test_a_spot_is_its_piece_of_the_image(pasted: Path, bank: Bank, selection: Selection) -> None:
    for picture in pictures(pasted, bank, selection.good):
        for spot, mask in zip(picture.spots(bank.channels), picture.masks, strict=True):
            window = bounding_box(mask, CONTEXT).slices
            assert spot.clean.shape == spot.after.shape == (*spot.mask.shape, bank.channels)
            assert np.array_equal(np.rint(spot.after[..., 0] * 255), picture.after[window][..., 0])
            top, left = np.argwhere(spot.mask).min(0)
            assert (top, left) == (spot.top, spot.left) and spot.box == bounding_box(mask)
            assert spot.clean.base is None  # a view would hold the whole image in memory


def test_fewer_images_are_spread_over_the_set(pasted: Path, bank: Bank, selection: Selection) -> None:
    assert [picture.name[-6:-4] for picture in pictures(pasted, bank, selection.good, 2)] == ["00", "04"]


def test_a_part_that_is_gone_or_changed_stops_it(
    pasted: Path, bank: Bank, selection: Selection, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="must be there, unchanged"):
        list(pictures(pasted, bank, selection.good[:1]))
    other = tmp_path / "other.png"
    write_image(other, np.zeros((96, 112, 1), np.uint8))
    with pytest.raises(UserError, match="must be there, unchanged"):
        list(pictures(pasted, bank, [replace(record, image=other) for record in selection.good]))


def test_provenance_that_is_damaged_or_missing_is_named(pasted: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="provenance"):
        entries(tmp_path)
    (tmp_path / "provenance.jsonl").write_text("{\n")
    with pytest.raises(UserError, match="one JSON object a line"):
        entries(tmp_path)


def test_images_given_up_are_known(pasted: Path, tmp_path: Path) -> None:
    assert rejected(pasted) == []
    given_up = [{"index": 3, "clean": "a.png", "rejected": {"not visible": 12}}]
    write_rejected(tmp_path, given_up)
    assert rejected(tmp_path) == given_up == [json.loads((tmp_path / "rejected.jsonl").read_text())]
