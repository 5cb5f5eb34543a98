"""Starting a training from another product's model: every model through the same tests."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

from flawsmith.cli import main
from flawsmith.data.checkpoint import load
from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.image import read_image
from flawsmith.data.read import read
from flawsmith.data.select import Selection
from flawsmith.data.sources import SOURCES, read_sources, write_sources
from flawsmith.data.split import make_split
from flawsmith.data.start import Start
from flawsmith.segment.levels import levels_of, resolutions
from flawsmith.segment.model import load_model
from flawsmith.segment.models.choose import family_of
from flawsmith.segment.network import make_network
from flawsmith.segment.segmenter import MODEL
from flawsmith.segment.train import TrainConfig, train
from flawsmith.segment.transfer import Origin

CPU = torch.device("cpu")
LEVELS = {"pair": 4, "pretrained": 4, "small": 2, "fast": 2, "smp:resnet18": 5, "maskrcnn:resnet18": 5, "classifier": 1}
WIDTHS = {"small": (8, 16), "fast": (8, 16)}
PACKAGES = {"smp:resnet18": "segmentation_models_pytorch", "maskrcnn:resnet18": "faster_coco_eval"}
HEADS = ("head.", "fast.head.", "pretrained.head.", "unet.segmentation_head", "net.roi_heads")


def config(model: str, **changed: Any) -> TrainConfig:
    usual: dict[str, Any] = {"steps": 2, "batch": 2, "patch": 64, "average": 0.5, "mine_at": 0.0}
    return TrainConfig(model=model, widths=WIDTHS.get(model, ()), **{**usual, **changed})


@pytest.fixture(scope="module", params=LEVELS)
def model(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name])
    return name


@pytest.fixture(scope="module")
def trained(model: str, selection: Selection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of another product."""
    folder = tmp_path_factory.mktemp("models") / "tile"
    list(train(selection, (), config(model, steps=4, lr=1e-2), folder, 0, CPU))
    return folder


def starting(model: str, folder: Path, freeze: int = 0, slower: float = 1.0, **changed: Any) -> TrainConfig:
    return config(model, start=Start(str(folder), freeze, slower), **changed)


def network(model: str, classes: int, channels: int = 1) -> nn.Module:
    """With other random weights."""
    torch.manual_seed(5)
    return family_of(model).start(config(model, start=Start("none")), channels, classes)


def weights(folder: Path) -> dict[str, Tensor]:
    return load(folder / MODEL)[0]


def test_the_same_classes_give_the_same_predictions(model: str, trained: Path, selection: Selection) -> None:
    """Asked for in another order they come in that order."""
    before = load_model(trained, CPU)
    made = network(model, 2)
    Origin.open(Start(str(trained))).put_into(made, ("scratch", "pit"), 1)
    after = family_of(model).model(made, ("scratch", "pit"), 1, CPU)
    image = read_image(selection.defects[0].image)
    assert np.allclose(after.predict(image)[::-1], before.predict(image), atol=1e-4)


def test_a_new_class_starts_from_the_mean_and_others_are_dropped(model: str, trained: Path) -> None:
    made = network(model, 2)
    Origin.open(Start(str(trained))).put_into(made, ("crack", "pit"), 1)
    before, after = weights(trained), made.state_dict()
    name, each, first = {
        "smp:resnet18": ("unet.segmentation_head.0.weight", 1, 0),
        "maskrcnn:resnet18": ("net.roi_heads.box_predictor.bbox_pred.weight", 4, 4),
        "classifier": ("head.weight", 1, 0),
        "pair": ("pretrained.head.weight", 4, 0),  # the fast one's is that of `fast`
    }.get(model, ("head.weight", 4, 0))
    pit, scratch = before[name][first : first + each], before[name][first + each :]
    assert torch.equal(after[name][first + each :], pit)
    assert torch.allclose(after[name][first : first + each], (pit + scratch) / 2)
    assert torch.equal(after[name][:first], before[name][:first])


