from collections import Counter
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawsmith.data import checkpoint
from flawsmith.data.errors import UserError
from flawsmith.data.image import read_image, read_mask
from flawsmith.data.select import Selection, select
from flawsmith.gan.bank import Bank, build


def same(one: Bank, other: Bank) -> bool:
    pairs = zip(one.instances, other.instances, strict=True)
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for a, b in pairs for f in fields(a))


def test_every_real_defect_is_in_the_bank_with_its_own_pixels(bank: Bank, selection: Selection) -> None:
    assert len(bank.instances) == len(selection.defects) and bank.classes == ("pit", "scratch")
    for one in bank.instances:
        record = next(record for record in selection.defects if record.name == one.source)
        whole, mask = read_image(record.image), read_mask(record.labels[0].mask) > 0
        window = np.s_[one.top : one.top + one.mask.shape[0], one.left : one.left + one.mask.shape[1]]
        assert np.array_equal(mask[window], one.mask) and one.area == mask.sum()
        assert np.array_equal(np.rint(one.image * 255)[one.mask], whole[window][one.mask])


def test_healing_takes_the_defects_away(bank: Bank) -> None:
    for one in bank.instances:
        around = one.healed[~one.mask].mean()
        assert abs(one.healed[one.mask].mean() - around) < 0.5 * abs(one.image[one.mask].mean() - around)


def test_what_is_saved_is_loaded_without_the_images(bank: Bank, tmp_path: Path) -> None:
    path = tmp_path / "bank.safetensors"
    bank.save(path)
    loaded = Bank.load(path)
    assert same(bank, loaded)
    assert (loaded.classes, loaded.channels, loaded.depth) == (("pit", "scratch"), 1, 255)


def test_the_same_seed_builds_the_same_bank(bank: Bank, selection: Selection) -> None:
    assert same(bank, build(selection, seed=0))


def test_another_checkpoint_is_no_bank(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "model.safetensors"
    checkpoint.save(path, {"weight": torch.zeros(3)}, {"widths": [1]})
    with pytest.raises(UserError, match="not a bank"):
        Bank.load(path)


def test_a_class_without_pixels_is_refused(make_parts: Callable[..., Path], tmp_path: Path) -> None:
    root = make_parts(tmp_path / "parts", defects=1)
    chosen = select(root)
    mask = next(record.labels[0].mask for record in chosen.defects if record.defects == ("pit",))
    Image.fromarray(np.zeros(read_mask(mask).shape, np.uint8)).save(mask)
    with pytest.raises(UserError, match="pit"):
        build(chosen, seed=0)


def test_colour_and_sixteen_bits_are_kept(make_parts: Callable[..., Path], tmp_path: Path) -> None:
    root = make_parts(tmp_path / "parts", defects=1, good=2)
    for path in (root / "images").iterdir():
        values = np.asarray(Image.open(path))
        Image.fromarray(np.stack([values, values // 2, values], 2)).save(path)
    colour = build(select(root), seed=0)
    assert colour.channels == 3 and colour.instances[0].image.shape[2] == 3
    for path in (root / "images").iterdir():
        values = np.asarray(Image.open(path).convert("L")).astype(np.uint16)
        Image.fromarray(values * 257 - values % 5).save(path)
    deep = build(select(root), seed=0)
    deep.save(tmp_path / "bank.safetensors")
    assert deep.depth == 65535 and same(deep, Bank.load(tmp_path / "bank.safetensors"))


def test_an_image_with_many_defects_is_drawn_no_more_often_than_one_with_a_single_one(bank: Bank) -> None:
    pits, scratches = ([bank.instances[i] for i in own] for own in bank.members)
    crowded = [replace(one, source=pits[0].source) for one in pits[:-1]]
    mixed = Bank((*crowded, pits[-1], *scratches), bank.classes, bank.channels, bank.depth)
    random = np.random.default_rng(0)
    drawn = Counter(mixed.sample(0, random) for _ in range(600))
    assert set(drawn) == set(mixed.members[0]) and len(crowded) > 1
    assert 250 < drawn[len(crowded)] < 350
    assert {mixed.sample(1, random) for _ in range(100)} == set(mixed.members[1])


def test_counts_are_those_of_real_images(bank: Bank) -> None:
    assert {bank.sample_count(0, np.random.default_rng(seed)) for seed in range(5)} == {1}
