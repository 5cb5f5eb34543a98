"""The options of painting, as one argument of a command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from flawsmith.data.console.options import bundle, executor, given, workers
from flawsmith.data.console.words import to_counts, to_range
from flawsmith.gan.production.shard import Shard

if TYPE_CHECKING:
    from flawsmith.gan.production.config import GenerateConfig


def to_shard(ctx: click.Context, param: click.Parameter, value: str | None) -> Shard | None:
    """The shard of "2/8"."""
    return None if value is None else Shard.parse(value)


painter = click.option(
    "--painter",
    type=click.Choice(["gan", "paste", "poisson", "procedural"]),
    default="gan",
    show_default=True,
    help="Who paints: the GAN, or one of the baselines with the same shapes and places.",
)
shard = click.option(
    "--shard",
    metavar="I/N",
    callback=to_shard,
    help="Paint every N-th image, into OUTPUT/shard-I-of-N; auto or auto/N in a job array.",
)


@dataclass(frozen=True)
class Painting:
    """What is painted, and by whom."""

    count: int | Mapping[str, int]
    painter: str
    balance: bool
    good: float
    defects: tuple[float, float] | None
    distance: int
    size: tuple[float, float] | None
    severity: tuple[float, float] | None
    rotation: tuple[float, float] | None
    position: str
    region: str
    gate: bool
    image_format: str
    compression: int
    workers: int
    shard: Shard | None
    executor: str

    def config(self, classes: tuple[str, ...] | None) -> GenerateConfig:
        """The configuration that the options make."""
        from flawsmith.gan.control import Control
        from flawsmith.gan.gate import GateConfig
        from flawsmith.gan.production.config import GenerateConfig
        from flawsmith.gan.scene import SceneConfig

        defects = None if self.defects is None else (int(self.defects[0]), int(self.defects[1]))
        wishes = given(defects=defects, size=self.size, severity=self.severity, rotation=self.rotation)
        control = Control(**wishes, anywhere=self.position == "anywhere", distance=self.distance)
        counts = {"counts": tuple(self.count.items())} if isinstance(self.count, Mapping) else {"count": self.count}
        return GenerateConfig(
            **counts,
            **given(classes=classes),
            balance=self.balance,
            good=self.good,
            painter=self.painter,
            scene=SceneConfig(control=control),
            gate=GateConfig(copies=self.gate, critic=self.gate),
            image_format=self.image_format,
            level=self.compression,
        )


painting = bundle(
    "painting",
    Painting,
    click.option(
        "-n",
        "--count",
        metavar="N|A=N,B=N",
        callback=to_counts,
        required=True,
        help="Images to paint: of all classes in equal shares, or of each.",
    ),
    painter,
    click.option("--balance", is_flag=True, help="Equal shares of real and painted images together."),
    click.option(
        "--good", type=click.FloatRange(0, 1, max_open=True), default=0.0, help="Share of the set left untouched."
    ),
    click.option("--defects", metavar="A:B", callback=to_range, help="On an image.", show_default="as on real ones"),
    click.option(
        "--distance", type=click.IntRange(min=0), default=6, show_default=True, help="Pixels between two defects."
    ),
    click.option(
        "--size", metavar="A:B", callback=to_range, help="Longer side, in pixels.", show_default="as real ones"
    ),
    click.option(
        "--severity", metavar="A:B", callback=to_range, help="Times the painter's contrast.", show_default="1"
    ),
    click.option(
        "--rotation", metavar="A:B", callback=to_range, help="Degrees from the real ones.", show_default="as real ones"
    ),
    click.option(
        "--position",
        type=click.Choice(["real", "anywhere"]),
        default="real",
        show_default=True,
        help="In surroundings like those of the real ones, or anywhere in the region.",
    ),
    click.option(
        "--region",
        metavar="PATH",
        default="auto",
        show_default=True,
        help="Where defects may be: a mask for all parts, a folder with one for each, or auto.",
    ),
    click.option("--gate/--no-gate", default=True, help="Paint again what is a near-copy or unlike the real ones."),
    click.option(
        "--image-format",
        type=click.Choice(["png", "tiff", "webp", "bmp"]),
        default="png",
        show_default=True,
        help="Lossless.",
    ),
    click.option(
        "--compression", type=click.IntRange(0, 9), default=1, show_default=True, help="Higher: smaller, slower."
    ),
    workers,
    shard,
    executor,
)