def test_frozen_levels_stay_to_the_bit_and_each_other_learns_that_much_slower_than_the_next(
    model: str, trained: Path, selection: Selection, tmp_path: Path
) -> None:
    """Adam's first step is as long as its rate, where nothing decays."""
    recipe = starting(model, trained, freeze=1, slower=0.5, steps=1, decay=0.0)
    list(train(selection, (), recipe, tmp_path / "model", 1, CPU))
    before, after = weights(trained), weights(tmp_path / "model")
    levels = [tuple(f"{name}." for name in level) for level in levels_of(network(model, 2))]
    held = [name for name in before if name.startswith(levels[0])]
    assert any("running_mean" in name for name in held)
    assert all(torch.equal(after[name], before[name]) for name in held)
    moved = {name for name in before if not torch.equal(after[name], before[name])}
    assert any("running_mean" in name for name in moved) or model == "classifier"
    changed = []
    for names in (*levels[1:], HEADS):
        learned = [n for n in moved if n.startswith(names) and "running" not in n and "batches" not in n]
        changed.append(max(float((after[n] - before[n]).double().abs().max()) for n in learned))
    shares = [value / (recipe.lr * family_of(model).pace) for value in changed]
    assert len(levels) == LEVELS[model]
    assert shares == pytest.approx([0.5 ** (len(levels) - i) for i in range(1, len(levels) + 1)], rel=0.05)


def test_more_levels_than_there_are_is_refused(model: str, trained: Path, selection: Selection, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"this network has {LEVELS[model]} levels; found 9"):
        list(train(selection, (), starting(model, trained, 9), tmp_path / "model", 0, CPU))


def test_the_result_depends_on_the_weights_and_not_on_where_they_lie(selection: Selection, tmp_path: Path) -> None:
    list(train(selection, (), config("small"), tmp_path / "tile", 0, CPU))
    other = shutil.copytree(tmp_path / "tile", tmp_path / "elsewhere" / "tile")
    for name, folder in (("a", tmp_path / "tile"), ("b", other / MODEL)):
        list(train(selection, (), starting("small", folder), tmp_path / name, 0, CPU))
    assert (tmp_path / "a" / MODEL).read_bytes() == (tmp_path / "b" / MODEL).read_bytes()
    assert str(tmp_path).encode() not in (tmp_path / "a" / MODEL).read_bytes()


@pytest.mark.parametrize("name", ["small", "fast", "pretrained", "pair"])
@torch.no_grad()
def test_a_grey_part_gets_the_same_map_in_rgb_and_back(name: str) -> None:
    torch.manual_seed(0)
    nets = {channels: make_network(name, channels, 2).eval() for channels in (1, 3)}
    image = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    for before, after in ((1, 3), (3, 1)):
        made = make_network(name, after, 2).eval()
        origin = Origin(Path("tile/m"), Start("t"), name, ("a", "b"), before, dict(nets[before].state_dict()))
        origin.put_into(made, ("a", "b"), after)
        wanted = nets[before](image.expand(-1, before, -1, -1))
        assert torch.allclose(made(image.expand(-1, after, -1, -1)), wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("encoder", "count"), [("resnet18", 5), ("mobilenet_v2", 5), ("mit_b0", 4), ("tu-convnext_atto", 4)]
)
def test_levels_of_an_encoder_are_its_resolutions(encoder: str, count: int) -> None:
    smp = pytest.importorskip("segmentation_models_pytorch")
    made = smp.Unet(encoder, encoder_weights=None, classes=1).encoder
    levels = resolutions(made.train())
    assert len(levels) == count and all(levels) and made.training
    covered = {
        name for level in levels for module in level for name, _ in made.get_submodule(module).named_parameters(module)
    }
    assert covered == {name for name, _ in made.named_parameters()}
    if encoder == "resnet18":
        assert levels[0] == ["conv1", "bn1"] and {name.split(".")[0] for name in levels[4]} == {"layer4"}


def test_networks_of_other_widths_are_refused_by_the_first_weight(selection: Selection, tmp_path: Path) -> None:
    list(train(selection, (), config("small"), tmp_path / "tile", 0, CPU))
    wider = replace(starting("small", tmp_path / "tile"), widths=(8, 24))
    with pytest.raises(UserError, match=r"down.1.layers.0.weight must be \(24, 8, 3, 3\) in this network; found \(16"):
        list(train(selection, (), wider, tmp_path / "model", 0, CPU))


