"""How much smaller parts are seen: as their real defects ask for, losslessly kept, by every model and export alike."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from explained import network, part, square
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from skimage.transform import downscale_local_mean

from flawsmith.cli import main
from flawsmith.data.checkpoint import config_of
from flawsmith.data.checkpoint import load as load_checkpoint
from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.image import write_image, write_mask
from flawsmith.data.record import Label, Record
from flawsmith.data.sample import Sample
from flawsmith.segment import segmenter as module
from flawsmith.segment.batches import Pool
from flawsmith.segment.explain.gradcam import grad_cam
from flawsmith.segment.explain.tap import layer_of
from flawsmith.segment.explain.view import GRID, REACH, view
from flawsmith.segment.look import maps_of
from flawsmith.segment.model import shrink_of
from flawsmith.segment.network import make_network
from flawsmith.segment.pair import PairUNet
from flawsmith.segment.reduced import pad_to, reduce
from flawsmith.segment.segmenter import MODEL, Segmenter
from flawsmith.segment.shrink import SHRINKS, shrink_for, smaller, width
from flawsmith.segment.tiles import Tiling
from flawsmith.segment.train import SMALLER, TrainConfig, make_batches, shrunk_as_defects_are, train

CPU, CLASSES, PATCH = torch.device("cpu"), ("pit", "scratch"), 32


def _record(folder: Path, name: str, masks: dict[str, np.ndarray]) -> Record:
    """An image whose masks are white."""
    shape = next(iter(masks.values())).shape
    image = np.full(shape, 90, np.uint8)
    labels = []
    for defect, mask in masks.items():
        write_mask(folder / f"{name}-{defect}.png", mask)
        labels.append(Label(defect, folder / f"{name}-{defect}.png"))
        image[mask] = 230
    write_image(folder / f"{name}.png", image[..., None])
    return Record(f"{name}.png", folder / f"{name}.png", name, tuple(labels))


def _disc(size: int, diameter: float) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - size / 2
    return np.asarray(np.hypot(y, x) <= diameter / 2)


def _line(size: int, thick: int) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[size // 2 : size // 2 + thick, 4:-4] = True
    return mask


@pytest.mark.parametrize(
    ("diameter", "shrink"), [(3, 1), (20, 1), (44, 1), (56, 1), (90, 2), (190, 4), (380, 8), (700, 8)]
)
def test_a_part_is_seen_as_much_smaller_as_its_defects_are_wide(diameter: int, shrink: int, tmp_path: Path) -> None:
    records = [_record(tmp_path, "a", {"pit": _disc(800, diameter)})]
    assert shrink_for(records, CLASSES, PATCH) == shrink


def test_thin_defects_are_not_lost_for_wide_ones(tmp_path: Path) -> None:
    wide = [_record(tmp_path, f"w{i}", {"pit": _disc(400, 130)}) for i in range(3)]
    thin = [_record(tmp_path, f"t{i}", {"scratch": _line(400, 3)}) for i in range(3)]
    assert shrink_for(wide, CLASSES, PATCH) == shrink_for(wide * 5, CLASSES, PATCH) == 4
    assert shrink_for(thin, CLASSES, PATCH) == 1
    assert shrink_for(wide + thin, CLASSES, PATCH) == 2
    assert shrink_for(wide * 9 + thin, CLASSES, PATCH) == 2, "each class counts the same"


def test_no_part_becomes_smaller_than_a_patch(tmp_path: Path) -> None:
    records = [_record(tmp_path, "a", {"pit": _disc(400, 390)})]
    assert [shrink_for(records, CLASSES, patch) for patch in (32, 100, 200, 201, 401)] == [8, 4, 2, 1, 1]


def test_without_defects_nothing_is_shrunk() -> None:
    assert shrink_for((), CLASSES, PATCH) == 1


def test_a_width_is_that_of_the_largest_disc_inside() -> None:
    assert width(_disc(100, 41)) == pytest.approx(41, abs=2)
    assert width(_line(100, 6)) == pytest.approx(6, abs=1)
    assert width(np.ones((20, 90), bool)) == pytest.approx(20, abs=1.01), "also at the image's border"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_smaller_images_are_means(dtype: Any) -> None:
    image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (24, 40, 3), endpoint=True).astype(dtype)
    small = smaller(Sample(image, np.zeros((1, 24, 40), bool)), 4)
    assert small.image.dtype == dtype and small.masks.shape == (1, 6, 10)
    np.testing.assert_allclose(small.image, downscale_local_mean(image, (4, 4, 1)), atol=0.51)


def test_a_sample_as_it_is_stays_the_same() -> None:
    sample = Sample(np.zeros((5, 7, 1), np.uint8), np.zeros((2, 5, 7), bool))
    assert smaller(sample, 1) is sample


@given(st.integers(0, 2**31), st.sampled_from(SHRINKS[1:]), st.integers(1, 40), st.integers(1, 40))
def test_no_piece_of_a_mask_is_lost_and_none_appears(seed: int, shrink: int, height: int, width: int) -> None:
    random = np.random.default_rng(seed)
    mask = random.random((height, width)) < random.choice([0.01, 0.1, 0.5])
    (small,) = smaller(Sample(np.zeros((height, width, 1), np.uint8), mask[None]), shrink).masks
    assert small.shape == (-(-height // shrink), -(-width // shrink))
    padded = np.pad(mask, ((0, -height % shrink), (0, -width % shrink)), mode="symmetric")
    covered = padded.reshape(small.shape[0], shrink, small.shape[1], shrink).any((1, 3))
    pieces, count = ndimage.label(covered, np.ones((3, 3)))
    assert not (small & ~covered).any() and set(pieces[small]) == set(range(1, count + 1))


def _lively(name: str) -> Any:
    """A network whose probabilities differ."""
    torch.manual_seed(0)
    network = make_network(name, 1, len(CLASSES)).eval()
    for member in network.members.values() if isinstance(network, PairUNet) else (network,):
        member.head.weight.data *= 30
        member.head.bias.data += 4
    return network


@pytest.mark.parametrize("name", ["pair", "pretrained", "small", "fast"])
@pytest.mark.parametrize("size", [(64, 64), (131, 77), (1, 1), (200, 90)])
def test_a_reduced_network_is_itself_on_what_is_smaller(name: str, size: tuple[int, int]) -> None:
    network = _lively(name)
    x = torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        small = F.avg_pool2d(pad_to(x, 4 * network.stride), 4)
        parts = network.members.values() if isinstance(network, PairUNet) else (network,)
        large = [F.interpolate(one(small), scale_factor=4.0, mode="bilinear").sigmoid() for one in parts]
        reduce(network, 4)
        found = network(x).sigmoid()
    assert network.shrink == 4 and found.shape == (2, 2, *size)
    np.testing.assert_allclose(found, torch.stack(large).mean(0)[..., : size[0], : size[1]], atol=1e-5)
    assert size == (1, 1) or found.std() > 0.01


def test_a_file_keeps_how_much_smaller(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (90, 70, 1)).astype(np.uint8)
    network = _lively("fast")
    plain = Segmenter.of(network, CLASSES, 1, CPU).predict(image)
    reduce(network, 2)
    written = Segmenter.of(network, CLASSES, 1, CPU)
    written.save(tmp_path / MODEL, {})
    loaded = Segmenter.load(tmp_path)
    assert shrink_of(loaded) == shrink_of(written) == 2
    np.testing.assert_array_equal(loaded.predict(image), written.predict(image))
    assert abs(loaded.predict(image) - plain).max() > 0.01


def test_tiles_reach_as_far_as_the_network_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    network = _lively("small")
    reduce(network, 4)
    model, image = Segmenter.of(network, CLASSES, 1, CPU), np.random.default_rng(0).integers(0, 255, (1100, 300, 1))
    image = image.astype(np.uint8)
    whole = model.predict(image)
    tiled = maps_of(model, image, Tiling(size=256, margin=64, ramp=0))
    np.testing.assert_allclose(tiled, whole, atol=2e-2)  # bfloat16, where the processor has it
    near = maps_of(_Plain(model), image, Tiling(size=256, margin=64, ramp=0))
    assert abs(near - whole).max() > 2 * abs(tiled - whole).max(), "with the margin of a plain one seams show"
    monkeypatch.setattr(module, "TILE", 64)
    monkeypatch.setattr(module, "OVERLAP", 64)
    np.testing.assert_allclose(model.predict(image), whole, atol=2e-2)


@dataclasses.dataclass
class _Plain:
    """A model that does not say how much smaller it sees."""

    model: Segmenter
    classes: Sequence[str] = CLASSES
    channels: int = 1

    def predict(self, image: np.ndarray) -> np.ndarray:
        return self.model.predict(image)


class _Selected:
    """What training asks of a selection."""

    def __init__(self, defects: Sequence[Record], good: Sequence[Record]) -> None:
        self.defects, self.good, self.classes = tuple(defects), tuple(good), ("pit",)


TINY = TrainConfig(steps=2, batch=4, patch=PATCH, model="small", widths=(8, 8))


@pytest.fixture
def wide(tmp_path: Path) -> _Selected:
    good = _record(tmp_path, "good", {"pit": np.zeros((160, 160), bool)})
    defects = [_record(tmp_path, f"{i}", {"pit": _disc(160, 130)}) for i in range(2)]
    return _Selected(defects, [dataclasses.replace(good, labels=())])


def test_training_sees_parts_smaller_where_defects_are_wide(wide: Any, tmp_path: Path) -> None:
    events = list(train(wide, (), TINY, tmp_path / "model", 0, CPU))
    assert events[0] == {"step": 0, "steps": 2, "note": SMALLER.format(4)}
    loaded = Segmenter.load(tmp_path / "model")
    assert shrink_of(loaded) == 4 and loaded.predict(np.zeros((50, 41, 1), np.uint8)).shape == (1, 50, 41)
    batches = make_batches(wide, (), TINY, 0)
    assert batches.real.sample(0).image.shape == (40, 40, 1) and batches.batch(0)[0].shape[-1] == PATCH
    assert batches.good.sample(0).masks.shape == (1, 40, 40)


def test_who_asks_is_obeyed(wide: Any, tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, shrink=1)
    events = list(train(wide, (), config, tmp_path / "model", 0, CPU))
    assert not any("note" in event for event in events) and shrink_of(Segmenter.load(tmp_path / "model")) == 1
    assert shrunk_as_defects_are(dataclasses.replace(TINY, shrink=2), wide, ()) == 2


def test_painted_defects_decide_where_there_are_no_real_ones(wide: Any, tmp_path: Path) -> None:
    thin = _record(tmp_path, "thin", {"pit": _line(160, 4)})
    assert shrunk_as_defects_are(TINY, wide, [thin]) == 4
    assert shrunk_as_defects_are(TINY, _Selected((), wide.good), [thin]) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("model", ["classifier", "maskrcnn:resnet18", "threshold"])
def test_only_networks_of_maps_see_smaller_parts(model: str, wide: Any) -> None:
    config = dataclasses.replace(TINY, model=model, widths=())
    assert shrunk_as_defects_are(config, wide, ()) == 1
    with pytest.raises(UsageError, match="--shrink"):
        dataclasses.replace(config, shrink=2)


def test_the_option_offers_what_there_is() -> None:
    (option,) = (one for one in main.commands["train"].params if one.name == "shrink")
    assert isinstance(option.type, click.Choice) and [int(one) for one in option.type.choices] == list(SHRINKS)


def test_a_file_is_asked_without_its_tensors(tmp_path: Path) -> None:
    network = _lively("fast")
    reduce(network, 8)
    Segmenter.of(network, CLASSES, 1, CPU).save(tmp_path / MODEL, {"seed": 3})
    assert config_of(tmp_path / MODEL) == load_checkpoint(tmp_path / MODEL)[1]
    assert config_of(tmp_path / MODEL)["shrink"] == 8
    (tmp_path / MODEL).write_bytes(b"nothing")
    with pytest.raises(UserError, match="cannot be read"):
        config_of(tmp_path / MODEL)


def test_other_numbers_are_refused() -> None:
    with pytest.raises(UsageError, match="--shrink: is one of 1, 2, 4, 8"):
        TrainConfig(shrink=3)


def test_a_pool_keeps_what_is_smaller(wide: Any) -> None:
    size = wide.defects[0].image.stat().st_size and 40 * 40 * 2
    pool = Pool(wide.defects, CLASSES[:1], room=size, shrink=4)
    assert pool.sample(0) is pool.sample(0) and pool.room == 0


def test_an_export_sees_the_same(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from flawsmith.segment.export import Original, export
    from flawsmith.segment.onnx_model import OnnxModel

    network = _lively("small")
    reduce(network, 2)
    Segmenter.of(network, CLASSES, 1, CPU).save(tmp_path / MODEL, {})
    list(export(tmp_path, tmp_path / "model.onnx"))
    copy = OnnxModel.load(tmp_path / "model.onnx")
    assert copy.shrink == 2
    for size in ((64, 64), (33, 47), (1, 1), (129, 70)):
        image = np.random.default_rng(0).integers(0, 255, (*size, 1)).astype(np.uint8)
        wanted = Original(network, CLASSES, 1, 2).predict(image)
        np.testing.assert_allclose(copy.predict(image), wanted, atol=1e-4)


def test_an_explanation_looks_as_far_as_the_network() -> None:
    model, image = network("small"), part(1600, 200)
    reduce(model.network, 4)
    seen = view(model, image, square(797, 93, 9), 1)
    assert seen.size[0] > 4 * 2 * REACH and seen.window.top % (4 * GRID) == 0
    whole, found = model.predict(image)[1], model.predict(seen.image)[1]
    near = seen.window.slices
    np.testing.assert_allclose(found[seen.mask], whole[near][seen.mask], atol=1e-2)  # bfloat16
    layer = layer_of(model, None)
    assert layer is not None
    cam = grad_cam(model, layer, seen)
    assert cam is not None and cam.heat.shape == seen.size and cam.heat.max() == pytest.approx(1)
