from pathlib import Path

import numpy as np
import pytest

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.image import write_mask
from flawsmith.data.region import with_regions
from flawsmith.data.select import Selection


def mask(path: Path, filled: bool = True) -> Path:
    write_mask(path, np.full((96, 112), filled))
    return path


def test_auto_leaves_the_parts_as_they_are(selection: Selection) -> None:
    assert with_regions(selection.good, "auto") == selection.good


def test_one_mask_is_for_all_and_a_folder_has_one_for_each(selection: Selection, tmp_path: Path) -> None:
    one = mask(tmp_path / "one.png")
    assert {part.roi for part in with_regions(selection.good, str(one))} == {one}
    for part in selection.good:
        mask(tmp_path / "all" / f"{Path(part.name).stem}.png")
    found = with_regions(selection.good, str(tmp_path / "all"))
    assert all(part.roi is not None and part.roi.stem == Path(part.name).stem for part in found)


def test_what_is_missing_or_empty_is_named(selection: Selection, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--region: auto, a mask, or a folder of masks; found nowhere"):
        with_regions(selection.good, "nowhere")
    mask(tmp_path / "masks" / "other.png")
    with pytest.raises(UserError, match=f"a mask for {selection.good[0].name}; found none; add good0.png"):
        with_regions(selection.good, str(tmp_path / "masks"))
    with pytest.raises(UserError, match="a region of interest has a pixel"):
        with_regions(selection.good, str(mask(tmp_path / "empty.png", False)))
