"""Weights to start from: whatever the names' prefix, tensors only, one line where they do not fit or cannot be had."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from flawsmith.data.errors import UsageError, UserError
from flawsmith.segment.efficientnet import Encoder
from flawsmith.segment.models.maskrcnn import MaskRCNNNet
from flawsmith.segment.models.smp import LITE, EncoderUNet
from flawsmith.segment.models.weights import put, read_weights


def _net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


@pytest.mark.parametrize("prefix", ["", "module.", "model.encoder."])
@pytest.mark.parametrize("inside", [None, "state_dict", "model"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_every_usual_form_is_read(tmp_path: Path, prefix: str, inside: str | None, suffix: str) -> None:
    source, target, file = _net(), _net(), tmp_path / f"weights{suffix}"
    values = {prefix + name: value for name, value in source.state_dict().items()} | {"fc.weight": torch.zeros(3)}
    if suffix == ".pth":
        torch.save(values if inside is None else {inside: values, "epoch": 3}, file)
    else:
        save_file(values, file)
    put(target, read_weights(file), file)
    assert all(torch.equal(target.state_dict()[name], value) for name, value in source.state_dict().items())


def test_weights_of_other_channels_are_refused_by_name() -> None:
    grey = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)).state_dict()
    with pytest.raises(UserError, match=r"0\.weight must be \(4, 3, 3, 3\) in this network; found \(4, 1, 3, 3\)"):
        put(_net(), grey, "weights.pth")
    with pytest.raises(UserError, match=r"found nothing"):
        put(_net(), {"other": torch.zeros(1)}, "weights.pth")


class _Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("boom"),)


def test_a_pickle_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": torch.zeros(1), "bomb": _Bomb()}, tmp_path / "bomb.pth")
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(_Bomb()))
    for name in ("bomb.pth", "bare.pth"):
        with pytest.raises(UserError, match="tensors and nothing else"):
            read_weights(tmp_path / name)
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 cut off"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_damaged_file_is_one_line(tmp_path: Path, content: bytes, suffix: str) -> None:
    file = tmp_path / f"weights{suffix}"
    file.write_bytes(content)
    with pytest.raises(UserError, match="must hold") as caught:
        read_weights(file)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="does not exist"):
        read_weights(tmp_path / "nowhere.pth")


def test_a_file_without_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "a.pth")
    torch.save([torch.zeros(1)], tmp_path / "b.pth")
    for name in "ab":
        with pytest.raises(UserError, match="must hold"):
            read_weights(tmp_path / f"{name}.pth")


def test_a_resnet_of_torchvision_fits_mask_rcnn_and_smp(tmp_path: Path) -> None:
    torch.manual_seed(0)
    source = torchvision.models.resnet18(weights=None)
    torch.save(source.state_dict(), tmp_path / "resnet18.pth")
    network = MaskRCNNNet("resnet18", 1)
    network.start_from(str(tmp_path / "resnet18.pth"))
    assert torch.equal(network.net.backbone.inner.body.layer4[1].conv2.weight, source.layer4[1].conv2.weight)
    pytest.importorskip("segmentation_models_pytorch")
    unet = EncoderUNet("resnet18", 1)
    unet.start_from(str(tmp_path / "resnet18.pth"))
    assert torch.equal(unet.unet.encoder.layer4[1].conv2.weight, source.layer4[1].conv2.weight)
    with pytest.raises(UserError, match="in this network"):
        EncoderUNet("resnet34", 1).start_from(str(tmp_path / "resnet18.pth"))


def test_the_installed_weights_make_the_same_maps_in_smp() -> None:
    pytest.importorskip("segmentation_models_pytorch")
    torch.manual_seed(0)
    network, own, x = EncoderUNet(LITE, 1), Encoder().load_imagenet().eval(), torch.rand(1, 3, 64, 64)
    network.start_from("imagenet")
    with torch.inference_mode():
        theirs = network.eval().unet.encoder((x - network.mean) / network.deviation)
        for ours in own(x):
            same = next(level for level in theirs if level.shape == ours.shape)
            assert torch.allclose(same, ours, atol=1e-3)


def test_an_unknown_encoder_names_its_neighbours() -> None:
    pytest.importorskip("segmentation_models_pytorch")
    with pytest.raises(UsageError, match=r"no such encoder; found resnet81; near it: .*resnet18"):
        EncoderUNet("resnet81", 1)
    with pytest.raises(UsageError, match="--model"):
        EncoderUNet("tu-no_such_network", 1)


def test_a_failed_download_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    smp = pytest.importorskip("segmentation_models_pytorch")
    whole = smp.Unet

    def offline(encoder: str, encoder_weights: str | None, classes: int) -> nn.Module:
        if encoder_weights:
            raise OSError("no route to host\nTraceback")
        return whole(encoder, encoder_weights=None, classes=classes)

    monkeypatch.setattr(smp, "Unet", offline)
    with pytest.raises(UserError, match=r"resnet18 could not be downloaded; found OSError: no route to host;"):
        EncoderUNet("resnet18", 1).start_from("imagenet")
    monkeypatch.setattr("flawsmith.segment.models.maskrcnn.get_model", lambda *_, weights: 1 / 0)
    network = MaskRCNNNet.__new__(MaskRCNNNet)
    nn.Module.__init__(network)
    network.name = "maskrcnn:resnet18"
    with pytest.raises(UserError, match="torchvision's resnet18 could not be downloaded"):
        network.start_from("imagenet")


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(UsageError, match=r"pip install 'flawsmith\[models\]'"):
        EncoderUNet("resnet18", 1)
    from flawsmith.segment.instance_map import InstanceMAP

    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    with pytest.raises(UsageError, match=r"pip install 'flawsmith\[coco\]'"):
        InstanceMAP(("pit",))


def test_what_takes_seconds_is_imported_only_when_it_is_used() -> None:
    slow = "{'torchvision', 'segmentation_models_pytorch'}"
    code = f"import flawsmith.segment.train, sys; assert not {slow} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
