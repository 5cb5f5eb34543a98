"""How fast the models are, beside how exact: python docs/models_speed.py [FOLDER --classes a,b]. See make bench.

All forms of all models see the same images in turn, in one process, so that whatever else the machine does slows all
of them alike. The own networks are trained as ever, so that what a form costs in exactness shows; the others for a few
steps, since speed hardly depends on weights.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from flawsmith.data.demo import write_demo
from flawsmith.data.device import autocast, cpu_has_bfloat16, memory_format
from flawsmith.data.image import to_float
from flawsmith.data.sample import load
from flawsmith.data.select import Selection, select
from flawsmith.segment.agreement import APART, LOST, Agreement, compare
from flawsmith.segment.export import Form as Exported
from flawsmith.segment.export import described, form_of
from flawsmith.segment.folding import folded
from flawsmith.segment.look import look
from flawsmith.segment.metrics import image_score
from flawsmith.segment.model import Model
from flawsmith.segment.models.choose import load_trained
from flawsmith.segment.models.classifier import Classifier
from flawsmith.segment.models.name import OWN, THRESHOLD
from flawsmith.segment.models.threshold import SETTINGS
from flawsmith.segment.onnx_model import INPUT, open_session
from flawsmith.segment.probes import Probe
from flawsmith.segment.quantise import quantise
from flawsmith.segment.segmenter import MODEL, Segmenter
from flawsmith.segment.tiles import Tiling
from flawsmith.segment.train import STEPS, TrainConfig, train

CPU = torch.device("cpu")
MODELS = (
    "fast",
    "small",
    "pretrained",
    "pair",
    "smp:resnet18",
    "smp:mobilenet_v2",
    "maskrcnn:resnet18",
    "classifier",
    "threshold",
)
BASELINE = ("smp:resnet18", "torch, float32")
FRAMES, TIMES = 60, 8  # goals: frames a second, and times the baseline's
LITTLE = 30  # steps: enough for Mask R-CNN to find few objects in a good part
WARM = 3  # rounds before the clock starts
HEAD = ("model", "form", "frames / s", "half lie in", "network alone", "× baseline")
HEAD += ("apart", "IoU lost", "exact", "parameters", "GFLOP", "MB")

Input = NDArray[np.float32]  # (1, C, H, W) in [0, 1]


@dataclass(frozen=True, eq=False)
class Float32:
    """A segmenter in float32, whatever the processor could do."""

    network: nn.Module
    classes: tuple[str, ...]
    channels: int

    def predict(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """The probabilities (K, H, W) float32 of an image (H, W, C)."""
        with torch.inference_mode():
            logits = alone(self.network, False)(to_float(image, self.channels)[None])
            return np.asarray(logits[0].sigmoid().numpy(), np.float32)


@dataclass(frozen=True, eq=False)
class Form:
    """A model as it can be run."""

    name: str
    form: str
    model: Model
    alone: Callable[[Input], Any] | None  # the network without what comes before and after; None: there is none
    size: int  # bytes of its file
    parameters: int | None = None
    work: float | None = None  # GFLOP an image
    agreement: Agreement | None = None  # with torch in float32; None: not compared
    seconds: list[tuple[float, float]] = field(default_factory=list)  # of each round: all of it, the network alone

    @property
    def exact(self) -> bool | None:
        """Whether it says what torch says in float32, within the limits of an export; None where nobody knows.

        Nobody knows where nothing was compared, or the model has found nothing that could be lost.
        """
        found = self.agreement
        return None if found is None or not found.masks.either else found.apart <= APART and found.lost <= LOST

    def rates(self, which: int = 0) -> tuple[float, float, float]:
        """Frames a second: lower quartile, median, upper quartile over the rounds."""
        low, middle, high = quantiles([one[which] for one in self.seconds], n=4)
        return 1 / high, 1 / middle, 1 / low

    def row(self, baseline: float | None) -> tuple[str, ...]:
        """Its line of the table."""
        low, middle, high = self.rates()
        found = self.agreement
        return (
            f"`{self.name}`",
            self.form,
            f"{middle:.1f}",
            f"{low:.1f} – {high:.1f}",
            "–" if self.alone is None else f"{self.rates(1)[1]:.1f}",
            "–" if baseline is None else f"{middle / baseline:.1f}",
            "–" if found is None else f"{found.apart:.1g}",
            "–" if found is None else f"{found.lost:.4f}",
            {None: "–", True: "yes", False: "no"}[self.exact],
            "–" if self.parameters is None else f"{self.parameters / 1e6:.2f} M",
            "–" if self.work is None else f"{self.work:.1f}",
            f"{self.size / 1e6:.1f}",
        )


def alone(network: nn.Module, fast: bool) -> Callable[[Input], Any]:
    """A network of torch from input to output, in bfloat16 if `fast`."""

    def run(values: Input) -> Any:
        with torch.inference_mode(), autocast(CPU, fast):
            return network(torch.from_numpy(values).to(memory_format=memory_format(CPU)))

    return run


def forms(name: str, folder: Path, probes: Sequence[Probe], size: int) -> Iterator[Form]:
    """The ways to run the model in a folder."""
    model = load_trained(folder, CPU)
    file = folder / (SETTINGS if name == THRESHOLD else MODEL)
    network = getattr(model, "network", None)
    if not isinstance(network, nn.Module):
        yield Form(name, "numpy", model, None, file.stat().st_size)
        return
    facts = (sum(one.numel() for one in network.parameters()), gigaflop(network, model.channels, size))
    bytes_ = file.stat().st_size
    if isinstance(model, Segmenter):
        quick = folded(network)
        exact = Float32(quick, model.classes, model.channels)
        original = form_of(model, folder).original
        yield Form(name, "torch, float32", exact, alone(quick, False), bytes_, *facts, compare(original, exact, probes))
        if cpu_has_bfloat16():
            found = compare(original, model, probes)
            yield Form(name, "torch, bfloat16", model, alone(quick, True), bytes_, *facts, found)
    else:
        yield Form(name, "torch, as predict", model, alone(network, isinstance(model, Classifier)), bytes_, *facts)
    if isinstance(model, Segmenter | Classifier):
        form = form_of(load_trained(folder, CPU), folder)
        graph = form.graph()
        for kind in ("float32", "int8") if name in OWN else ("float32",):
            yield exported(name, kind, form, graph, probes, facts)


def exported(
    name: str, kind: str, form: Exported, graph: Any, probes: Sequence[Probe], facts: tuple[int, float]
) -> Form:
    """The model as ONNX; int8 takes its ranges from every second image and is compared on the others."""
    small = kind == "int8"
    if small:
        graph = quantise(graph, (to_float(one.image, form.original.channels) for one in probes[::2]))
    content = described(graph, form, "", small)
    session = open_session(content)
    copy = form.copy(session)
    found = compare(form.original, copy, probes[1::2] if small else probes)

    def run(values: Input) -> Any:
        return session.run(None, {INPUT: values})

    return Form(name, f"ONNX, {kind}", copy, run, len(content), *facts, found)


def gigaflop(network: nn.Module, channels: int, size: int) -> float:
    """What the network computes for an image: twice its multiplications."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, channels, size, size))
    return float(counter.get_total_flops()) / 1e9


