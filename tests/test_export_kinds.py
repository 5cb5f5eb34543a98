"""Exports of models that are no segmenters: the same grades, the same objects, at every size, or no file at all."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from flawsmith.cli import main
from flawsmith.data.errors import UsageError, UserError
from flawsmith.segment import export_kinds as module
from flawsmith.segment.export import export, form_of
from flawsmith.segment.model import load_model
from flawsmith.segment.models.classifier import Classifier
from flawsmith.segment.models.detector import Detector
from flawsmith.segment.models.margins import Base
from flawsmith.segment.models.maskrcnn import MaskRCNNNet
from flawsmith.segment.models.objects import Object
from flawsmith.segment.models.patch_net import PatchNet
from flawsmith.segment.models.threshold import SETTINGS, Setting, Threshold
from flawsmith.segment.onnx_kinds import OnnxClassifier, OnnxDetector, load_onnx
from flawsmith.segment.probes import Probes
from flawsmith.segment.segmenter import MODEL
from flawsmith.segment.tiles import Tiling

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

CLASSES, CPU = ("pit", "scratch"), torch.device("cpu")
SIZES = [(64, 64), (33, 200), (150, 97), (1, 1), (7, 130)]  # around the classifier's window


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A classifier with random weights that are not indifferent, and its export in the same folder."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("classifier")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flawsmith.segment.models.patch_net.STAGES", 3)  # of five, which take minutes to export
        network = PatchNet(2, 96)
        network.head.weight.data *= 100
        Classifier.of(network, CLASSES, 1, CPU).save(folder / MODEL, {})
        list(export(folder, folder / "model.onnx"))
        yield folder


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Mask R-CNN with random weights, which finds much in anything, and its export in the same folder."""
    torch.manual_seed(0)
    folder, network = tmp_path_factory.mktemp("detector"), MaskRCNNNet("resnet18", 2)
    network.net.roi_heads.box_predictor.cls_score.weight.data *= 30  # or all would be equally sure
    Detector.of(network, CLASSES, 3, CPU).save(folder / MODEL, {})
    list(export(folder, folder / "model.onnx"))
    return folder


def _image(size: tuple[int, int], channels: int = 1, dtype: Any = np.uint8) -> np.ndarray:
    top = np.iinfo(dtype).max
    return np.random.default_rng(1).integers(0, top, (*size, channels), endpoint=True).astype(dtype)


def _both(folder: Path) -> tuple[Any, Any]:
    """The original in float32, and its copy."""
    original = form_of(load_model(folder, CPU), folder).original
    return original, load_onnx(folder / "model.onnx")


@pytest.mark.parametrize("size", SIZES)
def test_a_classifier_gives_the_same_grades_at_every_size(classifier: Path, size: tuple[int, int]) -> None:
    original, copy = _both(classifier)
    assert isinstance(copy, OnnxClassifier) and (copy.classes, copy.channels) == (CLASSES, 1)
    wanted, found = original.grade(_image(size)), copy.grade(_image(size))
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert copy.predict(_image(size)).shape == (2, *size)


def test_a_batch_of_grades_is_those_of_its_images(classifier: Path) -> None:
    session, batch = load_onnx(classifier / "model.onnx").session, np.random.default_rng(0).random((3, 1, 40, 120))
    (together,) = session.run(None, {"image": batch.astype(np.float32)})
    alone = [session.run(None, {"image": one[None].astype(np.float32)})[0] for one in batch]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-5)
    assert np.ptp(together, axis=0).min() > 1e-4


def _facts(found: tuple[Object, ...]) -> list[Any]:
    return [(one.defect, one.top, one.left, one.values.shape) for one in found]


@pytest.mark.parametrize("size", SIZES)
def test_mask_rcnn_finds_the_same_objects_at_every_size(detector: Path, size: tuple[int, int]) -> None:
    original, copy = _both(detector)
    assert isinstance(copy, OnnxDetector) and (copy.classes, copy.channels) == (CLASSES, 3)
    image = _image(size, 3)
    wanted, found = original.find(image), copy.find(image)
    assert _facts(found) == _facts(wanted) and (size == (1, 1) or len(found) > 5)
    np.testing.assert_allclose([one.score for one in found], [one.score for one in wanted], atol=1e-4)
    np.testing.assert_allclose(copy.predict(image), original.predict(image), atol=1e-3)


@pytest.mark.parametrize(("channels", "dtype"), [(1, np.uint8), (4, np.uint8), (3, np.uint16)])
def test_mask_rcnn_takes_images_of_every_kind(detector: Path, channels: int, dtype: Any) -> None:
    original, copy = _both(detector)
    image = _image((70, 90), channels, dtype)
    np.testing.assert_allclose(copy.predict(image), original.predict(image), atol=1e-3)


def test_an_exported_mask_rcnn_goes_by_tiles_too(detector: Path) -> None:
    original, copy = _both(detector)
    image, small = _image((200, 170), 3), Tiling(size=160, margin=24, ramp=16)
    assert _facts(copy.find(image, small)) == _facts(original.find(image, small))


