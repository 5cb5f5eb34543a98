"""What is said of a whole cell: kernel distances, sham pastes, and the file that the report reads."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import polynomial_kernel

from flawsmith.data.errors import UserError
from flawsmith.data.geometry.box import Box
from flawsmith.data.select import Selection, select
from flawsmith.gan.bank import Bank
from flawsmith.gan.blend import feather
from flawsmith.gan.fit import fit
from flawsmith.gan.gate import GateConfig
from flawsmith.gan.integrity.painted import Picture
from flawsmith.gan.paste import FEATHER
from flawsmith.gan.production.config import GenerateConfig
from flawsmith.gan.production.generate import generate
from flawsmith.gan.trainer import FitConfig
from flawsmith.segment.benchmark import integrity as module
from flawsmith.segment.benchmark.distance import Yardstick, crop, halves, kernel_distance, real_defects, spread
from flawsmith.segment.benchmark.integrity import judge_cell
from flawsmith.segment.benchmark.known import known_again, seen
from flawsmith.segment.benchmark.sham import LIMIT, Sham, fired, sham_pastes, shams
from flawsmith.segment.segmenter import MODEL, Segmenter
from flawsmith.segment.unet import UNet

CPU = torch.device("cpu")


def clouds(seed: int, apart: float, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.normal(size=(count, 8)), random.normal(apart, 1, size=(count + 20, 8))


def test_the_kernel_distance_agrees_with_another_library() -> None:
    first, second = clouds(0, 0.4, 9)
    inside = [polynomial_kernel(rows, degree=3, coef0=1) for rows in (first, second)]
    means = [kernel[~np.eye(len(kernel), dtype=bool)].mean() for kernel in inside]
    wanted = sum(means) - 2 * polynomial_kernel(first, second, degree=3, coef0=1).mean()
    assert kernel_distance(first, second) == pytest.approx(wanted) == kernel_distance(second, first)


def test_two_draws_of_the_same_are_no_way_apart_on_average() -> None:
    """Unbiased: the mean over draws is zero, not merely small, so some are below it."""
    found = [kernel_distance(*clouds(seed, 0.0, 20)) for seed in range(200)]
    assert abs(np.mean(found)) < 3 * np.std(found) / 200**0.5 and min(found) < 0
    assert kernel_distance(*clouds(0, 0.5)) > max(found[:20])


def test_the_distance_of_too_few_is_undefined() -> None:
    random = np.random.default_rng(0)
    assert spread(np.zeros((1, 4)), np.zeros((9, 4)), random) == (None, None)
    assert halves(np.zeros((9, 4)), ["a"] * 9, random) == (None, None)
    mean, deviation = spread(*clouds(0, 0.5), random)
    assert mean is not None and deviation is not None and mean > 3 * deviation > 0


def test_halves_never_part_a_group() -> None:
    """Two groups far apart: every halving sees the whole gap; torn apart, they would often be alike."""
    first, second = clouds(0, 3.0, 20)
    rows, groups = np.concatenate([first, second]), ["a"] * 20 + ["b"] * 40
    mean, deviation = halves(rows, groups, np.random.default_rng(0))
    assert mean == pytest.approx(kernel_distance(first, second)) and deviation == pytest.approx(0)


@pytest.mark.parametrize("box", [Box(0, 0, 5, 5), Box(40, 90, 60, 112), Box(10, 10, 90, 20), Box(0, 0, 96, 112)])
def test_a_crop_holds_the_defect_at_native_size(box: Box) -> None:
    image = np.arange(96 * 112, dtype=np.uint16).reshape(96, 112, 1)
    part = crop(image, box)
    assert all(side % 32 == 0 and 64 <= side <= 256 for side in part.shape[:2])
    assert np.isin(image[box.slices], part).all()
    rows, columns = np.argwhere(part[..., 0] == image[box.top, box.left, 0])[0]
    piece = part[rows : rows + box.size[0], columns : columns + box.size[1]]
    assert np.array_equal(piece, image[box.slices])


def test_real_defects_are_those_of_the_class(selection: Selection) -> None:
    found = list(real_defects(selection.defects, "pit", 99))
    assert len(found) == 4 and {group for *_, group in found} == {"pit0", "pit1"}
    assert len(list(real_defects(selection.defects, "pit", 2))) == 2


def test_a_yardstick_measures_from_what_was_not_drawn(selection: Selection) -> None:
    eye: Any = SimpleNamespace(look=lambda image, box: np.array([image.mean() / 255, box.top / 100]))
    drawn, held = selection.defects[:2], selection.defects[2:]
    yardstick = Yardstick(drawn, held, "pit", eye, 9)
    assert len(yardstick.drawn) == 2 and len(yardstick.held) == 2
    found = yardstick.measure(np.zeros((1, 2)), 0)
    assert found == {"kid": None, "kid_std": None, "n_synthetic": 1, "n_real": 2}
    assert yardstick.floor(0)["floor"] is not None and yardstick.measure(yardstick.drawn, 0)["kid"] is not None


@pytest.fixture(scope="module")
def shown(bank: Bank, selection: Selection) -> list[Sham]:
    return list(shams(bank, selection.good, 0, 12))


def test_a_sham_changes_clean_pixels_under_the_shape_alone(shown: list[Sham]) -> None:
    assert len(shown) > 4
    for sham in shown:
        changed = (sham.after != sham.before).any(2)
        assert changed[sham.mask].mean() > 0.5 and not changed[feather(sham.mask, FEATHER) == 0].any()
        step = np.abs(sham.after.astype(int) - sham.before)[sham.mask].mean()
        assert step < 35 and sham.after.dtype == sham.before.dtype  # a defect is a step of 70


def test_shams_depend_on_the_seed_alone(bank: Bank, selection: Selection, shown: list[Sham]) -> None:
    again, other = list(shams(bank, selection.good, 0, 3)), list(shams(bank, selection.good, 1, 3))
    assert all(np.array_equal(a.after, b.after) for a, b in zip(again, shown, strict=False))
    assert not np.array_equal(again[0].after, other[0].after)


def network(fires: Callable[[np.ndarray], bool]) -> Any:
    """A segmenter that calls everything a defect where `fires` says so."""
    return SimpleNamespace(predict=lambda image: np.full((1, *image.shape[:2]), 0.9 if fires(image) else 0.1))


def test_a_network_that_fires_at_seams_is_caught(shown: list[Sham]) -> None:
    known = {sham.before.tobytes() for sham in shown}
    networks = {"seam": lambda image: image.tobytes() not in known, "never": lambda _: False, "always": lambda _: True}
    found = {name: fired(network(fires), shown) for name, fires in networks.items()}
    assert {name: one["excess"] for name, one in found.items()} == {"seam": 1.0, "never": 0.0, "always": 0.0}
    assert not sham_pastes(found, ["seam", "never"]).passed and sham_pastes(found, ["never", "always"]).passed
    assert sham_pastes(found, []).value is None and LIMIT < 1
    assert fired(network(lambda _: True), [])["excess"] is None


@pytest.fixture(scope="module")
def cell(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cell as a trial leaves it, hardly trained."""
    folder, selection = tmp_path_factory.mktemp("cell"), select(parts)
    config = FitConfig(steps=1, batch=2, patch=64, blanks=6)
    for _ in fit(selection, config, folder / "fit", 0, CPU):
        pass
    for painter in ("gan", "paste"):
        wanted = GenerateConfig(6, painter, gate=GateConfig(copies=False, critic=False))
        try:
            for _ in generate(folder / "fit", selection.good, wanted, folder / "synthetic" / painter, 0, CPU):
                pass
        except UserError:  # an untrained painter may give up
            pass
    torch.manual_seed(0)
    model = Segmenter.of(UNet(1, 2, (8, 8)), ("pit", "scratch"), 1, CPU)
    for arm in ("real", "real+gan"):
        (folder / "arms" / arm / "model").mkdir(parents=True)
        model.save(folder / "arms" / arm / "model" / MODEL, {})
    return folder


