from pathlib import Path

import numpy as np
import pytest
import torch

from flawsmith.data.errors import UserError
from flawsmith.data.image import read_image
from flawsmith.data.select import select
from flawsmith.gan.fit import fit
from flawsmith.gan.preview import COLUMNS, TILE, preview
from flawsmith.gan.trainer import FitConfig

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def run(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("run") / "run"
    list(fit(select(parts), FitConfig(steps=0), output, 0, CPU))
    return output


def test_the_sheet_has_three_rows_a_class_and_repeats_for_a_seed(run: Path, parts: Path, tmp_path: Path) -> None:
    good = select(parts).good
    for name in ("a.png", "b.png"):
        preview(run, good, tmp_path / name, 0, CPU, "paste")
    sheet = read_image(tmp_path / "a.png")
    assert sheet.shape == (6 * (TILE + 2), COLUMNS * (TILE + 2), 1)
    assert np.array_equal(sheet, read_image(tmp_path / "b.png"))
    masks = sheet[2 * (TILE + 2) : 3 * (TILE + 2)]
    assert ((masks == 0) | (masks == 255)).all() and (masks == 0).any()


def test_without_clean_parts_it_paints_where_the_real_defects_were(run: Path, tmp_path: Path) -> None:
    preview(run, None, tmp_path / "a.png", 0, CPU, "paste")
    assert read_image(tmp_path / "a.png").shape[0] == 6 * (TILE + 2)


def test_an_empty_folder_of_good_parts_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no good parts"):
        preview(run, (), tmp_path / "a.png", 0, CPU, "paste")
    assert not (tmp_path / "a.png").exists()
