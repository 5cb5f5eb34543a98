from pathlib import Path

import numpy as np
import pytest
import torch

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.image import read_image
from flawsmith.data.select import select
from flawsmith.gan.bank import Bank
from flawsmith.gan.fit import fit
from flawsmith.gan.gate import Gate, GateConfig
from flawsmith.gan.preview import names, page, preview
from flawsmith.gan.procedural import Procedural
from flawsmith.gan.scene import SceneConfig
from flawsmith.gan.sheets import COLUMNS, ROWS, SEVERITIES, TITLE, Sheet, Studio
from flawsmith.gan.spots import TILE, Spot, paint_spot, scene_for
from flawsmith.gan.trainer import FitConfig

CPU = torch.device("cpu")
CELL = TILE + 2


@pytest.fixture(scope="module")
def run(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("run") / "run"
    list(fit(select(parts), FitConfig(steps=0), output, 0, CPU))
    return output


@pytest.fixture(scope="module")
def spot(bank: Bank, parts: Path) -> Spot:
    scene = scene_for(bank, select(parts).good, 0, SceneConfig(), 0, 0)
    found = paint_spot(scene, bank, Procedural(bank), Gate(bank, "paste", GateConfig()), 0)
    assert found is not None
    return found


def test_the_picture_has_three_rows_a_class_and_repeats_for_a_seed(run: Path, parts: Path, tmp_path: Path) -> None:
    good = select(parts).good
    for name in ("a.png", "b.png"):
        preview(run, good, tmp_path / name, 0, CPU, "paste")
    sheet = read_image(tmp_path / "a.png")
    assert sheet.shape == (6 * CELL, COLUMNS * CELL, 1)
    assert np.array_equal(sheet, read_image(tmp_path / "b.png"))
    masks = sheet[2 * CELL : 3 * CELL]
    assert ((masks == 0) | (masks == 255)).all() and (masks == 0).any()


def test_a_folder_holds_three_sheets_a_class_and_a_page(run: Path, parts: Path, tmp_path: Path) -> None:
    preview(run, select(parts).good, tmp_path / "out", 0, CPU, "paste")
    kinds = {f"{name}{kind}.png" for name in ("pit", "scratch") for kind in ("", "-severity", "-latents")}
    assert {path.name for path in (tmp_path / "out").iterdir()} == kinds | {"index.html"}
    assert read_image(tmp_path / "out" / "pit.png").shape == (3 * CELL, COLUMNS * CELL, 1)
    severities = read_image(tmp_path / "out" / "pit-severity.png")
    assert severities.shape == (ROWS * CELL + TITLE, len(SEVERITIES) * CELL, 1)
    assert read_image(tmp_path / "out" / "pit-latents.png").shape == (ROWS * CELL, COLUMNS * CELL, 1)
    text = (tmp_path / "out" / "index.html").read_text()
    assert text.count("<img") == 2 * (3 * COLUMNS + ROWS * (len(SEVERITIES) + COLUMNS))
    preview(run, select(parts).good, tmp_path / "page.html", 0, CPU, "paste")
    assert (tmp_path / "page.html").read_text() == text


def test_without_clean_parts_it_paints_where_the_real_defects_were(run: Path, tmp_path: Path) -> None:
    preview(run, None, tmp_path / "a.png", 0, CPU, "paste")
    assert read_image(tmp_path / "a.png").shape[0] == 6 * CELL


def test_an_empty_folder_of_good_parts_and_other_kinds_of_files_are_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no good parts"):
        preview(run, (), tmp_path / "a.png", 0, CPU, "paste")
    with pytest.raises(UsageError, match=r"a \.png, an \.html page or a folder; found \.gif"):
        preview(run, None, tmp_path / "a.gif", 0, CPU, "paste")
    assert not list(tmp_path.iterdir())


def test_severity_one_is_the_paint_and_more_of_it_changes_more_at_the_same_place(spot: Spot) -> None:
    clean, changes = spot.shown(severity=0), []
    for severity in SEVERITIES:
        changes.append(np.abs(spot.shown(severity=severity) - clean))
    assert np.array_equal(spot.shown(severity=1), spot.shown())
    assert sorted(change.sum() for change in changes) == [change.sum() for change in changes]
    touched = changes[SEVERITIES.index(1)] > 0
    assert all(not change[~touched].any() for change in changes)
    assert (touched.any(2) & spot.label).sum() > 0.9 * spot.label.sum() > 0


def test_a_tile_shows_the_image_that_was_made(bank: Bank, parts: Path) -> None:
    scene = scene_for(bank, select(parts).good, 1, SceneConfig(), 0, 1)
    found = paint_spot(scene, bank, Procedural(bank), Gate(bank, "paste", GateConfig()), 0)
    assert found is not None
    inside = np.rint(found.shown() * 255).astype(np.uint8)
    height, width = scene.pixels.shape[:2]  # smaller than a tile, which lies about its middle
    top, left = -((height - TILE) // 2), -((width - TILE) // 2)
    assert np.array_equal(inside[top : top + height, left : left + width], scene.pixels)
    assert (inside[:top] == 255).all() and found.label.sum() == scene.mask.sum()


def test_looks_share_place_and_shape_and_the_first_is_the_spot_itself(bank: Bank, spot: Spot) -> None:
    painter = Procedural(bank)
    looks = spot.looks(painter, 4)
    assert len(looks) == 4 and np.array_equal(looks[0], spot.shown())
    assert all(np.array_equal(one, other) for one, other in zip(looks, spot.looks(painter, 4), strict=True))
    assert len({one.tobytes() for one in looks}) > 1


def test_where_nothing_could_be_painted_tiles_are_grey(bank: Bank) -> None:
    studio = Studio(bank, Procedural(bank), Gate(bank, "paste", GateConfig()), None, 0)
    for make in (studio.severities, studio.latents):
        sheet = make(0, [None] * COLUMNS)
        assert len(sheet.rows) == 1 and all((tile.pixels == 128).all() for tile in sheet.rows[0])


def test_hostile_names_are_text_and_files_never_share_a_name() -> None:
    evil = "<script>alert(1)</script>"
    text = page([Sheet(evil, "", "", ())], evil, "paste")
    assert "<script" not in text and text.count("&lt;script&gt;") == 3
    clash = [Sheet(name, kind, "", ()) for name, kind in (("a", "severity"), ("A-severity", ""))]
    assert len({name.casefold() for name in names(clash)}) == 2
