"""Which training defects an object resembles: cosine distance of what a network sees at them.

Features are never below 0, and so all alike by their cosine: the mean over the known defects is taken off first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from flawsmith.data.geometry.patch import Patch
from flawsmith.data.image import read_image, to_float
from flawsmith.data.record import Record
from flawsmith.data.sample import instances
from flawsmith.segment.efficientnet import Encoder
from flawsmith.segment.explain.tap import network_of, run, tapped
from flawsmith.segment.explain.view import GRID, LARGEST, Image
from flawsmith.segment.explain.window import Window
from flawsmith.segment.model import Model, shrink_of
from flawsmith.segment.pretrained import STAGES
from flawsmith.segment.reduced import pad_to

Vector = NDArray[np.float64]  # (F,)

NEIGHBOURS = 3
CONTEXT = 64  # px around an object that the network sees too
LEAST = 4  # px: a smaller speck of a mask is a slip of the pen
REAL, PAINTED = "real", "painted"
MOST = {REAL: 1000, PAINTED: 500}  # images that are looked at, evenly picked: a minute or two


@dataclass(frozen=True, eq=False)
class Known:
    """A defect that was learned from: where it is, and of a painted one its provenance id."""

    kind: str  # REAL or PAINTED
    defect: str
    record: Record
    patch: Patch
    place: Path  # the data set it belongs to

    def json(self) -> dict[str, Any]:
        """What explain.json says of it; with the set and the id `flawsmith replay` paints it again."""
        about = {"kind": self.kind, "class": self.defect, "image": str(self.record.image), "group": self.record.group}
        origin = {} if self.record.origin is None else {"set": str(self.place), "id": self.record.origin}
        return {**about, "box": list(self.patch.box), **origin}


@dataclass(frozen=True, eq=False)
class Neighbour:
    """A known defect and its cosine distance, 0 (alike) … 2."""

    known: Known
    distance: float


class Eye:
    """The network that compares: the model's own at a layer, or EfficientNet-Lite0 for a model without one."""

    def __init__(self, model: Model, layer: str | None, device: torch.device) -> None:
        network, self.shrink = network_of(model), 1
        if network is None or layer is None:
            network = Encoder(STAGES).load_imagenet().eval().to(device)
            layer, self.channels, self.name = f"_blocks.{network.ends[-1]}", 3, "EfficientNet-Lite0 (ImageNet)"
        else:
            self.channels, self.name = model.channels, f"the model's own, at {layer}"
            self.shrink = shrink_of(model)
        self.network: nn.Module = network
        self.layer: str = layer

    def look(self, image: Image, patch: Patch) -> Vector:
        """What the network sees of an object in an image (H, W, C): the mean (F,) over its pixels."""
        height, width, grid = *image.shape[:2], GRID * self.shrink
        near = Window.of(patch).grown(CONTEXT * self.shrink, height, width, grid)
        middle = patch.top + patch.mask.shape[0] // 2, patch.left + patch.mask.shape[1] // 2
        window = near.at_most(LARGEST * self.shrink, *middle)
        values = pad_to(torch.from_numpy(to_float(image[window.slices], self.channels))[None], grid)
        mask = torch.zeros(values.shape[-2:])
        mask[: window.size[0], : window.size[1]] = torch.from_numpy(window.cut(patch))
        with torch.no_grad(), tapped(self.network, self.layer) as maps:
            run(self.network, values.to(next(self.network.parameters()).device))
        return np.asarray(torch.cat([_at(one.detach(), mask) for one in maps]).cpu().double().numpy())


@dataclass(frozen=True)
class Library:
    """The known defects with what the network sees of them; `left` counts the images that were too many, by kind."""

    known: list[Known] = field(default_factory=list)
    vectors: list[Vector] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)

    def learn(
        self, eye: Eye, kind: str, place: Path, records: Sequence[Record], classes: Sequence[str]
    ) -> Iterator[dict[str, Any]]:
        """Looks at each defect of the classes in the records; yields {"task", "step", "steps"} after each image."""
        chosen = _evenly(records, MOST[kind])
        self.left[kind] = self.left.get(kind, 0) + len(records) - len(chosen)
        for step, record in enumerate(chosen, 1):
            image = read_image(record.image)
            for defect, patch in instances(record, *image.shape[:2]):
                if defect in classes and patch.area >= LEAST:
                    self.known.append(Known(kind, defect, record, patch, place))
                    self.vectors.append(eye.look(image, patch))
            yield {"task": f"{kind} defects", "step": step, "steps": len(chosen)}

    def nearest(self, vector: Vector, count: int = NEIGHBOURS) -> tuple[Neighbour, ...]:
        """The nearest of each kind, the real ones first, `count` at most: one a group, whose images are all alike."""
        if not self.known:
            return ()
        rows = np.stack(self.vectors)
        middle = rows.mean(0) if len(rows) > 1 else np.zeros_like(vector)
        distances = 1 - _of_length_1(rows - middle) @ _of_length_1(vector - middle)
        order = [(self.known[index], float(max(distances[index], 0))) for index in np.argsort(distances, kind="stable")]
        firsts: dict[str, dict[str, Neighbour]] = {REAL: {}, PAINTED: {}}
        for known, distance in order:
            firsts[known.kind].setdefault(known.record.group, Neighbour(known, distance))
        return tuple(one for kind in (REAL, PAINTED) for one in list(firsts[kind].values())[:count])


def _of_length_1(values: Vector) -> Vector:
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=-1, keepdims=True), 1e-12))


def _at(maps: Tensor, mask: Tensor) -> Tensor:
    """The mean (F,) of maps (1, F, h, w) over the pixels of a mask (H, W), each cell by how much of it is inside."""
    weight = F.adaptive_avg_pool2d(mask[None, None], (maps.shape[-2], maps.shape[-1])).to(maps.device)[0, 0]
    return (maps[0].float() * weight).sum((1, 2)) / weight.sum().clamp_min(1e-12)


def _evenly(records: Sequence[Record], most: int) -> list[Record]:
    places = np.linspace(0, len(records) - 1, min(most, len(records))).round().astype(int)
    return [records[place] for place in places]
