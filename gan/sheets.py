"""Contact sheets of what a run paints: rows of tiles, as a picture and as figures of a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from flawsmith.data.image import to_uint
from flawsmith.data.page import data_url
from flawsmith.data.record import Record
from flawsmith.gan.bank import Bank
from flawsmith.gan.gate import Gate
from flawsmith.gan.painter import Painter
from flawsmith.gan.region import Pixels
from flawsmith.gan.scene import SceneConfig
from flawsmith.gan.spots import TILE, Spot, paint_spot, real_tile, scene_for

COLUMNS = 8
ROWS = 4  # places of the sheets that vary one thing along a row
SEVERITIES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
TITLE = 18  # px above a column with a name
Picture = NDArray[np.uint8]  # (H, W, C)


@dataclass(frozen=True)
class Tile:
    """A picture (TILE, TILE, C) uint8, and what it shows in words."""

    pixels: Picture
    caption: str

    @property
    def url(self) -> str:
        """The picture inside a page."""
        return data_url(self.pixels)


@dataclass(frozen=True)
class Sheet:
    """Rows of tiles of one class; `names` of the columns where they have some."""

    defect: str
    kind: str  # "", "severity" or "latents": how its file is named
    about: str
    rows: tuple[tuple[Tile, ...], ...]
    names: tuple[str, ...] = ()

    @property
    def picture(self) -> Picture:
        """All of it (H, W, C): the tiles framed in white, names of columns above."""
        framed = [
            [np.pad(tile.pixels, ((1, 1), (1, 1), (0, 0)), constant_values=255) for tile in row] for row in self.rows
        ]
        sheet = np.concatenate([np.concatenate(row, axis=1) for row in framed])
        return np.concatenate([_titles(self.names, sheet), sheet]) if self.names else sheet


def _titles(names: Sequence[str], below: Picture) -> Picture:
    """A white strip as wide as the sheet with the names of its columns."""
    strip = Image.new("L", (below.shape[1], TITLE), 255)
    for number, name in enumerate(names):
        ImageDraw.Draw(strip).text((number * (TILE + 2) + 4, 2), name, fill=30, font=ImageFont.load_default(13))
    return np.repeat(np.asarray(strip)[:, :, None], below.shape[2], axis=2)


@dataclass(frozen=True, eq=False)
class Studio:
    """What sheets are painted with, and on: clean parts, or where the real defects were, healed, where None."""

    bank: Bank
    painter: Painter
    gate: Gate
    clean: Sequence[Record] | None
    seed: int

    def spots(self, defect: int) -> list[Spot | None]:
        """A painted defect a column, None where all tries failed."""
        scenes = (
            scene_for(self.bank, self.clean, defect, SceneConfig(), self.seed, number) for number in range(COLUMNS)
        )
        return [paint_spot(scene, self.bank, self.painter, self.gate, self.seed) for scene in scenes]

    def overview(self, defect: int, spots: Sequence[Spot | None]) -> Sheet:
        """Real defects, painted ones, and the masks of those."""
        real = [self._tile(real_tile(self.bank, defect, number), "a real defect") for number in range(COLUMNS)]
        painted = [self._tile(spot.shown() if spot else None, "a painted defect") for spot in spots]
        masks = [
            self._tile(self._mask(spot) if spot else None, "the mask of the painted defect above") for spot in spots
        ]
        about = "Real defects above, painted ones below them, then the masks of the painted ones."
        return Sheet(self.bank.classes[defect], "", about, (tuple(real), tuple(painted), tuple(masks)))

    def severities(self, defect: int, spots: Sequence[Spot | None]) -> Sheet:
        """The same shapes at the same places, weaker and stronger."""
        names = tuple(f"severity {severity:g}" for severity in SEVERITIES)
        rows = [
            tuple(
                self._tile(spot.shown(severity=severity) if spot else None, name)
                for name, severity in zip(names, SEVERITIES, strict=True)
            )
            for spot in chosen(spots)
        ]
        about = "One defect a row: the painter's contrast at × 1, weaker to the left, stronger to the right."
        return Sheet(self.bank.classes[defect], "severity", about, tuple(rows), names)

    def latents(self, defect: int, spots: Sequence[Spot | None]) -> Sheet:
        """The same shapes at the same places, in many looks."""
        rows = [
            tuple(
                self._tile(look, f"look {number}")
                for number, look in enumerate(spot.looks(self.painter, COLUMNS) if spot else [None] * COLUMNS, 1)
            )
            for spot in chosen(spots)
        ]
        about = "One place and shape a row: only the latent and the noise of the painter change."
        return Sheet(self.bank.classes[defect], "latents", about, tuple(rows))

    def _mask(self, spot: Spot) -> Pixels:
        return np.repeat(spot.label[:, :, None].astype(np.float32), self.bank.channels, axis=2)

    def _tile(self, pixels: Pixels | None, caption: str) -> Tile:
        """Grey where there is nothing to show."""
        shown = np.full((TILE, TILE, self.bank.channels), 0.5, np.float32) if pixels is None else pixels
        name = caption if pixels is not None else "nothing to show"
        return Tile(to_uint(shown.transpose(2, 0, 1), np.dtype(np.uint8)), name)


def chosen(spots: Sequence[Spot | None]) -> list[Spot | None]:
    """The first ROWS that were painted; one empty row where none was."""
    painted: list[Spot | None] = [spot for spot in spots if spot]
    return painted[:ROWS] or [None]


KINDS: tuple[Callable[[Studio, int, Sequence[Spot | None]], Sheet], ...] = (
    Studio.overview,
    Studio.severities,
    Studio.latents,
)
