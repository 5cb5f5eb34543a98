"""Training the segmenter: one fixed recipe, the same work whatever the data."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from flawsmith.data.augment import AugmentConfig
from flawsmith.data.device import memory_format
from flawsmith.data.distributed import ALONE, Group, Share
from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.files import new_folder
from flawsmith.data.levels import Levels, groups, hold
from flawsmith.data.pose import lie_any_way
from flawsmith.data.record import Record
from flawsmith.data.seeds import rng
from flawsmith.data.select import Selection
from flawsmith.data.sources import SOURCES, merged, read_sources, write_sources
from flawsmith.data.start import Start
from flawsmith.segment.batches import Batches, Pool, plan
from flawsmith.segment.levels import levels_of
from flawsmith.segment.mining import hard_spots
from flawsmith.segment.models.choose import family_of
from flawsmith.segment.models.family import Family
from flawsmith.segment.models.name import OWN, THRESHOLD, check_model, gives_maps
from flawsmith.segment.models.threshold_fit import fit_threshold
from flawsmith.segment.network import AVERAGE, AVERAGES, WIDTHS, Network
from flawsmith.segment.pair import SPLIT, PairUNet, learners
from flawsmith.segment.reduced import reduce
from flawsmith.segment.segmenter import MODEL
from flawsmith.segment.shared import share_layers
from flawsmith.segment.shrink import SHRINKS, shrink_for
from flawsmith.segment.transfer import Origin

STEPS = 150  # under a minute on two CPU cores; with twice as many, few parts that lie straight are learned by heart
TURNED_STEPS = 300  # with half as many, the grooves of a part are still taken for scratches
ENCODER_LEVELS = 4  # of the networks that are not the own U-Nets: down to a thirty-second
SMALLER = "parts are seen {} times smaller, since their defects are wide"
PATIENCE = 20  # steps in a row with a loss that is no number, after which the training has failed


@dataclass(frozen=True)
class TrainConfig:
    """The recipe; docs/ tells what was tried beside it."""

    steps: int | None = None  # of each network; none: STEPS, or TURNED_STEPS where patches are turned by any angle
    batch: int = 12  # patches
    patch: int = 192  # px, as the network sees them
    shrink: int | None = None  # how many times smaller it sees the parts; none: as their defects are, see shrink.py
    lr: float = 3e-3  # of AdamW, at its peak
    warmup: float = 0.1  # of the steps, linear; then half a cosine down to 0
    decay: float = 1e-2
    clip: float = 1.0  # largest norm of the gradient
    average: float | None = None  # decay of the moving average of the weights, which is the model; none: its own
    model: str = "pair"  # one of models/name.py
    weights: str | None = None  # a file, or imagenet, that an encoder from another package starts from
    widths: tuple[int, ...] = ()  # channels of an own U-Net's levels; none: the network's own
    dropout: float = 0.1
    defect_share: float = 0.5  # of the patches lie at a defect
    painted_share: float = 1 / 3  # of those are painted, where there are painted ones
    mine_at: float = 0.4  # of the steps: hard places of good parts are looked for then; 0: never
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    start: Start | None = None  # another model to start from; none: as the network begins

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise UsageError("--steps", "training needs at least 1 step", self.steps)
        check_model(self.model)
        if self.shrink not in (None, *SHRINKS):
            raise UsageError("--shrink", f"is one of {', '.join(map(str, SHRINKS))}", self.shrink)
        if self.shrink not in (None, 1) and not gives_maps(self.model):
            raise UsageError("--shrink", "is of networks that give every pixel a logit", f"--model {self.model}")
        if self.augment.turn is not None and self.model == THRESHOLD:
            raise UsageError("--turn", "a threshold learns from no patches", f"--model {THRESHOLD}", "leave it out")
        if self.start is not None and self.model == THRESHOLD:
            raise UsageError("--init", "a threshold has no weights to start from", f"--model {THRESHOLD}")
        if self.start is not None and self.weights is not None:
            raise UsageError("--weights", "--init gives all weights, the encoder's too", self.weights, "leave one out")
        if self.batch < 2 or self.patch < 2 ** (self._levels() + 1):
            raise UsageError("train", "needs a batch >= 2 and a patch that survives the pooling", self)
        if not (0 < self.defect_share < 1 and 0 <= self.painted_share <= 0.5 and 0 <= (self.average or 0) < 1):
            raise UsageError("train", "shares lie between 0 and 1, painted_share is at most 0.5", self)

    @property
    def length(self) -> int:
        """The steps of each network, once it is settled whether patches are turned."""
        if self.steps is not None:
            return self.steps
        return TURNED_STEPS if self.augment.turn else STEPS

    def _levels(self) -> int:
        if self.model not in OWN:
            return ENCODER_LEVELS
        widths = self.widths or WIDTHS[self.model]
        return len(widths[SPLIT:] if self.model == PairUNet.name else widths)


def train(
    selection: Selection,
    synthetic: Sequence[Record],
    config: TrainConfig,
    output: Path,
    seed: int,
    device: torch.device,
    group: Group = ALONE,
    made_from: Mapping[str, str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Trains on the selection's records and painted ones, and writes the model's file into `output`.

    In a group every process calls it with the same arguments but the device; the first one alone writes. `made_from`
    are the sources of the painted ones: they go into the model's own.

    Yields {"step", "steps", "loss"} (no loss where the step was skipped), and first a "note" where it starts from
    another model; after the last one the model is on disk. The same number of steps whatever the data; the networks of
    a pair take them one after the other. The result is a function of data, config, seed and the weights that it starts
    from, on one machine.
    Raises UserError where no defect is given, where the folder is not new, or where the training diverges.
    """
    if not selection.defects and not synthetic:
        raise UserError(selection.dataset.root, "training needs at least one image with a defect", 0)
    if group.world > 1 and config.model not in OWN:
        rule = f"several processes train --model {' or '.join(OWN)}"
        raise UsageError("torchrun", rule, config.model, "start a single process")
    group.refuse_small(config.batch)
    origin = Origin.open(config.start) if config.start else None
    if origin is not None:  # by name and digest: where it lies has no part in what is learned
        origin.check(config.model)
        config = replace(config, start=origin.start)
    learned = (*selection.defects, *synthetic, *selection.good)
    told = (config, seed, [record.name for record in learned])
    group.agree("torchrun", "every process must be given the same command and data", told)
    group.lead(lambda: new_folder(output, (SOURCES,)))
    sources = merged(made_from or {}, read_sources(origin.folder) if origin else {})
    if config.model == THRESHOLD:  # there are no steps, only choices
        write_sources(output, learned, sources)
        yield from fit_threshold(selection, synthetic, config, output, seed)
        return
    family, batches = family_of(config.model), make_batches(selection, synthetic, config, seed)
    config = replace(config, augment=batches.augment, shrink=batches.real.shrink)
    config = replace(config, steps=config.length)
    with torch.random.fork_rng():
        torch.manual_seed(_number(seed, "weights"))
        network = family.start(config, batches.channels, len(selection.classes))
    steps = config.length * len(learners(network, config.model))
    if origin is not None:
        origin.start.refuse_deep(len(levels_of(network)))
        origin.put_into(network, selection.classes, batches.channels)
        yield {"step": 0, "steps": steps, "note": origin.note(selection.classes, batches.channels)}
    if batches.real.shrink > 1:
        yield {"step": 0, "steps": steps, "note": SMALLER.format(batches.real.shrink)}
    share = group.share(config.batch)
    share_layers(network, share)
    network.to(device, memory_format=memory_format(device))  # type: ignore[call-overload]
    group.align(network.state_dict().values())
    for number, (kind, learner) in enumerate(learners(network, config.model).items()):
        for event in descend(learner, kind, batches, family, config, seed, device, share):
            yield event | {"step": number * config.length + event["step"], "steps": steps}
    recipe = {"seed": seed, **asdict(config)}
    reduce(network, batches.real.shrink)
    model = family.model(network, selection.classes, batches.channels, device)
    group.lead(lambda: write_sources(output, learned, sources))
    group.lead(lambda: model.save(output / MODEL, recipe))
    yield {"step": steps, "steps": steps}


