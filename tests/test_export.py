"""The exported model is the model: same probabilities at every size, same notes, and no copy that is not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from flawsmith.cli import main
from flawsmith.data.checkpoint import identity
from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.image import read_image
from flawsmith.data.select import Selection
from flawsmith.segment import export as module
from flawsmith.segment.agreement import Agreement, Overlap, compare, refuse
from flawsmith.segment.export import Original, export, probes_of, seen, stride_of
from flawsmith.segment.fast import FastUNet
from flawsmith.segment.model import load_model
from flawsmith.segment.onnx_model import KEY, OnnxModel
from flawsmith.segment.pair import PairUNet
from flawsmith.segment.pretrained import PretrainedUNet
from flawsmith.segment.probes import Probe, Probes, made
from flawsmith.segment.quantise import left, quantise
from flawsmith.segment.reduced import pad_to
from flawsmith.segment.segmenter import MODEL, Segmenter
from flawsmith.segment.train import TrainConfig, train
from flawsmith.segment.unet import UNet

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

CLASSES = ("pit", "scratch")


def _segmenter(seed: int = 3) -> Segmenter:
    torch.manual_seed(seed)
    network = UNet(1, len(CLASSES), (8, 8))
    network.head.weight.data *= 100  # or all probabilities would be those of a good part
    network.head.bias.data += 3
    return Segmenter.of(network, CLASSES, 1, torch.device("cpu"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder."""
    folder = tmp_path_factory.mktemp("model")
    _segmenter().save(folder / MODEL, {})
    return folder


@pytest.fixture(scope="module")
def exported(model: Path) -> Path:
    """The same as ONNX."""
    list(export(model, model / "model.onnx"))
    return model / "model.onnx"


def _image(height: int, width: int, channels: int = 1, dtype: Any = np.uint8) -> np.ndarray:
    top = np.iinfo(dtype).max
    return np.random.default_rng(0).integers(0, top, (height, width, channels), endpoint=True).astype(dtype)


def _original(model: Path) -> Original:
    segmenter = Segmenter.load(model)
    return Original(segmenter.network, segmenter.classes, segmenter.channels)


@pytest.mark.parametrize("size", [(64, 64), (33, 47), (1, 1), (2, 3), (129, 256), (70, 8)])
def test_the_same_probabilities_at_every_size(model: Path, exported: Path, size: tuple[int, int]) -> None:
    wanted, found = (one.predict(_image(*size)) for one in (_original(model), OnnxModel.load(exported)))
    assert found.shape == (2, *size) and found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert size == (1, 1) or wanted.std() > 0.01


@pytest.mark.parametrize(("channels", "dtype"), [(3, np.uint8), (4, np.uint8), (1, np.uint16)])
def test_images_of_every_kind(model: Path, exported: Path, channels: int, dtype: Any) -> None:
    image = _image(40, 50, channels, dtype)
    np.testing.assert_allclose(OnnxModel.load(exported).predict(image), _original(model).predict(image), atol=1e-5)


def test_a_batch_is_its_images(exported: Path) -> None:
    session, batch = OnnxModel.load(exported).session, np.random.default_rng(0).random((5, 1, 37, 41), np.float32)
    (together,) = session.run(None, {"image": batch})
    alone = np.concatenate([session.run(None, {"image": one[None]})[0] for one in batch])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_the_file_says_what_it_is_and_nothing_of_the_machine(model: Path, exported: Path) -> None:
    graph = onnx.load(exported)
    onnx.checker.check_model(graph)
    about = json.loads({one.key: one.value for one in graph.metadata_props}[KEY])
    assert (about["classes"], about["channels"], about["precision"]) == (list(CLASSES), 1, "float32")
    assert about["model"] == identity(model / MODEL) and "float32 in [0, 1]" in about["normalisation"]
    assert str(Path(module.__file__).parent).encode() not in exported.read_bytes()


def test_it_is_loaded_by_its_ending(exported: Path) -> None:
    loaded = load_model(exported, torch.device("cpu"))
    assert isinstance(loaded, OnnxModel) and loaded.classes == CLASSES and loaded.channels == 1


