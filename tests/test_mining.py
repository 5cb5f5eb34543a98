"""Hard spots: where a network is wrong on good parts, and that it goes on training as before."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from flawsmith.data.record import Record
from flawsmith.segment.batches import Pool
from flawsmith.segment.mining import KEPT, hard_spots
from flawsmith.segment.network import make_network


class Bright(nn.Module):
    """Takes bright pixels for defects."""

    shrink = 1

    name = "bright"

    def forward(self, x: Tensor) -> Tensor:
        return 20 * x - 10


def parts(folder: Path, count: int) -> Pool:
    """Dark parts; every fourth has a bright spot at (9, 5 + its number)."""
    records = []
    for index in range(count):
        image = np.full((40, 60), 20, np.uint8)
        if index % 4 == 0:
            image[8:11, 4 + index : 7 + index] = 250
        Image.fromarray(image).save(folder / f"{index}.png")
        records.append(Record(f"{index}.png", folder / f"{index}.png", str(index)))
    return Pool(records, ("pit",))


def test_the_places_that_look_like_defects_are_found(tmp_path: Path) -> None:
    spots = hard_spots(Bright(), parts(tmp_path, 16), 1, 1, torch.device("cpu"))  # type: ignore[arg-type]
    assert len(spots) == round(16 * KEPT)
    assert sorted(spots) == [(index, 9, 5 + index) for index in (0, 4, 8, 12)]


def test_the_network_comes_back_ready_to_train(tmp_path: Path) -> None:
    network = make_network("small", 1, 1, (8, 8)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    hard_spots(network, parts(tmp_path, 3), 1, 1, torch.device("cpu"))
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