def test_an_exported_mask_rcnn_may_find_nothing(detector: Path, tmp_path: Path) -> None:
    graph = onnx.load(detector / "model.onnx")
    (bias,) = [one for one in graph.graph.initializer if one.name.endswith("cls_score.bias")]
    bias.CopyFrom(onnx.numpy_helper.from_array(np.array([1e4, 0, 0], np.float32), bias.name))  # all is background
    onnx.save(graph, tmp_path / "model.onnx")
    copy = load_onnx(tmp_path / "model.onnx")
    assert isinstance(copy, OnnxDetector) and copy.find(_image((80, 60))) == ()
    assert not copy.predict(_image((80, 60))).any()


def test_the_file_says_which_kind_it_is_and_nothing_of_the_machine(classifier: Path, detector: Path) -> None:
    for folder, kind in ((classifier, "classifier"), (detector, "detector")):
        graph = onnx.load(folder / "model.onnx")
        onnx.checker.check_model(graph)
        about = json.loads({one.key: one.value for one in graph.metadata_props}["flawsmith"])
        assert (about["kind"], about["precision"]) == (kind, "float32")
        content = (folder / "model.onnx").read_bytes()
        assert str(Path(module.__file__).parent).encode() not in content and b"site-packages" not in content


def test_a_copy_that_differs_is_not_written(
    classifier: Path, detector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Harsh(OnnxClassifier):
        def grade_part(self, image: np.ndarray) -> np.ndarray:
            return super().grade_part(image) * np.float32(0.99)

    class Blind(OnnxDetector):
        def _find(self, image: np.ndarray) -> tuple[Object, ...]:
            return super()._find(image)[:-1]  # but for the least sure one

    for name, folder, kind in (("OnnxClassifier", classifier, Harsh), ("OnnxDetector", detector, Blind)):
        monkeypatch.setattr(module, name, kind)
        graph = onnx.load(folder / "model.onnx")
        for exporter in ("traced", "followed"):  # which take seconds
            monkeypatch.setattr(module, exporter, lambda *_, graph=graph: graph)
        with pytest.raises(UserError, match=r"probabilities of the model to within 0\.001; found"):
            list(export(folder, tmp_path / "model.onnx"))
    assert not list(tmp_path.iterdir())


def test_what_is_not_exported_is_refused_before_any_work(classifier: Path, parts: Path, tmp_path: Path) -> None:
    Threshold(("pit",), (Setting(Base("otsu"), "dark", 1.0),)).save(tmp_path / SETTINGS, {})
    with pytest.raises(UserError, match="a threshold is not exported; found rules in JSON"):
        next(export(tmp_path, tmp_path / "model.onnx"))
    probes = Probes.of(parts, None, CLASSES)
    with pytest.raises(UsageError, match="--int8: is for models that give maps; found a classifier"):
        next(export(classifier, tmp_path / "model.onnx", probes, int8=True))


def test_a_file_that_is_not_what_it_says_is_one_clear_line(classifier: Path, detector: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    cases = [
        (classifier, {"kind": "detector"}, "must give .* as a detector does"),
        (detector, {"kind": "segmenter"}, "one input and one output"),
        (detector, {"kind": "painter"}, "must give None, as a painter does"),
        (detector, {"channels": 1}, "must take 1 channels, as it says itself"),
    ]
    for folder, changed, said in cases:
        graph = onnx.load(folder / "model.onnx")
        about = json.loads(graph.metadata_props[0].value)
        graph.metadata_props[0].value = json.dumps({**about, **changed})
        onnx.save(graph, path)
        with pytest.raises(UserError, match=said) as caught:
            load_onnx(path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def _predict(model: Path, images: Path, output: Path) -> None:
    options = [str(model), str(images), "-o", str(output), "--device", "cpu", "--threshold", "0.4"]
    result = CliRunner().invoke(main, ["predict", *options])
    assert result.exit_code == 0, result.output


def test_predict_runs_both_kinds(classifier: Path, detector: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(_image((90, 120))[..., 0]).save(tmp_path / "in" / "a.png")
    for folder, kind in ((classifier, "classifier"), (detector, "detector")):
        _predict(folder, tmp_path / "in", tmp_path / kind / "torch")
        _predict(folder / "model.onnx", tmp_path / "in", tmp_path / kind / "onnx")
        tables = []
        for name in ("torch", "onnx"):
            with (tmp_path / kind / name / "predictions.csv").open() as file:
                tables.append(list(csv.DictReader(file)))
        assert tables[0][0].keys() == tables[1][0].keys()
        assert float(tables[0][0]["score"]) == pytest.approx(float(tables[1][0]["score"]), abs=0.1)  # bfloat16
    line = json.loads((tmp_path / "detector" / "onnx" / "predictions.jsonl").read_text())
    assert line["instances"] and all(one["score"] >= 0.4 for one in line["instances"])