def test_what_cannot_be_started_from_is_refused(selection: Selection, tmp_path: Path) -> None:
    list(train(selection, (), config("small"), tmp_path / "tile", 0, CPU))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "bank.safetensors").write_bytes(b"")
    (tmp_path / "m.onnx").write_bytes(b"")
    (tmp_path / "rule").mkdir()
    (tmp_path / "rule" / "model.json").write_text("{}")
    for name, message in (
        ("run", "a run goes to flawsmith fit --init"),
        ("m.onnx", "an exported model cannot be learned on from"),
        ("rule", "a threshold has no weights"),
        ("nothing", "does not exist"),
    ):
        with pytest.raises(UserError, match=message):
            Origin.open(Start(str(tmp_path / name)))
    with pytest.raises(UsageError, match="a model small; found pretrained; leave --model out"):
        list(train(selection, (), starting("pretrained", tmp_path / "tile"), tmp_path / "model", 0, CPU))
    with pytest.raises(UsageError, match="a threshold has no weights to start from"):
        TrainConfig(model="threshold", start=Start("tile"))
    with pytest.raises(UsageError, match="--init gives all weights"):
        TrainConfig(model="smp:resnet18", weights="imagenet", start=Start("tile"))
    assert not (tmp_path / "model").exists()


def flawsmith(*words: object) -> Any:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_the_command_takes_the_model_and_its_sources_along(parts: Path, make_parts: Any, tmp_path: Path) -> None:
    """And refuses a split whose test images the first model has seen, to learn on from it or to be judged by it."""
    split = make_split(read(parts), 0.5, 0)
    split.save(tmp_path / "split.json")
    usual = ("--steps", 1, "--split", tmp_path / "split.json")
    assert flawsmith("train", parts, "--model", "small", *usual, "-o", tmp_path / "a").exit_code == 0
    done = flawsmith("train", parts, "--init", tmp_path / "a", "--freeze", 1, *usual, "-o", tmp_path / "b")
    assert done.exit_code == 0 and "starts from the small of" in done.output
    recipe = load(tmp_path / "b" / MODEL)[1]["recipe"]
    assert recipe["model"] == "small" and recipe["start"]["freeze"] == 1
    judge = ("evaluate", tmp_path / "b", parts, "--split", tmp_path / "split.json", "-o")
    assert flawsmith(*judge, tmp_path / "eval").exit_code == 0

    leak = split.test(read(parts))[0]
    write_sources(tmp_path / "a", [], {**read_sources(tmp_path / "a"), "another name": leak_digest(leak.image)})
    refused = flawsmith("train", parts, "--init", tmp_path / "a", *usual, "-o", tmp_path / "c")
    assert refused.exit_code == 1 and "found another name; start from one that has not seen it" in refused.output
    other = make_parts(tmp_path / "other", size=(96, 96))
    assert flawsmith("train", other, "--steps", 1, "--init", tmp_path / "a", "-o", tmp_path / "d").exit_code == 0
    assert "another name" not in json.loads((tmp_path / "b" / SOURCES).read_text())
    refused = flawsmith("evaluate", tmp_path / "d", parts, "--split", tmp_path / "split.json", "-o", tmp_path / "e")
    assert refused.exit_code == 1 and "nothing may be learned from a test image" in refused.output
    told = flawsmith("evaluate", tmp_path / "d", other, "-o", tmp_path / "f")
    assert told.exit_code == 0 and "has learned from 16 of the 16 images" in told.output


def leak_digest(image: Path) -> str:
    import hashlib

    return hashlib.sha256(image.read_bytes()).hexdigest()


@pytest.mark.parametrize("command", ["fit", "train"])
def test_options_that_have_nothing_to_keep_are_refused(parts: Path, tmp_path: Path, command: str) -> None:
    for option in (("--freeze", 1), ("--layer-decay", 0.5)):
        refused = flawsmith(command, parts, *option, "-o", tmp_path / "out")
        assert refused.exit_code == 2 and "--init" in refused.output
    assert not (tmp_path / "out").exists()


def test_a_painter_that_does_not_learn_starts_from_nothing(parts: Path, tmp_path: Path) -> None:
    words = ("augment", parts, "-n", 1, "--painter", "paste", "--init", tmp_path, "-o", tmp_path / "out")
    refused = flawsmith(*words)
    assert refused.exit_code == 2 and "--init" in refused.output
