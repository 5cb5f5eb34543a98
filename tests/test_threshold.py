"""The classical threshold: what it means, what is fitted, what a person can read."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from skimage.filters import threshold_otsu, threshold_sauvola
from skimage.morphology import disk

from flawsmith.data.errors import UserError
from flawsmith.data.select import Selection
from flawsmith.data.sources import SOURCES
from flawsmith.segment.metrics import LEVELS
from flawsmith.segment.model import load_model
from flawsmith.segment.models.margins import SAUVOLA_K, SAUVOLA_R, SMOOTH, Base, margins, noise, tidied
from flawsmith.segment.models.threshold import SETTINGS, Setting, Threshold
from flawsmith.segment.models.threshold_fit import BASES, COARSE, best_level
from flawsmith.segment.train import TrainConfig, train

CPU = torch.device("cpu")


def _grey(seed: int = 0, size: tuple[int, int] = (60, 80)) -> np.ndarray:
    """A part with a light slope, grain, a dark disc and a bright one."""
    y, x = np.ogrid[: size[0], : size[1]]
    values = 0.4 + 0.003 * x + np.random.default_rng(seed).normal(0, 0.01, size)
    values[(y - 20) ** 2 + (x - 20) ** 2 < 25] -= 0.2
    values[(y - 40) ** 2 + (x - 60) ** 2 < 25] += 0.2
    return values.astype(np.float32)


def _fit(selection: Selection, output: Path, **changed: Any) -> list[dict[str, Any]]:
    return list(train(selection, changed.pop("synthetic", ()), TrainConfig(model="threshold"), output, 0, CPU))


def test_margins_are_above_0_where_the_threshold_of_scikit_image_is_passed() -> None:
    grey = _grey()
    smooth = ndimage.gaussian_filter(grey, SMOOTH, mode="reflect")
    otsu = margins(grey, Base("otsu"))
    assert np.array_equal(otsu["bright"] > 0, smooth > threshold_otsu(smooth))
    sauvola = margins(grey, Base("sauvola", 15))
    assert np.array_equal(sauvola["dark"] > 0, smooth < threshold_sauvola(smooth, 15, SAUVOLA_K, SAUVOLA_R))
    bright = threshold_sauvola(1 - smooth, 15, SAUVOLA_K, SAUVOLA_R)
    assert ((sauvola["bright"] > 0) == (1 - smooth < bright)).mean() > 0.999


@pytest.mark.parametrize("base", BASES, ids=str)
def test_dark_and_bright_are_each_other_of_the_negative(base: Base) -> None:
    grey = _grey()
    one, other = margins(grey, base), margins(1 - grey, base)
    assert np.allclose(one["dark"], other["bright"], atol=0.3 if base.method == "otsu" else 0.02)
    assert np.array_equal(one["either"], np.maximum(one["dark"], one["bright"]))


@pytest.mark.parametrize("method", ["median", "gaussian"])
def test_the_background_follows_the_light(method: Any) -> None:
    found = margins(_grey(), Base(method, 45))
    assert found["dark"][20, 20] > 5 and found["bright"][40, 60] > 5
    away = np.ones((60, 80), bool)
    away[10:31, 10:31] = away[30:51, 50:71] = False
    assert np.abs(found["bright"][away]).mean() < 2


@pytest.mark.parametrize("base", BASES, ids=str)
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (5, 7), (100, 3)])
def test_any_size_and_one_colour_are_no_error(base: Base, size: tuple[int, int]) -> None:
    flat = margins(np.full(size, 0.5, np.float32), base)
    assert all(values.shape == size and np.isfinite(values).all() for values in flat.values())


def test_noise_is_the_standard_deviation_whatever_the_defects() -> None:
    values = np.random.default_rng(0).normal(0, 0.03, (200, 200)).astype(np.float32)
    values[:20, :20] += 5
    assert noise(values) == pytest.approx(0.03, rel=0.05)


def test_tidying_is_binary_morphology_at_every_threshold() -> None:
    margin = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=(40, 50)), 1).astype(np.float32)
    opened, closed = tidied(margin, 1, 0), tidied(margin, 0, 2)
    for level in (-0.3, 0.0, 0.2, 0.5):
        inside = (slice(6, -6),) * 2  # scipy's binary and grey borders differ
        assert np.array_equal((opened > level)[inside], ndimage.binary_opening(margin > level, disk(1))[inside])
        assert np.array_equal((closed > level)[inside], ndimage.binary_closing(margin > level, disk(2))[inside])
    assert np.array_equal(tidied(margin, 0, 0), margin)


@given(st.floats(0.01, 100), st.floats(0, 1000), st.floats(0, 1000))
def test_scores_rise_with_the_margin_and_are_half_at_the_level(level: float, one: float, two: float) -> None:
    setting = Setting(Base("otsu"), "dark", level)
    low, high, at, under = setting.score(np.array([min(one, two), max(one, two), level, -one], np.float32))
    assert 0 <= low <= high <= 1 and at == pytest.approx(0.5) and under == 0


def test_the_level_is_that_of_the_best_dice() -> None:
    inside, outside = np.zeros(LEVELS), np.zeros(LEVELS)
    inside[[40000, 50000]], outside[[10000, 30000, 45000]] = (10, 10), (500, 100, 2)
    level, dice = best_level(inside, outside)
    assert dice == pytest.approx(40 / 42)
    assert 30000 < level / (level + COARSE) * (LEVELS - 1) <= 40000 + 1e-6


def test_it_finds_polarity_and_says_what_it_chose(selection: Selection, tmp_path: Path) -> None:
    events = _fit(selection, tmp_path / "model")
    notes = [event["note"] for event in events if "note" in event]
    assert len(notes) == 2 and notes[0].startswith("pit: darker than") and notes[1].startswith("scratch: brighter than")
    assert all("times the noise" in note and "pixel AP" in note and "training images" in note for note in notes)
    assert [event["step"] for event in events] == list(range(1, len(events) + 1))
    content = json.loads((tmp_path / "model" / SETTINGS).read_text())
    assert content["kind"] == "threshold" and [one["polarity"] for one in content["settings"]] == ["dark", "bright"]
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [SETTINGS, SOURCES]


def test_only_training_images_are_looked_at(selection: Selection, tmp_path: Path) -> None:
    """What is not in the selection changes nothing: the same settings whatever the rest of the data set is."""
    fewer = replace(selection, defects=selection.defects[1:-1])
    alone = replace(fewer, dataset=replace(selection.dataset, records=(*fewer.defects, *fewer.good)))
    _fit(fewer, tmp_path / "a")
    _fit(alone, tmp_path / "b")
    assert (tmp_path / "a" / SETTINGS).read_bytes() == (tmp_path / "b" / SETTINGS).read_bytes()


def test_a_class_that_no_image_shows_gets_a_setting(selection: Selection, tmp_path: Path) -> None:
    pits = replace(selection, defects=tuple(one for one in selection.defects if one.defects == ("pit",)))
    _fit(pits, tmp_path / "model")
    maps = load_model(tmp_path / "model", CPU).predict(np.zeros((20, 20, 1), np.uint8))
    assert maps.shape == (2, 20, 20) and not maps.any()


@pytest.mark.parametrize(
    "damage",
    [
        {"classes": ["pit", "scratch", "more"]},
        {"settings": [{"base": {"method": "magic", "window": 3}}]},
        {"settings": None},
        {"settings": [{}]},
    ],
)
def test_damaged_settings_are_one_line(damage: dict[str, Any], tmp_path: Path) -> None:
    setting = Setting(Base("median", 15), "dark", 3.0)
    Threshold(("pit",), (setting,)).save(tmp_path / SETTINGS, {})
    assert load_model(tmp_path, CPU) == Threshold(("pit",), (setting,))
    content = json.loads((tmp_path / SETTINGS).read_text())
    (tmp_path / SETTINGS).write_text(json.dumps({**content, **damage}))
    with pytest.raises(UserError, match="cannot be read"):
        load_model(tmp_path, CPU)


def test_another_json_is_no_model(tmp_path: Path) -> None:
    for text in ("[]", "{}", '{"kind": "threshold", "format": 2}'):
        (tmp_path / SETTINGS).write_text(text)
        with pytest.raises(UserError, match="must be the settings of a threshold"):
            load_model(tmp_path, CPU)
