"""Every model runs through the same tests: it learns, it is the same when loaded, it takes any image."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from flawsmith.data.checkpoint import save
from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.image import read_image
from flawsmith.data.sample import load
from flawsmith.data.select import Selection
from flawsmith.segment.evaluate import evaluate
from flawsmith.segment.metrics import PIXEL_SCORES
from flawsmith.segment.model import Model, load_model
from flawsmith.segment.models.choose import family_of, is_trained
from flawsmith.segment.models.maskrcnn import MaskRCNNNet
from flawsmith.segment.models.objects import Finder, Grader, Object, drawn
from flawsmith.segment.models.targets import targets
from flawsmith.segment.models.threshold import SETTINGS
from flawsmith.segment.segmenter import MODEL, Segmenter
from flawsmith.segment.tiles import Tiling
from flawsmith.segment.train import TrainConfig, train

CPU = torch.device("cpu")
TINY: dict[str, dict[str, Any]] = {
    "pair": {"steps": 15, "lr": 1e-2},
    "pretrained": {"steps": 15, "lr": 1e-2},
    "small": {"steps": 60, "lr": 1e-2, "widths": (8, 16)},
    "smp:resnet18": {"steps": 15, "lr": 1e-2},
    "maskrcnn:resnet18": {"steps": 40, "lr": 3e-3},
    "classifier": {"steps": 15, "lr": 1e-2},
    "threshold": {},
}
PACKAGES = {"smp:resnet18": "segmentation_models_pytorch", "maskrcnn:resnet18": "faster_coco_eval"}


def _needs(name: str) -> str:
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name])
    return name


def _config(name: str) -> TrainConfig:
    return TrainConfig(model=name, **{"batch": 4, "patch": 64, "average": 0.8, "mine_at": 0.0, **TINY[name]})


def _train(name: str, selection: Selection, output: Path, synthetic: Any = (), **changed: Any) -> list[dict[str, Any]]:
    return list(train(selection, synthetic, replace(_config(name), **changed), output, 0, CPU))


@pytest.fixture(scope="module")
def four(selection: Selection) -> Selection:
    """Two pits and two scratches, and two good parts."""
    defects = tuple(one for kind in ("pit", "scratch") for one in selection.defects if one.defects == (kind,))
    return replace(selection, defects=(*defects[:2], *defects[-2:]), good=selection.good[:2])


@pytest.fixture(scope="module", params=TINY)
def trained(request: pytest.FixtureRequest, four: Selection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of each model, trained on four images."""
    name = _needs(request.param)
    folder = tmp_path_factory.mktemp("models") / name.replace(":", "-")
    _train(name, four, folder)
    return folder


@pytest.fixture
def model(trained: Path) -> Model:
    return load_model(trained, CPU)


def _image(size: tuple[int, int], channels: int, dtype: type) -> np.ndarray:
    values = np.random.default_rng(0).normal(0.5, 0.05, (*size, channels)).clip(0, 1)
    return (values * np.iinfo(dtype).max).astype(dtype)


def test_it_learns_four_images(model: Model, four: Selection, tmp_path: Path) -> None:
    *_, last = evaluate(model, four.defects + four.good, tmp_path / "eval")
    metrics = last["metrics"]
    if isinstance(model, Grader):
        assert metrics["overall"]["image_auroc"] > 0.9 and metrics["accuracy"]["all"] > 0.8
    else:
        assert metrics["overall"]["pixel_ap"] > 0.3  # chance: 0.01


def test_metrics_are_those_that_the_model_can_have(model: Model, four: Selection, tmp_path: Path) -> None:
    *_, last = evaluate(model, four.defects + four.good, tmp_path / "eval")
    metrics = last["metrics"]
    assert json.loads((tmp_path / "eval" / "metrics.json").read_text()) == metrics
    assert ("instances" in metrics) == isinstance(model, Finder)
    assert ("accuracy" in metrics) == isinstance(model, Grader)
    for scores in (metrics["overall"], *metrics["per_class"].values()):
        assert all((scores[name] is None) == isinstance(model, Grader) for name in PIXEL_SCORES)
        assert scores["image_auroc"] is not None


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_any_image_has_a_map_of_each_class(model: Model, channels: int, dtype: type) -> None:
    maps = model.predict(_image((41, 70), channels, dtype))
    assert maps.shape == (2, 41, 70) and maps.dtype == np.float32
    assert maps.min() >= 0 and maps.max() <= 1 and model.classes == ("pit", "scratch")


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (96, 112)])
def test_an_image_of_one_colour_is_no_error(model: Model, size: tuple[int, int]) -> None:
    maps = model.predict(np.full((*size, 1), 90, np.uint8))
    assert maps.shape == (2, *size) and np.isfinite(maps).all()