def make_batches(selection: Selection, synthetic: Sequence[Record], config: TrainConfig, seed: int) -> Batches:
    """The stream of batches; colour as soon as any image that shows a defect, or the first good one, has it."""
    classes = selection.classes
    shrink = shrunk_as_defects_are(config, selection, synthetic)
    pools = [Pool(records, classes, shrink=shrink) for records in (selection.defects, synthetic, selection.good)]
    real, painted, good = pools
    kinds = plan(config.batch, config.defect_share, config.painted_share, len(real), len(painted), len(good))
    seen = [*(real.sample(i) for i in range(len(real))), *(pool.sample(0) for pool in pools if len(pool))]
    channels = 3 if any(sample.image.shape[2] >= 3 for sample in seen) else 1
    return Batches(
        real, painted, good, kinds, channels, config.patch, seed, turned_as_parts_lie(config, selection.good)
    )


def turned_as_parts_lie(config: TrainConfig, good: Sequence[Record]) -> AugmentConfig:
    """Its augmentation, with it decided whether patches are turned: as good parts are, unless steps are few."""
    if config.augment.turn is not None:
        return config.augment
    enough = config.steps is None or config.steps >= STEPS
    return replace(config.augment, turn=enough and lie_any_way(good))


def shrunk_as_defects_are(config: TrainConfig, selection: Selection, synthetic: Sequence[Record]) -> int:
    """How many times smaller parts are shown: as real defects ask for, or painted ones where there are none."""
    if config.shrink is not None or not gives_maps(config.model):
        return config.shrink or 1
    return shrink_for(selection.defects or synthetic, selection.classes, config.patch)


