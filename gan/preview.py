"""A sheet of what a run paints: for each class real defects above, painted ones below, at native resolution."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from flawsmith.data.errors import UserError
from flawsmith.data.image import to_float, to_uint, write_image
from flawsmith.data.record import Record
from flawsmith.gan.bank import Bank
from flawsmith.gan.context import survey
from flawsmith.gan.painter import Painter
from flawsmith.gan.run import Run
from flawsmith.gan.scene import Scene, SceneConfig, accept, begin, propose

TILE = 128  # px a side of one picture
COLUMNS = 8


def preview(
    run: Path, clean: Sequence[Record] | None, output: Path, seed: int, device: torch.device, painter: str = "gan"
) -> None:
    """Write the sheet to `output`; rows a class: real defects, painted ones, their masks.

    Painted on `clean` parts; None: where the real defects were, healed. Raises UserError where there is no good part.
    """
    if clean is not None and not clean:
        raise UserError(
            "--clean", "there are no good parts to paint on", 0, "name a folder with images without defects"
        )
    opened = Run.open(run)
    hand = opened.painter(painter, device)
    rows = []
    for defect in range(len(opened.bank.classes)):
        rows.append([real_tile(opened.bank, defect, column) for column in range(COLUMNS)])
        painted = [painted_tiles(opened.bank, hand, clean, defect, seed, column) for column in range(COLUMNS)]
        rows += [[pair[part] for pair in painted] for part in range(2)]
    sheet = np.concatenate([np.concatenate([framed(tile) for tile in row], axis=1) for row in rows])
    write_image(output, to_uint(sheet.transpose(2, 0, 1), np.dtype(np.uint8)))


def real_tile(bank: Bank, defect: int, column: int) -> NDArray[np.float32]:
    """One real defect (TILE, TILE, C); grey where there are fewer."""
    members = bank.members[defect]
    if column >= len(members):
        return np.full((TILE, TILE, bank.channels), 0.5, np.float32)
    instance = bank.instances[members[column]]
    return about(instance.image, instance.mask)


def painted_tiles(
    bank: Bank, painter: Painter, clean: Sequence[Record] | None, defect: int, seed: int, column: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A painted defect and its mask, both (TILE, TILE, C); grey where it could not be painted."""
    config = SceneConfig()
    scene = healed(bank, defect, column) if clean is None else begin(bank, tuple(clean), (defect,), seed, column)
    while not scene.masks and scene.attempt < config.tries:
        try_once(scene, bank, painter, config, seed)
    image = to_float(scene.pixels, bank.channels).transpose(1, 2, 0)
    mask = np.repeat(scene.mask[:, :, None].astype(np.float32), bank.channels, axis=2)
    middle = scene.mask if scene.masks else np.ones_like(scene.mask)
    return about(image, middle), about(mask, middle)


def healed(bank: Bank, defect: int, column: int) -> Scene:
    """A scene on the surroundings of a real defect, with the defect healed away."""
    instance = bank.instances[bank.members[defect][column % len(bank.members[defect])]]
    record = Record(instance.source, Path(instance.source), instance.group)
    pixels = to_uint(instance.healed.transpose(2, 0, 1), np.dtype(np.uint8 if bank.depth == 255 else np.uint16))
    return Scene(column, record, defect, 1, pixels, survey(instance.healed))


def try_once(scene: Scene, bank: Bank, painter: Painter, config: SceneConfig, seed: int) -> None:
    """One proposal, painted and put on if it shows."""
    proposal = propose(scene, bank, config, seed)
    if proposal is None or not accept(scene, proposal, painter.paint([proposal.job])[0], config):
        scene.attempt += 1


def about(image: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The TILE px about the middle of the mask, white beyond the image: (H, W, C), (H, W) -> (TILE, TILE, C)."""
    rows, columns = np.nonzero(mask)
    padded = np.pad(image, ((TILE, TILE), (TILE, TILE), (0, 0)), constant_values=1.0)
    top = int((rows.min() + rows.max()) // 2) + TILE // 2
    left = int((columns.min() + columns.max()) // 2) + TILE // 2
    return padded[top : top + TILE, left : left + TILE]


def framed(tile: NDArray[Any]) -> NDArray[Any]:
    """A white line around a tile (H, W, C)."""
    return np.pad(tile, ((1, 1), (1, 1), (0, 0)), constant_values=1.0)