class Eye:
    """Stands in for the feature network."""

    def __init__(self, device: torch.device) -> None: ...

    def look(self, image: np.ndarray, box: Box) -> np.ndarray:
        return np.array([image[box.slices].mean() / 255, image.std() / 255])


class Darkness:
    """A network that knows dark pits."""

    classes, channels = ("pit",), 1

    def predict(self, image: np.ndarray) -> np.ndarray:
        return (image[None, :, :, 0] < 100).astype(np.float32)


def painted(level: int) -> Picture:
    clean, mask = np.full((40, 40, 1), 150, np.uint8), np.zeros((40, 40), bool)
    mask[10:20, 10:20] = True
    return Picture("a.png", clean, np.where(mask[..., None], np.uint8(level), clean), 0, (), (mask, ~mask))


def test_paint_that_is_unlike_real_defects_is_not_known_again() -> None:
    dark, bright = (seen(Darkness(), painted(level)) for level in (60, 240))
    assert dark == [1, 0] and bright == [0, 0]
    assert known_again({"gan": dark, "paste": bright}).row()["detail"] == {"paste": 0}
    assert known_again({"gan": dark}).passed and known_again({"gan": bright}).passed is False
    assert known_again({"gan": [], "paste": dark}).passed is None


def test_a_cell_is_judged_as_a_whole(cell: Path, parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Eye", Eye)
    arms = ("real", "real+gan", "real+paste")
    found = judge_cell(cell, parts, None, "all", None, arms, CPU, 0)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    figures = {figure["name"]: figure for figure in found["integrity"]}
    assert set(figures) == {
        "paint outside the mask",
        "paint outside the mask (paste)",
        "fill",
        "contrast",
        "near-copies",
        "told by the rim",
        "clean over healed",
        "latent heard",
        "sham pastes",
        "known again",
    }
    assert figures["paint outside the mask"]["value"] == figures["paint outside the mask (paste)"]["value"] == 0
    assert figures["near-copies"]["detail"]["paste"] > 0.5
    assert set(figures["fill"]) == {"name", "value", "limit", "sense", "passed", "what", "detail"}
    assert list(found["sham"]) == ["real", "real+gan"] and found["notes"] == []
    rows = {(row["painter"], row["class"]) for row in found["distance"]}
    assert rows == {(painter, name) for painter in ("gan", "paste") for name in ("pit", "scratch")}
    bank = Bank.load(cell / "fit" / "bank.safetensors")
    for pair in found["gallery"]:
        nearest = bank.instances[pair["nearest"]["instance"]]
        assert (cell / pair["painted"]).exists() and bank.classes[nearest.defect] == pair["defect"]
        assert nearest.source == pair["nearest"]["image"] and -1 <= pair["nearest"]["similarity"] <= 1


def test_without_weights_there_is_a_note_and_no_distance(
    cell: Path, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(device: torch.device) -> Eye:
        raise UserError("ImageNet weights", "their package must be installed")

    monkeypatch.setattr(module, "Eye", missing)
    found = judge_cell(cell, parts, None, None, None, ("real+paste",), CPU, 0)
    assert found["distance"] == [] and "must be installed" in found["notes"][0] and found["gallery"] == []
    assert [figure["name"] for figure in found["integrity"]] == ["paint outside the mask (paste)", "sham pastes"]


def test_a_cell_without_painters_has_nothing_to_judge(parts: Path, tmp_path: Path) -> None:
    found = judge_cell(tmp_path, parts, None, 5, None, ("real",), CPU, 0)
    assert not any(found.values())


def test_a_set_in_which_nothing_could_be_painted_gives_nulls(
    cell: Path, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Eye", Eye)
    monkeypatch.setattr(module, "pictures", lambda *_: iter(()))
    found = judge_cell(cell, parts, None, None, None, ("real", "real+gan"), CPU, 0)
    values = {figure["name"]: figure["value"] for figure in found["integrity"]}
    assert {name for name, value in values.items() if value is not None} <= {"clean over healed", "sham pastes"}
    assert found["gallery"] == [] and all(row["kid"] is None for row in found["distance"])