def measure(found: Sequence[Form], images: Sequence[NDArray[Any]], rounds: int) -> None:
    """Lets all forms see an image before any sees the next one; each twice, and the second time is timed.

    In a stream a model follows itself: its threads are awake, and nobody else's.
    """
    for number in range(-WARM, rounds):
        image = images[number % len(images)]
        for one in found:
            values = to_float(image, one.model.channels)[None]
            whole(one.model, image)
            start = perf_counter()
            whole(one.model, image)
            middle = perf_counter()
            if one.alone is not None:
                one.alone(values)
            if number >= 0:
                one.seconds.append((middle - start, perf_counter() - middle))


def whole(model: Model, image: NDArray[Any]) -> None:
    """What `predict` does with an image but for reading and writing: maps, single defects, a score for each class."""
    maps, _ = look(model, image, 0.5, 1, Tiling())
    for one in maps:
        image_score(one)


def prepared(selection: Selection, size: int, count: int) -> list[Probe]:
    """Parts with defects and good ones in turn, cut to size × size px or continued to it by reflection."""
    records = [one for pair in zip(selection.defects, selection.good, strict=False) for one in pair][:count]
    made = []
    for record in records:
        sample = load(record, selection.classes)
        pads = [(0, max(size - side, 0)) for side in sample.image.shape[:2]]
        image = np.pad(sample.image, (*pads, (0, 0)), mode="reflect")[:size, :size]
        truth = np.pad(sample.masks, ((0, 0), *pads), mode="reflect")[:, :size, :size]
        made.append(Probe(np.ascontiguousarray(image), truth))
    return made


