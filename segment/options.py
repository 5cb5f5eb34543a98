"""The options of choosing a model, of predicting and of explaining; the last two as one argument of a command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flawsmith.data.console.options import DATA, FILE, bundle, stack

if TYPE_CHECKING:
    from flawsmith.segment.explain.job import ExplainConfig
    from flawsmith.segment.predict import PredictConfig
    from flawsmith.segment.stream import Policy

threshold = click.option(
    "--threshold", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Probability of a defect."
)
min_area = click.option(
    "--min-area", type=click.IntRange(min=1), default=1, show_default=True, help="Pixels of the least defect."
)
choosing = stack(
    click.option(
        "--model",
        metavar="NAME",
        help="pair, pretrained, small, fast, smp:ENCODER, maskrcnn:resnet18 or resnet50, classifier or threshold.",
        show_default="pair",
    ),
    click.option(
        "--weights",
        metavar="PATH|imagenet",
        help="What the encoder of smp or maskrcnn starts from; imagenet is downloaded.",
        show_default="random",
    ),
    click.option(
        "--shrink",
        type=click.Choice(("1", "2", "4", "8")),  # of segment/shrink.py, which takes a while to import
        callback=lambda _context, _option, value: value and int(value),
        help="How many times smaller a network of maps sees the parts.",
        show_default="as their defects are wide",
    ),
    click.option(
        "--turn/--no-turn",
        default=None,
        help="Turn training patches by any angle, or by 15 degrees at most.",
        show_default="as good parts lie",
    ),
)


@dataclass(frozen=True)
class Predicting:
    """What is a defect, what is written, and what becomes of frames that come too fast."""

    threshold: float
    min_area: int
    to: tuple[str, ...]
    overlay: bool
    tile: int
    drop: Policy | None
    timeout: float
    frames: int | None

    def config(self) -> PredictConfig:
        """The configuration that the options make."""
        from flawsmith.segment.predict import PredictConfig
        from flawsmith.segment.tiles import Tiling

        return PredictConfig(
            threshold=self.threshold,
            least=self.min_area,
            tiling=Tiling(self.tile),
            to=self.to,
            overlay=self.overlay,
            drop=self.drop,
            timeout=self.timeout,
            frames=self.frames,
        )


predicting = bundle(
    "predicting",
    Predicting,
    threshold,
    min_area,
    click.option(
        "--to",
        type=click.Choice(["jsonl", "coco", "cvat", "png"]),
        multiple=True,
        default=("jsonl",),
        show_default=True,
        help="Labels to write; give it again for more. A video's are tracks in cvat.",
    ),
    click.option("--overlay", is_flag=True, help="Also pictures, and videos, with what was found drawn on them."),
    click.option(
        "--tile",
        type=click.IntRange(min=1),
        default=1024,
        show_default=True,
        help="Pixels, as the network sees them: larger images are cut.",
    ),
    click.option(
        "--drop",
        type=click.Choice(["none", "oldest", "newest"]),
        help="Frames that are dropped when the model is too slow.",
        show_default="none of a file, the oldest of a stream",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=10.0,
        show_default=True,
        help="Seconds without a frame after which a stream has stalled.",
    ),
    click.option("--frames", type=click.IntRange(min=1), help="Stop after so many of each video.", show_default="all"),
)


@dataclass(frozen=True)
class Explaining:
    """What is explained, and what it is compared with."""

    split: Path | None
    learned: Path | None
    synthetic: tuple[Path, ...]
    real: int | None
    baseline: Path | None
    rows: int
    layer: str | None
    threshold: float
    min_area: int

    def config(self) -> ExplainConfig:
        """The configuration that the options make."""
        from flawsmith.segment.explain.job import ExplainConfig

        return ExplainConfig(threshold=self.threshold, least=self.min_area, rows=self.rows, layer=self.layer)


explaining = bundle(
    "explaining",
    Explaining,
    click.option("--split", type=FILE, help="Split file: of a labelled set its test part alone."),
    click.option("--learned", type=DATA, help="Data set that train had.", show_default="as the model says"),
    click.option(
        "--synthetic", type=DATA, multiple=True, help="Painted set that train had.", show_default="as the model says"
    ),
    click.option(
        "--real",
        type=click.IntRange(min=1),
        help="Real defect images of each class that train had, if the model does not say.",
        show_default="all",
    ),
    click.option(
        "--baseline",
        type=DATA,
        help="A threshold that train wrote, beside the model.",
        show_default="fitted on what the model learned from",
    ),
    click.option(
        "--rows", type=click.IntRange(min=1), default=12, show_default=True, help="Of each kind that are explained."
    ),
    click.option("--layer", metavar="NAME", help="Of Grad-CAM.", show_default="the last of the coarsest maps"),
    threshold,
    min_area,
)
