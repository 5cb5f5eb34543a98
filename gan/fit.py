"""Fitting the painter: the loop around the trainer, its checkpoints, and what it does when training goes wrong."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from flawsmith.data.checkpoint import load, save
from flawsmith.data.distributed import ALONE, Group
from flawsmith.data.errors import Unstable
from flawsmith.data.lock import locked
from flawsmith.data.plan import open_run
from flawsmith.data.select import Selection
from flawsmith.data.sources import read_sources, write_sources
from flawsmith.gan.bank import Bank, build
from flawsmith.gan.latents import Latents, measure
from flawsmith.gan.losslog import LossLog
from flawsmith.gan.patches import BlankPatches, RealPatches
from flawsmith.gan.samples import write_samples
from flawsmith.gan.structure import has_structure
from flawsmith.gan.trainer import Diverged, FitConfig, Trainer
from flawsmith.gan.transfer import Origin, save_discriminator

WHOLE = "real defects lie beside what looks like the part: all of the image is part"
STRUCTURED = "the parts have structure: defects go where it looks as around the real ones"
RETURNS = 4  # times that a diverged run goes back to its last good state before it stops


def fit(
    selection: Selection, config: FitConfig, output: Path, seed: int, device: torch.device, group: Group = ALONE
) -> Iterator[dict[str, Any]]:
    """Learn the defects of `selection` into `output`; yields {"step", "steps", losses}; resumes by itself.

    In a group every process calls it with the same arguments but the device; the first one alone writes. Raises
    UsageError where another command is at work in the folder.
    """
    with locked(output) if group.is_first else nullcontext():
        yield from fitted(selection, config, output, seed, device, group)


def fitted(
    selection: Selection, config: FitConfig, output: Path, seed: int, device: torch.device, group: Group
) -> Iterator[dict[str, Any]]:
    """The same, in a folder that is held."""
    group.refuse_small(config.batch)
    origin = Origin.open(config.start) if config.start and config.steps != 0 else None
    if origin is not None:  # by name and digest: where it lies has no part in what is learned
        config = replace(config, start=origin.start)
    plan = {
        "config": asdict(config),
        "classes": list(selection.classes),
        "seed": seed,
        "defects": [record.name for record in selection.defects],
    }
    group.agree("torchrun", "every process must be given the same command and data", plan)
    group.lead(lambda: prepare(selection, plan, output, seed, origin))
    there = [(output / f"{name}.safetensors").exists() for name in ("bank", "generator", "state")]
    group.agree(output, "every process must see the same output folder", there)
    bank = Bank.load(output / "bank.safetensors")
    if config.steps == 0 or there[1]:
        return
    trainer = Trainer(bank.channels, len(bank.classes), config, seed, device, group)
    trainer.game.appearance.standardise(*measure(bank, config.patch))
    if origin is not None:
        trainer.begin(origin, bank)
    if not there[2]:  # nothing is taken up
        notes = [origin.note(bank)] if origin is not None else []
        notes += [note for told, note in ((bank.whole, WHOLE), (bank.structured, STRUCTURED)) if told]
        yield from ({"step": 0, "steps": trainer.steps, "note": note} for note in notes)
    yield from run(trainer, bank, selection, config, output)
    group.lead(lambda: finish(trainer, bank, output))


def prepare(selection: Selection, plan: dict[str, Any], output: Path, seed: int, origin: Origin | None) -> None:
    """Start the folder or take it up; the bank is written before it is used.

    What the run learned from that it starts from is among its own sources: the networks remember it.
    """
    open_run(output, plan)
    write_sources(output, (*selection.defects, *selection.good), read_sources(origin.folder) if origin else None)
    if not (output / "bank.safetensors").exists():
        bank = build(selection, seed)
        structured = has_structure(bank, selection.good, seed)
        replace(bank, structured=structured).save(output / "bank.safetensors")


def run(
    trainer: Trainer, bank: Bank, selection: Selection, config: FitConfig, output: Path
) -> Iterator[dict[str, Any]]:
    """The steps that are left, with checkpoints, samples and a return to the last good state after a divergence."""
    seed, saved, share, group = trainer.seed, output / "state.safetensors", trainer.share, trainer.share.group
    step = attempt = 0
    if saved.exists():
        tensors, about = load(saved)
        trainer.restore(tensors)
        step, attempt = int(about["step"]), int(about["attempt"])
    group.agree(output, "every process must see the same checkpoint", step)
    trainer.align()
    good_state, good_step = trainer.state(), step
    reals = RealPatches(bank, config.patch, seed)
    blanks = BlankPatches(bank, selection.good, config.patch, config.blanks, seed, group)
    with LossLog(output / "losses.jsonl", step) if group.is_first else nullcontext() as log:
        while step < trainer.steps:
            try:
                real = reals.batch(step, config.batch, share.rows)
                losses = trainer.step(step, real, blanks.batch(step, real.defect, share.start), attempt)
            except Diverged:
                attempt += 1
                if attempt > RETURNS:
                    raise Unstable(
                        output,
                        "training diverged",
                        f"no finite step after {step}",
                        "lower --rate, or look at losses.jsonl",
                    ) from None
                trainer.restore(good_state)
                step, trainer.skipped = good_step, 0
                continue
            step += 1
            if log is not None:
                log.write({"step": step, **losses})
            if step % config.save_every == 0 and not trainer.skipped:
                good_state, good_step = trainer.state(), step
                if group.is_first:
                    save(saved, good_state, {"step": step, "attempt": attempt})
            if group.is_first and (step % config.sample_every == 0 or step == trainer.steps):
                write_samples(output / "samples" / f"{step:06d}.png", trainer, reals, blanks)
            yield {"step": step, "steps": trainer.steps, "loss": losses["rebuilt"], **losses}


def finish(trainer: Trainer, bank: Bank, output: Path) -> None:
    """Write the averaged generator with the latents of the real defects: all that painting needs beside the bank.

    The discriminator is kept for fits that start from this one. The checkpoint has no further use, and is removed.
    """
    save_discriminator(trainer.game, bank, output)
    measured, defect = measure(bank, trainer.config.patch)
    appearance = trainer.game.appearance.cpu()
    latents = Latents((measured - appearance.centre[defect]) / appearance.scale[defect], defect)
    tensors = {f"generator.{name}": value for name, value in trainer.average.state_dict().items()}
    save(
        output / "generator.safetensors",
        {name: value.cpu().contiguous() for name, value in tensors.items()} | latents.tensors(),
        {"generator": asdict(trainer.average.config), "classes": list(bank.classes), "fit": asdict(trainer.config)},
    )
    (output / "state.safetensors").unlink(missing_ok=True)