def descend(
    network: nn.Module,
    kind: str,
    batches: Batches,
    family: Family,
    config: TrainConfig,
    seed: int,
    device: torch.device,
    share: Share,
) -> Iterator[dict[str, Any]]:
    """The steps of the optimiser, after which the network is the moving average of its weights.

    Those whose loss or gradient is no finite number change nothing.
    """
    decay = AVERAGES.get(kind, AVERAGE) if config.average is None else config.average
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]
    levels: Levels = levels_of(network) if config.start else ()
    network.train()
    hold(network, levels, config.start)
    peak = config.lr * family.pace
    optimiser = torch.optim.AdamW(groups(network, levels, config.start), peak, weight_decay=config.decay)
    learned = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    skipped = 0
    for step in range(config.length):
        if family.mines and step == round(config.mine_at * config.length) and step and len(batches.good):
            batches = mined(averaged, batches, device, share.group)
        for group in optimiser.param_groups:
            group["lr"] = peak * rate(step, config) * group["share"]
        images, truth = batches.batch(step, share.rows)
        loss = _gradient(network, images, truth, family, _number(seed, "dropout", step), device, share)
        norm = nn.utils.clip_grad_norm_(learned, config.clip)
        finite = math.isfinite(loss) and bool(torch.isfinite(norm))
        skipped = 0 if finite else skipped + 1
        if skipped > PATIENCE:
            raise UserError("train", "the loss must be a finite number", f"{skipped} steps without", "lower the lr")
        if finite:
            optimiser.step()
            averaged.update_parameters(network)
        else:  # the forward pass may have spoilt the running statistics: back to those of the last good step
            _copy_buffers(averaged.module, network)
        yield {"step": step + 1, **({"loss": loss} if finite else {})}
    network.load_state_dict(averaged.module.state_dict())


def mined(averaged: AveragedModel, batches: Batches, device: torch.device, group: Group) -> Batches:
    """The same stream, from now on with the good parts' places that the averaged network takes for defects."""
    model = cast(Network, copy.deepcopy(averaged.module))
    spots = hard_spots(model, batches.good, len(batches.good.classes), batches.channels, device, group)
    return replace(batches, hard=spots)


def _gradient(
    network: nn.Module, images: Tensor, truth: Tensor, family: Family, seed: int, device: torch.device, share: Share
) -> float:
    """Fills the gradients; returns the loss; both of the whole batch, of which images and truth are this share.

    Dropout depends on `seed` alone, and the caller's randomness stays his.
    """
    network.zero_grad()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        shown = images.to(device, memory_format=memory_format(device))
        loss = family.loss(network, shown, truth.to(device), share.group)
    share.weighted(loss).backward()  # type: ignore[no-untyped-call]
    share.group.sum_gradients(network.parameters())
    return share.means({"loss": loss.item()})["loss"]


def _copy_buffers(source: nn.Module, target: nn.Module) -> None:
    for kept, spoilt in zip(source.buffers(), target.buffers(), strict=True):
        spoilt.copy_(kept)


def rate(step: int, config: TrainConfig) -> float:
    """The learning rate of a step as a share of its peak: linear warm-up, then half a cosine."""
    warmup = max(1, round(config.warmup * config.length))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 + 0.5 * math.cos(math.pi * (step - warmup) / max(1, config.length - warmup))


def _number(seed: int, stream: str, *index: int) -> int:
    return int(rng(seed, stream, *index).integers(2**63))