def collect(options: argparse.Namespace, work: Path) -> tuple[list[Form], list[Probe]]:
    """Trains each model for a few steps; its forms, and the images."""
    data = options.data
    if data is None:
        few = {"parts": 2, "good": 4, "photos": 2} if options.quick else {}
        data = write_demo(work / "parts", 0, **few)
    selection = select(data, None, None if options.quick else 10, options.classes)
    probes, found = prepared(selection, options.size, 4 if options.quick else 16), []
    for name in options.models:
        steps = options.steps if name in OWN else min(options.steps, LITTLE)
        config = TrainConfig(model=name, steps=steps, patch=min(192, options.size))
        for _ in train(selection, (), config, work / name.replace(":", "-"), 0, CPU):
            pass
        found += forms(name, work / name.replace(":", "-"), probes, options.size)
    return found, probes


def goals(found: Sequence[Form], baseline: float | None) -> Iterator[str]:
    """The figures that were aimed at."""
    exact = [one for one in found if one.name in OWN and one.exact]
    if exact:
        best = max(exact, key=lambda one: one.rates()[1])
        rate = best.rates()[1]
        yield f"fastest exact form of an own network: `{best.name}`, {best.form}"
        yield f"- {rate:.1f} frames / s; goal ≥ {FRAMES}: {'met' if rate >= FRAMES else 'MISSED'}"
        if baseline is not None:
            times = rate / baseline
            yield f"- {times:.1f} × {' '.join(BASELINE)}; goal ≥ {TIMES}: {'met' if times >= TIMES else 'MISSED'}"


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, help="data set; default: the demo parts")
    parser.add_argument("--classes", type=lambda text: tuple(text.split(",")), help="default: all")
    parser.add_argument("--models", type=lambda text: tuple(text.split(",")), default=MODELS)
    parser.add_argument("--size", type=int, default=512, help="px a side")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--steps", type=int, default=STEPS, help="of the own networks")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="to see that it works: its figures mean nothing")
    options = parser.parse_args(words)
    if options.quick:
        options.size, options.rounds, options.steps = 96, 2, 2
    return options


def main(words: Sequence[str] | None = None) -> None:
    """Prints the table."""
    options = parse(words)
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    torch.set_num_threads(options.threads)
    with TemporaryDirectory() as folder:
        found, probes = collect(options, Path(folder))
        measure(found, [one.image for one in probes], options.rounds)
    baseline = next((one.rates()[1] for one in found if (one.name, one.form) == BASELINE), None)
    size, name = f"{options.size}×{options.size} px", options.data.name if options.data else "demo parts"
    print(f"{name} at {size}, {options.threads} threads, {platform.machine()}, torch {torch.__version__}\n")
    print(f"| {' | '.join(HEAD)} |\n|{' --- |' * len(HEAD)}")
    for one in found:
        print(f"| {' | '.join(one.row(baseline))} |")
    print(f"\nbaseline: {' '.join(BASELINE)}\n" + "\n".join(goals(found, baseline)))


if __name__ == "__main__":
    main()