def test_grey_is_the_same_in_three_channels(model: Model, four: Selection) -> None:
    grey = read_image(four.defects[0].image)[..., :1]
    assert np.allclose(model.predict(grey), model.predict(np.repeat(grey, 3, 2)), atol=1e-2)


def test_sixteen_bits_are_the_same_picture(model: Model, four: Selection) -> None:
    image = read_image(four.defects[0].image)
    assert np.allclose(model.predict(image), model.predict(image.astype(np.uint16) * 257), atol=1e-2)


def test_saved_and_loaded_it_predicts_the_same(model: Model, four: Selection, tmp_path: Path) -> None:
    file = tmp_path / (SETTINGS if not hasattr(model, "network") else MODEL)
    model.save(file, {"seed": 1})  # type: ignore[attr-defined]
    image = read_image(four.defects[0].image)
    for path in (tmp_path, file):
        again = load_model(path, CPU)
        assert type(again) is type(model) and (again.classes, again.channels) == (model.classes, model.channels)
        assert np.array_equal(again.predict(image), model.predict(image))


def test_a_model_of_other_channels_is_refused(trained: Path, tmp_path: Path) -> None:
    if (trained / SETTINGS).exists():
        pytest.skip("sees grey, always")
    from flawsmith.data.checkpoint import load as load_checkpoint

    tensors, config = load_checkpoint(trained / MODEL)
    save(tmp_path / MODEL, tensors, {**config, "channels": 4})
    with pytest.raises(UserError, match=r"1 channel or 3; found 4"):
        load_model(tmp_path, CPU)


def test_a_network_with_other_weights_is_refused(trained: Path, tmp_path: Path) -> None:
    if (trained / SETTINGS).exists():
        pytest.skip("has none")
    from flawsmith.data.checkpoint import load as load_checkpoint

    tensors, config = load_checkpoint(trained / MODEL)
    save(tmp_path / MODEL, tensors, {**config, "classes": ["pit"]})
    with pytest.raises(UserError, match="in this network"):
        load_model(tmp_path, CPU)


@pytest.mark.parametrize("name", TINY)
def test_painted_images_alone_are_enough(name: str, four: Selection, tmp_path: Path) -> None:
    bare = replace(four, defects=())
    fewer = {} if name == "threshold" else {"steps": 1}
    _train(_needs(name), bare, tmp_path / "model", four.defects, **fewer)
    assert is_trained(tmp_path / "model")
    with pytest.raises(UserError, match="at least one image with a defect"):
        _train(name, bare, tmp_path / "none")


@pytest.mark.parametrize("name", TINY)
def test_the_same_seed_gives_the_same_model(name: str, four: Selection, tmp_path: Path) -> None:
    fewer = {} if name == "threshold" else {"steps": 2}
    image = read_image(four.defects[0].image)
    found = []
    for folder in ("a", "b"):
        torch.manual_seed(len(folder))  # whatever else the program draws
        _train(_needs(name), four, tmp_path / folder, **fewer)
        found.append(load_model(tmp_path / folder, CPU).predict(image))
    assert np.array_equal(*found)


@pytest.mark.parametrize("name", ["large", "smp:", "smp:ENCODER", "maskrcnn:vgg", "maskrcnn", "classifier:x", ""])
def test_an_unknown_model_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="a model is one of pair, pretrained, small"):
        TrainConfig(model=name)


