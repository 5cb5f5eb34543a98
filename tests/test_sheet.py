"""The contact sheet shows every class, many groups, and the outline around the mask, not on it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flawsmith.data.read import read
from flawsmith.data.record import DataSet, Record
from flawsmith.data.sheet import SheetConfig, contact_sheet, outline, spread, thumbnail


def records(*groups: str) -> list[Record]:
    """Records of the given groups, without files."""
    return [Record(str(index), Path(str(index)), group) for index, group in enumerate(groups)]


def test_a_row_for_each_class(parts: Path) -> None:
    dataset = read(parts)
    config = SheetConfig(columns=3, side=64)
    sheet = contact_sheet(dataset, config)
    assert sheet.dtype == np.uint8 and sheet.shape[1:] == (6 + 3 * 70, 3)
    assert sheet.shape[0] == 3 * (22 + round(64 * 96 / 112) + 6)
    assert np.array_equal(sheet, contact_sheet(dataset, config))


def test_defects_have_an_outline_and_good_parts_none(parts: Path) -> None:
    dataset = read(parts)
    for record, kind in ((dataset.good[0], "good"), (dataset.defective[0], dataset.defective[0].defects[0])):
        picture = thumbnail(record, kind, 112)
        coloured = (picture != picture[..., :1]).any()
        assert picture.shape == (96, 112, 3) and coloured == (kind != "good")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(8, 60), st.integers(8, 60), st.floats(0.2, 4))
def test_every_defect_keeps_an_outline(seed: int, height: int, width: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    mask = np.zeros((height, width), bool)
    row, column = int(random.integers(height)), int(random.integers(width))
    mask[row, column] = True  # the smallest defect there is
    size = (max(6, round(height * scale)), max(6, round(width * scale)))
    line = outline(mask, size)
    assert line.shape == size and line.any()
    rows, columns = np.nonzero(line)
    assert abs(rows - (row + 0.5) / height * size[0]).max() <= 3 + size[0] / height
    assert abs(columns - (column + 0.5) / width * size[1]).max() <= 3 + size[1] / width


def test_outline_leaves_the_mask_free() -> None:
    mask = np.zeros((30, 30), bool)
    mask[10:20, 10:20] = True
    assert not (outline(mask, (30, 30)) & mask).any() and not outline(~mask & mask, (30, 30)).any()


def test_thumbnails_are_spread_over_groups() -> None:
    assert [one.group for one in spread(records("a", "a", "a", "b", "c"), 4)] == ["a", "b", "c", "a"]
    assert [one.group for one in spread(records(*"abcdefgh"), 4)] == ["a", "c", "e", "g"]
    assert len(spread(records("a", "b"), 8)) == 2


def test_an_empty_set_still_gives_a_picture() -> None:
    assert contact_sheet(DataSet(Path(), (), (), False)).ndim == 3


@pytest.mark.parametrize("wrong", [{"columns": 0}, {"side": 8}])
def test_a_sheet_without_room_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1 column"):
        SheetConfig(**wrong)
