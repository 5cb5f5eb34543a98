"""The demo job: the whole main job on computer-made parts, small enough for a coffee break on a laptop."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from flawsmith.data.demo import write_demo
from flawsmith.data.image import write_image
from flawsmith.data.read import read
from flawsmith.data.sheet import contact_sheet
from flawsmith.data.split import make_split
from flawsmith.gan.preview import preview
from flawsmith.gan.trainer import FitConfig
from flawsmith.segment.picture import Picture
from flawsmith.segment.report import write_report
from flawsmith.segment.train import TrainConfig
from flawsmith.segment.trial import TrialConfig, trial

NOTE = (
    "The parts are made by a computer and this is one seed: the figures show that everything works, "
    "and are no evidence that painted defects help on a real product."
)


@dataclass(frozen=True)
class DemoConfig:
    """The demo's trial: sized for under five minutes on two cores."""

    photos: int = 2  # photographs of each of the 76 parts: enough to need a split by part
    real: int = 5  # real defect images of each class: few, as in the job that this is for
    arms: tuple[str, ...] = ("real", "real+paste", "real+gan")  # a fourth would leave each too few steps
    trial: TrialConfig = field(
        default_factory=lambda: TrialConfig(fit=FitConfig(steps=300), train=TrainConfig(steps=100), count=120)
    )


def run(output: Path, config: DemoConfig, seed: int, device: torch.device) -> Iterator[dict[str, Any]]:
    """Parts, split, trial and report.html, all in `output`; yields the trial's progress, resumes what was begun."""
    parts, split = output / "parts", output / "split.json"
    yield {"task": "demo parts", "done": 0, "count": 1}
    if not (parts / "manifest.csv").exists():
        write_demo(parts, seed, photos=config.photos)
    if not split.exists():
        make_split(read(parts), 0.5, seed).save(split)
    work = output / "trial"
    for event in trial(parts, split, config.real, seed, config.arms, config.trial, work, device):
        if "results" in event:
            _report(output, event["results"], seed, device)
        yield event


def _report(output: Path, results: dict[str, Any], seed: int, device: torch.device) -> None:
    """Writes report.html: the note, the scores, the parts, the painted defects, what each network found."""
    parts, painted = output / "parts.png", output / "painted.png"
    write_image(parts, contact_sheet(read(output / "parts")))
    preview(output / "trial" / "fit", read(output / "parts").good, painted, seed, device)
    pictures = [
        Picture.read(parts, "The demo parts, made by a computer; true masks outlined"),
        Picture.read(painted, "Defects painted by the GAN onto parts without one"),
    ]
    for arm in results:
        overlays = sorted((output / "trial" / "arms" / arm / "eval" / "overlays").glob("*-median.png"))
        pictures += [Picture.read(path, f"{arm}: {path.stem} (image, truth, prediction)") for path in overlays]
    write_report(output / "report.html", "flawsmith demo", NOTE, results, pictures)
