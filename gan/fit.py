"""Fitting the painter: the loop around the trainer, its checkpoints, and what it does when training goes wrong."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from flawsmith.data.checkpoint import load, save
from flawsmith.data.errors import UserError
from flawsmith.data.plan import open_run
from flawsmith.data.select import Selection
from flawsmith.data.sources import write_sources
from flawsmith.gan.bank import Bank, build
from flawsmith.gan.latents import Latents, measure
from flawsmith.gan.losslog import LossLog
from flawsmith.gan.patches import BlankPatches, RealPatches
from flawsmith.gan.samples import write_samples
from flawsmith.gan.trainer import Diverged, FitConfig, Trainer

RETURNS = 4  # times that a diverged run goes back to its last good state before it stops


def fit(
    selection: Selection, config: FitConfig, output: Path, seed: int, device: torch.device
) -> Iterator[dict[str, Any]]:
    """Learn the defects of `selection` into `output`; yields {"step", "steps", losses}; resumes by itself."""
    plan = {
        "config": asdict(config),
        "classes": list(selection.classes),
        "seed": seed,
        "defects": [record.name for record in selection.defects],
    }
    open_run(output, plan)
    write_sources(output, (*selection.defects, *selection.good))
    bank = open_bank(output / "bank.safetensors", selection, seed)
    if config.steps == 0 or (output / "generator.safetensors").exists():
        return
    trainer = Trainer(bank.channels, len(bank.classes), config, seed, device)
    trainer.game.appearance.standardise(*measure(bank, config.patch))
    yield from run(trainer, bank, selection, config, output)
    finish(trainer, bank, output)
    (output / "state.safetensors").unlink(missing_ok=True)


def open_bank(path: Path, selection: Selection, seed: int) -> Bank:
    """The bank of a run that was begun, or a new one, written before it is used."""
    if not path.exists():
        build(selection, seed).save(path)
    return Bank.load(path)


def run(
    trainer: Trainer, bank: Bank, selection: Selection, config: FitConfig, output: Path
) -> Iterator[dict[str, Any]]:
    """The steps that are left, with checkpoints, samples and a return to the last good state after a divergence."""
    seed, saved = trainer.seed, output / "state.safetensors"
    step = attempt = 0
    if saved.exists():
        tensors, about = load(saved)
        trainer.restore(tensors)
        step, attempt = int(about["step"]), int(about["attempt"])
    good_state, good_step = trainer.state(), step
    reals = RealPatches(bank, config.patch, seed)
    blanks = BlankPatches(bank, selection.good, config.patch, config.blanks, seed)
    with LossLog(output / "losses.jsonl", step) as log:
        while step < trainer.steps:
            try:
                real = reals.batch(step, config.batch)
                losses = trainer.step(step, real, blanks.batch(step, real.defect), attempt)
            except Diverged:
                attempt += 1
                if attempt > RETURNS:
                    raise UserError(
                        output,
                        "training diverged",
                        f"no finite step after {step}",
                        "lower --rate, or look at losses.jsonl",
                    ) from None
                trainer.restore(good_state)
                step, trainer.skipped = good_step, 0
                continue
            step += 1
            log.write({"step": step, **losses})
            if step % config.save_every == 0 and not trainer.skipped:
                good_state, good_step = trainer.state(), step
                save(saved, good_state, {"step": step, "attempt": attempt})
            if step % config.sample_every == 0 or step == trainer.steps:
                write_samples(output / "samples" / f"{step:06d}.png", trainer, reals, blanks)
            yield {"step": step, "steps": trainer.steps, "loss": losses["rebuilt"], **losses}


def finish(trainer: Trainer, bank: Bank, output: Path) -> None:
    """Write the averaged generator with the latents of the real defects: all that painting needs beside the bank."""
    measured, defect = measure(bank, trainer.config.patch)
    appearance = trainer.game.appearance.cpu()
    latents = Latents((measured - appearance.centre[defect]) / appearance.scale[defect], defect)
    tensors = {f"generator.{name}": value for name, value in trainer.average.state_dict().items()}
    save(
        output / "generator.safetensors",
        {name: value.cpu().contiguous() for name, value in tensors.items()} | latents.tensors(),
        {"generator": asdict(trainer.average.config), "classes": list(bank.classes), "fit": asdict(trainer.config)},
    )
