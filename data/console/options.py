"""Options that several commands have, and options that come together as one argument."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import reduce, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flawsmith.data.console.words import to_device, to_names
from flawsmith.data.errors import UsageError

if TYPE_CHECKING:
    import torch

    from flawsmith.data.formats.reading import Source
    from flawsmith.data.select import Selection
    from flawsmith.data.start import Start


def stack(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several options as one decorator, in the order in which --help shows them."""
    return lambda command: reduce(lambda inner, option: option(inner), reversed(options), command)


def bundle(name: str, kind: type, *options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The options as one argument of the command: `name`, a dataclass `kind` with a field for each of them."""

    def decorate(command: Callable[..., Any]) -> Any:
        @wraps(command)
        def bundled(*arguments: Any, **values: Any) -> Any:
            own = {one.name: values.pop(one.name) for one in fields(kind)}
            return command(*arguments, **values, **{name: kind(**own)})

        return stack(*options)(bundled)

    return decorate


def given(**options: Any) -> dict[str, Any]:
    """The options that were given; the others keep their configuration's default."""
    return {name: value for name, value in options.items() if value is not None}


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


FOLDER = click.Path(path_type=Path, file_okay=False)
DATA = click.Path(path_type=Path)  # a folder, an archive or a file of labels
FILE = click.Path(path_type=Path, dir_okay=False)
folder = click.argument("folder", type=DATA)
run_folder = click.argument("run", type=FOLDER)
model_folder = click.argument("model", type=FOLDER)
model_file = click.argument("model", type=DATA)
output = click.option("-o", "--output", type=FOLDER, required=True, help="Folder to write; a new one, or one to go on.")
seed = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Draws everything random.")
device = click.option("--device", callback=to_device, default="auto", show_default=True, help="auto, cpu, cuda:N.")
dry_run = click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print a line of JSON instead of text.")
split_file = click.option("--split", type=FILE, help="Split file: learn from its pool, score its test part.")
class_names = click.option("--classes", metavar="A,B", callback=to_names, help="Only these.", show_default="all")
real = click.option("--real", type=click.IntRange(min=1), help="Real defect images of each class.", show_default="all")
steps = click.option("--steps", type=click.IntRange(min=0), help="Training steps.", show_default="see --dry-run")
workers = click.option(
    "--workers", type=click.IntRange(min=1), default=cores, help="Processes.", show_default="one a core"
)
executor = click.option(
    "--executor",
    type=click.Choice(["processes", "ray"]),
    default="processes",
    show_default=True,
    help="Who runs the workers: this machine, or a Ray cluster (extra: cluster).",
)


reading = (
    click.option("--format", metavar="F", help="Of the labels.", show_default="found from the content"),
    click.option("--label-attribute", metavar="NAME", help="VIA: the attribute that is the class."),
    click.option("--labelbox-masks", type=FOLDER, help="Labelbox: folder of the downloaded masks."),
    click.option("--project", metavar="P", help="Labelbox: which project, by id or name."),
    click.option("--line-width", type=click.FloatRange(min=0, min_open=True), help="Pixels that open lines are wide."),
    click.option("--images", type=FOLDER, help="Where the images are, if not beside the labels."),
)


@dataclass(frozen=True)
class Common:
    """What every command that works for long can be told."""

    seed: int
    device: torch.device
    dry_run: bool
    as_json: bool


@dataclass(frozen=True)
class Learning:
    """What a command learns from."""

    folder: Source
    split: Path | None
    real: int | None
    classes: tuple[str, ...] | None

    def select(self, seed: int, painted: Sequence[str] = ()) -> Selection:
        """The drawn defect images and the good ones; good ones alone where painted classes are learned beside them."""
        from flawsmith.data.select import select

        return select(self.folder, self.split, self.real, self.classes, seed, painted)


def data_set(command: Callable[..., Any]) -> Any:
    """The argument `folder` with the options of reading it, as one Source."""

    @wraps(command)
    def sourced(*arguments: Any, folder: Path | Source, **values: Any) -> Any:
        from flawsmith.data.formats.reading import Reading, Source

        own = {one.name: values.pop(one.name) for one in fields(Reading)}
        # A Source already where one command calls another.
        source = folder if isinstance(folder, Source) else Source(folder, Reading(**own))
        return command(*arguments, folder=source, **values)

    return stack(folder, *reading)(sourced)


@dataclass(frozen=True)
class Starting:
    """What a training starts from other than its own first weights."""

    init: Path | None
    freeze: int
    layer_decay: float

    def start(self, split: Path | None) -> Start | None:
        """What the options make; raises UserError where what it starts from has seen a test image of the split."""
        from flawsmith.data.sources import refuse_test_sources
        from flawsmith.data.split import Split
        from flawsmith.data.start import Start

        if self.init is None:
            if self.freeze or self.layer_decay != 1:
                found = f"--freeze {self.freeze} --layer-decay {self.layer_decay:g}"
                raise UsageError("--init", "--freeze and --layer-decay keep what a checkpoint knows", found, "name one")
            return None
        if split is not None:
            folder = self.init if self.init.is_dir() else self.init.parent
            refuse_test_sources(folder, Split.load(split), "start from one that has not seen it")
        return Start(str(self.init), self.freeze, self.layer_decay)


starting = bundle(
    "starting",
    Starting,
    click.option(
        "--init",
        metavar="RUN|MODEL",
        type=DATA,
        help="Start from another product's: a run of fit to fit, a model of train to train.",
        show_default="anew",
    ),
    click.option(
        "--freeze",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Of --init: so many levels from the input on do not learn. A level is what works at one resolution.",
    ),
    click.option(
        "--layer-decay",
        type=click.FloatRange(0, 1, min_open=True),
        default=1.0,
        show_default=True,
        help="Of --init: the rate of each level, times that of the next.",
    ),
)
common = bundle("common", Common, seed, device, dry_run, as_json)
learning = bundle("learning", Learning, data_set, split_file, real, class_names)