@pytest.mark.parametrize("channels", [1, 3])
def test_strides_are_those_to_which_the_networks_pad(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    strides: list[int] = []

    def noting(x: torch.Tensor, multiple: int) -> torch.Tensor:
        strides.append(multiple)
        return pad_to(x, multiple)

    monkeypatch.setattr("flawsmith.segment.unet.pad_to", noting)
    for room in ("fast", "pretrained", "pair"):
        monkeypatch.setattr(f"flawsmith.segment.{room}.pad_to", noting)
    pair = PairUNet(channels, 1, (8, 8, 8, *(4,) * 6))
    for network in (
        UNet(channels, 1, (8, 8)),
        UNet(channels, 1, (4,) * 5),
        PretrainedUNet(channels, 1, (8, 8, 8)),
        FastUNet(channels, 1, (4,) * 5),
        pair,
    ):
        strides.clear()
        network.eval()(torch.zeros(1, channels, 64, 64))
        assert strides[0] == max(strides) == stride_of(network)
    assert set(strides) == {64, 16}  # of the pair's parts, which are of different depths
    with pytest.raises(UserError, match="whose stride is known; found Conv2d"):
        stride_of(torch.nn.Conv2d(1, 1, 3))


def test_a_copy_that_differs_is_not_written(
    model: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Off(OnnxModel):
        def predict(self, image: np.ndarray) -> np.ndarray:
            return super().predict(image) + np.float32(0.0011)

    monkeypatch.setattr(module, "OnnxModel", Off)
    monkeypatch.setattr(module, "to_onnx", lambda _: onnx.load(exported))  # which takes seconds
    with pytest.raises(UserError, match=r"probabilities of the model to within 0\.001; found 0\.0011"):
        list(export(model, tmp_path / "model.onnx"))
    assert not list(tmp_path.iterdir())


def test_nan_is_as_far_apart_as_can_be() -> None:
    class Broken:
        classes, channels = ("pit",), 1

        def predict(self, image: np.ndarray) -> np.ndarray:
            return np.full((1, *image.shape[:2]), np.nan, np.float32)

    found = compare(Broken(), Broken(), made(1))
    with pytest.raises(UserError, match="found inf"):
        refuse("model", found, int8=False)


def test_int8_is_measured_against_labels_or_else_against_the_original() -> None:
    known = Agreement(masks=Overlap(90, 100), original=Overlap(80, 100), copy=Overlap(79, 100))
    assert known.lost == pytest.approx(0.01) and "IoU lost" in known.facts()
    better = Agreement(masks=Overlap(90, 100), original=Overlap(80, 100), copy=Overlap(81, 100))
    refuse("model", better, int8=True)
    for worse in (known, Agreement(masks=Overlap(99, 100))):
        with pytest.raises(UserError, match=r"8 bits may cost 0\.005 of the IoU; found 0\.0100"):
            refuse("model", worse, int8=True)
    refuse("model", Agreement(masks=Overlap(996, 1000)), int8=True)


def test_what_the_masks_of_two_models_share_bounds_what_a_truth_can_tell() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        one, other, truth = random.random((3, 1, 9, 9)) < random.random((3, 1, 1, 1))
        shares = []
        for pair in ((one, other), (one, truth), (other, truth)):
            overlap = Overlap()
            overlap.add(*pair)
            shares.append(overlap.share)
        assert abs(shares[1] - shares[2]) <= 1 - shares[0] + 1e-12


def test_int8_on_real_images(
    model: Path, exported: Path, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "to_onnx", lambda _: onnx.load(exported))
    monkeypatch.setattr(module, "refuse", lambda *_: None)  # random weights round badly
    probes = Probes.of(parts, None, CLASSES)
    assert probes.labelled and len(probes) == 16
    last = list(export(model, tmp_path / "small.onnx", probes, int8=True))[-1]
    assert last["agreement"].images == 8 and last["agreement"].original.either > 0
    assert last["agreement"].apart < 0.5 and b"QuantizeLinear" in (tmp_path / "small.onnx").read_bytes()
    copy = OnnxModel.load(tmp_path / "small.onnx")
    apart = [abs(copy.predict(probe.image) - _original(model).predict(probe.image)).mean() for probe in made(1)]
    assert max(apart) < 0.1


@pytest.fixture(scope="module")
def pair(selection: Selection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default model, trained for long enough to be unlike its parts."""
    output, cpu = tmp_path_factory.mktemp("pair") / "model", torch.device("cpu")
    list(train(selection, (), TrainConfig(steps=10, batch=4, patch=64, average=0.5, mine_at=0.0), output, 0, cpu))
    return output


def test_the_default_network_is_the_same_in_onnx_and_near_it_in_8_bits(
    pair: Path, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(export(pair, tmp_path / "model.onnx"))
    copy, image = OnnxModel.load(tmp_path / "model.onnx"), _image(70, 45)
    wanted = _original(pair).predict(image)
    np.testing.assert_allclose(copy.predict(image), wanted, atol=1e-5)
    monkeypatch.setattr(module, "to_onnx", lambda _: onnx.load(tmp_path / "model.onnx"))
    monkeypatch.setattr(module, "refuse", lambda *_: None)  # what has hardly learned rounds badly
    list(export(pair, tmp_path / "small.onnx", Probes.of(parts, None, CLASSES), int8=True))
    assert b"QuantizeLinear" in (tmp_path / "small.onnx").read_bytes()
    assert abs(OnnxModel.load(tmp_path / "small.onnx").predict(image) - wanted).mean() < 0.02


def test_nothing_is_rounded_before_the_first_convolution_or_after_the_last(exported: Path, parts: Path) -> None:
    graph = onnx.load(exported)
    small = quantise(graph, seen(Probes.of(parts, None, CLASSES).every_second(0), 1))
    kinds = [node.op_type for node in small.graph.node]
    ends = [place for place, kind in enumerate(kinds) if kind == "Conv"]
    rounded = [place for place, kind in enumerate(kinds) if kind == "QuantizeLinear"]
    assert ends[0] < rounded[0] and rounded[-1] < ends[-1] and len(rounded) > 4
    assert {node.name for node in graph.graph.node if node.op_type == "Conv"} & set(left(graph)) == {
        kind.name for kind in (graph.graph.node[place] for place in _ends(graph))
    }


def test_depthwise_convolutions_stay_as_they_are() -> None:
    nodes = [
        onnx.helper.make_node("Conv", ["x", "w"], ["y"], name=name, group=groups)
        for name, groups in (("stem", 1), ("depthwise", 8), ("wide", 1), ("also", 1), ("head", 1))
    ]
    graph = onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [], []))
    assert left(graph) == ["stem", "depthwise", "head"]


def test_images_without_labels_are_compared_too(parts: Path) -> None:
    probes = probes_of(parts / "images", None, CLASSES)
    assert probes is not None and not probes.labelled and probes[0].truth is None and len(probes) == 16
    assert isinstance(probes[3], Probe) and probes.every_second(1).records == probes.records[1::2]


def test_what_cannot_work_is_refused_before_any_work(model: Path, parts: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"an export ends in \.onnx"):
        next(export(model, tmp_path / "model.pt"))
    with pytest.raises(UsageError, match="--int8: needs at least 2 images"):
        next(export(model, tmp_path / "model.onnx", int8=True))
    with pytest.raises(UsageError, match="--split: belongs to --check"):
        probes_of(None, parts / "split.json", CLASSES)
    with pytest.raises(UserError):
        probes_of(tmp_path, None, CLASSES)


def _ends(graph: Any) -> tuple[int, int]:
    """The places of the first and the last convolution."""
    places = [place for place, node in enumerate(graph.graph.node) if node.op_type == "Conv"]
    return places[0], places[-1]


def _onnx(path: Path, shape: list[Any], **notes: str) -> Path:
    """A file of another program: it gives back what it gets."""
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in ("image", "probability")
    ]
    node = onnx.helper.make_node("Identity", ["image"], ["probability"])
    graph = onnx.helper.make_model(
        onnx.helper.make_graph([node], "g", ends[:1], ends[1:]), opset_imports=[onnx.helper.make_opsetid("", 20)]
    )
    graph.ir_version = 10
    onnx.helper.set_model_props(graph, notes)
    onnx.save(graph, path)
    return path


def test_an_onnx_file_that_is_not_ours_is_one_clear_line(tmp_path: Path, exported: Path) -> None:
    path, note = tmp_path / "a.onnx", {"format": "1", "classes": ["a"], "channels": 1}
    cases: list[tuple[list[Any], dict[str, str], str]] = [
        (["n", 1, "h", "w"], {}, "must be a model that flawsmith has exported; found no such note"),
        (["n", 1, "h", "w"], {KEY: "nonsense"}, "found no such note"),
        (["n", 1, "h", "w"], {KEY: json.dumps({**note, "format": "9"})}, "found format 9"),
        (["n", 3, "h", "w"], {KEY: json.dumps(note)}, "must take and give"),
        (["n", 1], {KEY: json.dumps(note)}, "four axes"),
    ]
    for shape, notes, said in cases:
        with pytest.raises(UserError, match=said) as caught:
            OnnxModel.load(_onnx(path, shape, **notes))
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    for content in (b"", b"no onnx", exported.read_bytes()[:2000]):
        path.write_bytes(content)
        with pytest.raises(UserError, match="cannot be run as ONNX"):
            OnnxModel.load(path)
    with pytest.raises(UserError, match="does not exist"):
        OnnxModel.load(tmp_path / "nowhere.onnx")


def test_predict_takes_a_model_and_its_export_alike(model: Path, exported: Path, parts: Path, tmp_path: Path) -> None:
    for source, name in ((model, "torch"), (exported, "onnx")):
        options = [str(source), str(parts / "images"), "-o", str(tmp_path / name), "--device", "cpu", "--json"]
        result = CliRunner().invoke(main, ["predict", *options])
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["images"] == 16
    for one in (tmp_path / "torch" / "maps").rglob("*.png"):  # torch has bfloat16 on some machines
        other = tmp_path / "onnx" / one.relative_to(tmp_path / "torch")
        assert abs(read_image(one).astype(int) - read_image(other)).mean() < 3


def test_export_says_what_it_compared_and_exits_as_promised(model: Path, exported: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "to_onnx", lambda _: onnx.load(exported))
        result = CliRunner().invoke(main, ["export", str(model), "-o", str(tmp_path / "a.onnx")])
    assert result.exit_code == 0 and "made images" in result.stdout and "probabilities apart" in result.stdout
    assert (tmp_path / "a.onnx").is_file()
    result = CliRunner().invoke(main, ["export", str(model), "-o", str(tmp_path / "b.onnx"), "--int8"])
    assert result.exit_code == 2 and result.stderr.startswith("Error: --int8: needs at least 2 images")
    result = CliRunner().invoke(main, ["export", str(model), "-o", str(tmp_path / "b.onnx"), "--dry-run"])
    assert result.exit_code == 0 and not (tmp_path / "b.onnx").exists()
