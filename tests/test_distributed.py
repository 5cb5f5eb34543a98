"""Training in two processes: the losses and weights of one, one that writes, and an end that all share."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import ranks
import torch
from conftest import make_parts

from flawsmith.data import device, distributed
from flawsmith.data.checkpoint import load
from flawsmith.data.distributed import ALONE, Group, Place, Share
from flawsmith.data.errors import UsageError
from flawsmith.data.select import select
from flawsmith.gan.fit import fit
from flawsmith.segment.network import make_network
from flawsmith.segment.shared import share_layers

LOSS = 1e-5  # relative, of losses in float32; up to 5e-7 was seen
SMALL = 1e-5  # absolute, of what is a difference of nearly equal numbers; up to 3e-7 was seen
WEIGHT = 1e-5  # absolute, of weights after five steps of 3e-5 and more; up to 2e-6 was seen
JOBS = ("losses", "model_losses", "spoilt_losses", "spoilt_model_losses")
Told = dict[str, Any]


def start(job: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Two processes by torchrun, which looks for a free port itself."""
    script = Path(__file__).with_name("ranks.py")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*torchrun, str(script), job, str(folder)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Told]:
    """What one process makes, and tells of it."""
    folder = tmp_path_factory.mktemp("one")
    make_parts(folder / "parts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device, "cpu_has_bfloat16", lambda: False)
        return folder, {name: getattr(ranks, name)(folder) for name in JOBS}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Told, Told]]:
    """What two processes make of the same, and what each tells."""
    folder = tmp_path_factory.mktemp("two")
    make_parts(folder / "parts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device, "cpu_has_bfloat16", lambda: False)
        begun = fit(select(folder / "parts"), ranks.FIT, folder / "one", 0, ranks.CPU)
        for _ in range(3):  # the checkpoint stands at step 2
            next(begun)
        begun.close()  # type: ignore[attr-defined]
    done = start("agree", folder)
    assert done.returncode == 0, done.stderr
    return folder, tuple(json.loads((folder / f"agree-{rank}.json").read_text()) for rank in (0, 1))


def assert_same(found: list[Told], wanted: list[Told]) -> None:
    """The same steps, the same skipped ones, the same losses but for the order of the sums."""
    for mine, theirs in zip(found, wanted, strict=True):
        assert mine.keys() == theirs.keys()
        for name, value in theirs.items():
            if math.isnan(value):
                assert math.isnan(mine[name])
            else:
                assert mine[name] == pytest.approx(value, rel=LOSS, abs=SMALL if "d_" in name else 0), name


def assert_close(found: Path, wanted: Path) -> None:
    mine, theirs = load(found)[0], load(wanted)[0]
    assert mine.keys() == theirs.keys()
    for name, value in theirs.items():
        torch.testing.assert_close(mine[name], value, rtol=0, atol=WEIGHT)


@pytest.mark.parametrize("job", JOBS)
def test_two_processes_have_the_losses_of_one(
    job: str, one: tuple[Path, Told], two: tuple[Path, tuple[Told, Told]]
) -> None:
    first, second = two[1]
    assert_same(first[job], one[1][job])
    assert str(first[job]) == str(second[job])  # both tell those of the whole batch; NaN is not itself


@pytest.mark.parametrize("name", ["fit/generator", "model/model", "spoilt/generator", "spoilt-model/model"])
def test_two_processes_have_the_weights_of_one(
    name: str, one: tuple[Path, Told], two: tuple[Path, tuple[Told, Told]]
) -> None:
    assert_close(two[0] / f"{name}.safetensors", one[0] / f"{name}.safetensors")


def test_a_bad_batch_of_one_process_is_skipped_by_both(two: tuple[Path, tuple[Told, Told]]) -> None:
    for told in two[1]:
        assert [event["skipped"] for event in told["spoilt_losses"]] == [0, 0, 0, 1, 0]
        steps = told["spoilt_model_losses"][:-1]
        assert ["loss" in event for event in steps] == [True, True, True, False, True]


def test_a_fit_that_diverges_in_one_process_goes_back_and_ends_in_both(two: tuple[Path, tuple[Told, Told]]) -> None:
    for told in two[1]:
        assert told["diverged"] == [[1, 2, 3, 3], "training diverged"]


def test_a_fit_goes_on_with_more_processes_and_with_fewer(
    one: tuple[Path, Told], two: tuple[Path, tuple[Told, Told]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, (first, _) = two
    assert_same(first["resumed"], one[1]["losses"][2:])
    assert_close(folder / "one" / "generator.safetensors", one[0] / "fit" / "generator.safetensors")
    monkeypatch.setattr(device, "cpu_has_bfloat16", lambda: False)
    assert_same(list(fit(select(folder / "parts"), ranks.FIT, folder / "two", 0, ranks.CPU)), one[1]["losses"][2:])
    assert_close(folder / "two" / "generator.safetensors", one[0] / "fit" / "generator.safetensors")


def test_the_first_process_alone_writes_and_tells(two: tuple[Path, tuple[Told, Told]]) -> None:
    first, second = two[1]
    assert first["written"] and second["written"] == []
    assert first["told"] == ["a", "b"] and second["told"] == []


def test_what_is_written_is_what_one_process_writes(
    one: tuple[Path, Told], two: tuple[Path, tuple[Told, Told]]
) -> None:
    for name in ("fit", "spoilt", "model", "spoilt-model"):
        names = [sorted(str(path.relative_to(root)) for path in (root / name).rglob("*")) for root in (one[0], two[0])]
        assert names[0] == names[1]


def test_layers_that_see_the_whole_batch_agree_with_torch(two: tuple[Path, tuple[Told, Told]]) -> None:
    for told in two[1]:
        assert all(value < 2e-5 for value in told["layers"].values()), told["layers"]
        assert told["layers"]["dropout"] == 0 and told["layers"]["num_batches_tracked"] == 0


def test_processes_that_were_not_given_the_same_end_together(two: tuple[Path, tuple[Told, Told]]) -> None:
    for told in two[1]:
        seed, batch, output, model = told["quarrel"]
        assert all("same command and data" in text and "in rank 1" in text for text in (seed, batch, model))
        assert "same output folder" in output


def test_when_a_process_dies_the_others_say_so_and_end(parts: Path, tmp_path: Path) -> None:
    (tmp_path / "parts").symlink_to(parts)
    assert start("death", tmp_path).returncode != 0
    assert "another process has ended" in json.loads((tmp_path / "death-0.json").read_text())


def test_alone_nothing_is_copied_or_changed() -> None:
    tensor, share = torch.randn(4, 2), ALONE.share(4)
    assert share.part(tensor) is tensor and share.whole(tensor) is tensor and ALONE.sum(tensor) is tensor
    assert share.weighted(tensor) is tensor and share.means({"a": 0.1}) == {"a": 0.1}
    network = make_network("small", 1, 1, (8, 8))
    before = [type(module) for module in network.modules()]
    share_layers(network, share)
    assert [type(module) for module in network.modules()] == before


@pytest.mark.parametrize(("total", "world"), [(8, 1), (8, 3), (5, 4), (2, 5)])
def test_shares_make_up_the_batch(total: int, world: int) -> None:
    shares = [Group(rank, world).share(total) for rank in range(world)]
    assert [i for share in shares for i in range(total)[share.rows]] == list(range(total))
    assert sum(share.weight for share in shares) == pytest.approx(1)
    assert max(share.size for share in shares) - min(share.size for share in shares) <= 1


def test_a_part_of_batches_one_after_another_is_that_of_each() -> None:
    whole = torch.arange(10)
    assert Share(Group(1, 2), 5, 2, 5).part(whole).tolist() == [2, 3, 4, 7, 8, 9]


def test_a_batch_smaller_than_the_group_is_refused() -> None:
    Group(0, 8).refuse_small(8)
    with pytest.raises(UsageError, match="at most 8 processes"):
        Group(0, 9).refuse_small(8)


def test_the_place_comes_from_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Place.here() == Place()
    for name, value in (("RANK", "5"), ("WORLD_SIZE", "8"), ("LOCAL_RANK", "1"), ("LOCAL_WORLD_SIZE", "4")):
        monkeypatch.setenv(name, value)
    assert Place.here() == Place(5, 8, 1, 4) and not Place.here().is_first
    monkeypatch.setenv("WORLD_SIZE", "many")
    with pytest.raises(UsageError, match="WORLD_SIZE"):
        Place.here()


def test_every_process_takes_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device.pick_device("auto") == torch.device("cuda", 0)
    monkeypatch.setattr(Place, "here", lambda: Place(3, 4, 1, 2))
    assert device.pick_device("auto") == device.pick_device("cuda") == torch.device("cuda", 1)
    assert device.pick_device("cpu") == torch.device("cpu")
    with pytest.raises(UsageError, match="of its own"):
        device.pick_device("cuda:1")
    monkeypatch.setattr(Place, "here", lambda: Place(2, 3, 2, 3))
    with pytest.raises(UsageError, match="a process for each GPU"):
        device.pick_device("auto")


def test_processes_that_cannot_be_reached_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Place, "here", lambda: Place(0, 2, 0, 2))
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(distributed.UserError, match="must reach the others"), distributed.joined(ranks.CPU):
        pass