@pytest.mark.parametrize("name", ["pretrained", "small", "classifier"])
def test_weights_of_a_model_that_takes_none_are_refused(name: str, four: Selection, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--weights"):
        family_of(name).start(TrainConfig(model=name, weights="imagenet"), 1, 2)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        load_model(tmp_path, CPU)
    save(tmp_path / MODEL, {"weight": torch.zeros(2)}, {"kind": "painter"})
    with pytest.raises(UserError, match="found painter"):
        load_model(tmp_path, CPU)


def test_a_segmenter_is_no_other_model(four: Selection, tmp_path: Path) -> None:
    _train("classifier", four, tmp_path / "model", steps=1)
    with pytest.raises(UserError, match="must be the model of a segmenter; found classifier"):
        Segmenter.load(tmp_path / "model")


def test_a_checkpoint_without_the_word_model_is_read(four: Selection, tmp_path: Path) -> None:
    """The networks of this package are stored as they always were."""
    _train("small", four, tmp_path / "model", steps=1)
    from flawsmith.data.checkpoint import load as load_checkpoint

    _, config = load_checkpoint(tmp_path / "model" / MODEL)
    assert config["kind"] == "segmenter" and config["network"] == "small"


def test_objects_of_tiles_are_those_of_the_whole(model: Model, four: Selection) -> None:
    """Mask R-CNN sees farther than a tile's margin: masks may differ a little, but none is cut or doubled."""
    if not isinstance(model, Finder):
        pytest.skip("gives maps")
    image = np.tile(read_image(four.defects[0].image), (2, 3, 1))  # 192 × 336 px
    whole, tiled = (
        [drawn([one], 2, 192, 336) >= 0.5 * one.score for one in model.find(image, tiling) if one.score > 0.3]
        for tiling in (Tiling(), Tiling(size=160, margin=32, ramp=0))
    )
    assert len(whole) >= 6  # one in each copy, at least
    shares = np.array([[(a & b).sum() / (a | b).sum() for b in tiled] for a in whole])
    assert (shares > 0.5).sum(1).mean() == pytest.approx(1, abs=0.2)


def test_targets_are_the_objects_of_the_masks() -> None:
    truth = torch.zeros(3, 2, 16, 20)
    truth[0, 0, 2:5, 3:9] = 1
    truth[0, 1, 10, 10] = 1  # a single pixel
    truth[0, 1, 0, 0] = truth[0, 1, 1, 1] = 1  # corners connect
    truth[1, 0, :, :] = 1
    one, whole, none = targets(truth)
    assert one["boxes"].tolist() == [[3, 2, 9, 5], [0, 0, 2, 2], [10, 10, 11, 11]]
    assert one["labels"].tolist() == [1, 2, 2] and one["masks"].flatten(1).sum(1).tolist() == [18, 2, 1]
    assert whole["boxes"].tolist() == [[0, 0, 20, 16]]
    assert none["boxes"].shape == (0, 4) and none["masks"].shape == (0, 16, 20) and none["labels"].shape == (0,)


def test_good_images_and_single_pixels_give_a_finite_loss() -> None:
    torch.manual_seed(0)
    network = MaskRCNNNet("resnet18", 2).train()
    truth = torch.zeros(3, 2, 32, 32)
    assert network.loss(torch.rand(3, 1, 32, 32), truth).isfinite()
    truth[1, 1, 31, 31] = 1
    loss = network.loss(torch.rand(3, 1, 32, 32), truth)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.isfinite()


def test_what_mask_rcnn_sees_does_not_depend_on_the_image_before() -> None:
    torch.manual_seed(0)
    network = MaskRCNNNet("resnet18", 1).eval()
    fresh = copy.deepcopy(network)
    with torch.inference_mode():
        network(torch.rand(1, 1, 33, 40))
        small, alone = (one(torch.linspace(0, 1, 96 * 96).view(1, 1, 96, 96))[0] for one in (network, fresh))
    assert len(alone) > 3 and [one.score for one in small] == [one.score for one in alone]


def test_nothing_found_is_an_empty_map() -> None:
    assert not drawn((), 2, 5, 7).any()


def test_the_highest_object_counts_where_several_lie() -> None:
    soft = np.full((2, 2), 0.5, np.float32)
    maps = drawn([Object(1, 0.8, 1, 1, soft), Object(1, 0.2, 2, 2, soft)], 2, 4, 5)
    assert not maps[0].any() and maps[1, 1, 1] == pytest.approx(0.4) and maps[1, 2, 2] == pytest.approx(0.4)
    assert maps[1, 3, 3] == pytest.approx(0.1) and maps[1, 0, 0] == 0


def test_a_broken_image_file_is_a_line_in_grading(four: Selection, tmp_path: Path) -> None:
    from flawsmith.data.errors import PartlyDone
    from flawsmith.segment.grades import grade_images
    from flawsmith.segment.places import Sources

    _train("classifier", four, tmp_path / "model", steps=1)
    (tmp_path / "in").mkdir()
    Image.fromarray(load(four.good[0], ()).image[..., 0]).save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").write_bytes(b"no image")
    grader: Any = load_model(tmp_path / "model", CPU)
    with pytest.raises(PartlyDone, match="1 of 2 images could not be read"):
        list(grade_images(grader, Sources.of([tmp_path / "in"]), tmp_path / "out", 0.5))
    lines = (tmp_path / "out" / "predictions.csv").read_text().splitlines()
    assert lines[0] == "image,score,defect,pit probability,scratch probability" and len(lines) == 2
