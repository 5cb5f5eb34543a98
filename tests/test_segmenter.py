"""The segmenter on disk and on images of every kind."""

from pathlib import Path

import numpy as np
import pytest
import torch

from flawsmith.data.checkpoint import save
from flawsmith.data.errors import UserError
from flawsmith.segment import segmenter as module
from flawsmith.segment.segmenter import MODEL, Segmenter, tiles
from flawsmith.segment.unet import UNet

WIDTHS = (8, 8)


@pytest.fixture
def segmenter() -> Segmenter:
    torch.manual_seed(3)
    return Segmenter.of(UNet(1, 2, WIDTHS), ("pit", "scratch"), 1, torch.device("cpu"))


def _image(height: int, width: int, channels: int = 1, dtype: type = np.uint8) -> np.ndarray:
    top = np.iinfo(dtype).max
    return np.random.default_rng(0).integers(0, top, (height, width, channels), endpoint=True).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_probabilities_at_native_size(segmenter: Segmenter, channels: int, dtype: type) -> None:
    maps = segmenter.predict(_image(33, 47, channels, dtype))
    assert maps.shape == (2, 33, 47) and maps.dtype == np.float32
    assert maps.min() >= 0 and maps.max() <= 1


def test_saved_and_loaded_it_predicts_the_same(segmenter: Segmenter, tmp_path: Path) -> None:
    segmenter.save(tmp_path / MODEL, {"seed": 1})
    image = _image(40, 40)
    for path in (tmp_path, tmp_path / MODEL):
        again = Segmenter.load(path)
        assert again.classes == segmenter.classes and again.channels == 1
        assert np.array_equal(again.predict(image), segmenter.predict(image))


def test_tiles_cover_everything_once() -> None:
    for size in (1, 1024, 1025, 3000):
        covered = [row for inner, _ in tiles(size) for row in range(size)[inner]]
        assert covered == list(range(size))
        assert all(outer.start <= inner.start and inner.stop <= outer.stop for inner, outer in tiles(size))


def test_tiles_agree_with_the_whole(segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    image = _image(150, 130)
    whole = segmenter.predict(image)
    monkeypatch.setattr(module, "TILE", 64)
    monkeypatch.setattr(module, "OVERLAP", 32)
    assert np.abs(segmenter.predict(image) - whole).max() < 0.02


def test_what_is_no_segmenter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        Segmenter.load(tmp_path)
    save(tmp_path / MODEL, {"weight": torch.zeros(2)}, {"kind": "painter"})
    with pytest.raises(UserError, match="must be the model of a segmenter; found painter"):
        Segmenter.load(tmp_path)
    (tmp_path / MODEL).write_bytes(b"\x80\x04pickle")
    with pytest.raises(UserError, match="cannot be read"):
        Segmenter.load(tmp_path)


def test_weights_of_another_network_are_refused(segmenter: Segmenter, tmp_path: Path) -> None:
    segmenter.save(tmp_path / MODEL, {})
    network = {"network": "small", "widths": list(WIDTHS)}
    config = {"kind": "segmenter", "classes": ["pit"], "channels": 1, "recipe": {}, **network}
    save(tmp_path / MODEL, segmenter.network.state_dict(), config)
    with pytest.raises(UserError, match="in this network"):
        Segmenter.load(tmp_path)
