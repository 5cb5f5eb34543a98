"""One synthetic image in the making: a clean part, and defects painted on it one after the other."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.image import read_image, read_mask, to_float, to_uint
from flawsmith.data.record import Record
from flawsmith.data.seeds import rng
from flawsmith.gan.bank import Bank
from flawsmith.gan.blend import composite
from flawsmith.gan.context import Survey, survey
from flawsmith.gan.label import noise_of, visible
from flawsmith.gan.painter import Job, Paint
from flawsmith.gan.placement import place_on
from flawsmith.gan.region import grow
from flawsmith.gan.shapes import draw_shape, sample_shape
from flawsmith.gan.standout import standout

CONTEXT = 32  # px of clean part around a defect that the painter sees
GRAIN = 32  # px: window sides are multiples of this, so that windows of one size are common


@dataclass(frozen=True)
class SceneConfig:
    """What is painted on one image, and when a defect counts as painted."""

    tries: int = 12  # draws of shape, place and look for one defect, before the image is given up
    least_fill: float = 0.3  # part of the drawn shape that must visibly change: an invisible defect is label noise
    faintest: float = 0.25  # quantile of the real defects of the class that a painted one must stand out as far as
    gap: int = 6  # px between two defects of one image


@dataclass(frozen=True)
class Proposal:
    """A defect about to be painted: the window's place in the image, the job, and what provenance keeps of it."""

    top: int
    left: int
    job: Job
    least: float  # how far it must stand out
    about: dict[str, Any]


@dataclass
class Scene:
    """The state of one image; `paint` proposals until it is done or given up."""

    index: int
    record: Record
    defect: int
    wanted: int
    pixels: NDArray[Any]  # (H, W, C) uint8 or uint16: the clean part, then what was painted on it
    survey: Survey  # of the clean part: where defects may go and what surrounds each place
    masks: list[NDArray[np.bool_]] = field(default_factory=list)  # (H, W) each: one a painted defect
    defects: list[dict[str, Any]] = field(default_factory=list)  # provenance of each
    reasons: Counter[str] = field(default_factory=Counter)  # why tries failed
    attempt: int = 0

    @property
    def done(self) -> bool:
        """All defects wanted are painted."""
        return len(self.masks) == self.wanted

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(H, W): every pixel that visibly changed."""
        nothing = np.zeros(self.pixels.shape[:2], bool)
        return np.asarray(np.logical_or.reduce([nothing, *self.masks]), bool)


def begin(bank: Bank, clean: tuple[Record, ...], classes: tuple[int, ...], seed: int, index: int) -> Scene:
    """Image `index`: the clean parts in shuffled rounds, the classes in turn, as many defects as real images have."""
    turn, place = divmod(index, len(clean))
    record = clean[int(rng(seed, "clean", turn).permutation(len(clean))[place])]
    defect = classes[index % len(classes)]
    wanted = bank.sample_count(defect, rng(seed, "count", index))
    pixels = read_image(record.image)
    roi = None if record.roi is None else read_mask(record.roi) > 0
    part = survey(to_float(pixels, bank.channels).transpose(1, 2, 0), roi)
    return Scene(index, record, defect, wanted, pixels, part)


def propose(scene: Scene, bank: Bank, config: SceneConfig, seed: int) -> Proposal | None:
    """The next try of the next defect; None, with the reason counted, where it found no place."""
    key = (scene.index, len(scene.masks), scene.attempt)
    random = rng(seed, "defect", *key)
    clean = to_float(scene.pixels, bank.channels).transpose(1, 2, 0)
    place = place_on(scene.survey, draw_shape(sample_shape(bank, scene.defect, random), bank), bank, random)
    if place is None:
        scene.reasons["no place for the shape"] += 1
        return None
    whole = place.mask(clean.shape)
    height, width = place.shape.mask.shape
    if any((grow(mask, config.gap) & whole).any() for mask in scene.masks):
        scene.reasons["on another defect"] += 1
        return None
    top, bottom = span(place.top, height, clean.shape[0])
    left, right = span(place.left, width, clean.shape[1])
    job = Job(
        clean[top:bottom, left:right],
        whole[top:bottom, left:right],
        scene.defect,
        place.shape.params,
        place.top - top,
        place.left - left,
        (seed, *key),
    )
    about = {"shape": asdict(place.shape.params), "top": place.top, "left": place.left, "try": scene.attempt}
    return Proposal(top, left, job, least_standout(scene, bank, config), about)


def least_standout(scene: Scene, bank: Bank, config: SceneConfig) -> float:
    """How far the next defect must stand out: as far as all but the faintest real ones do, less with every try.

    What is fainter than nearly all real defects teaches a network to take a part's own spots for defects. The second
    half of the tries asks for nothing: rather a faint defect than an image less.
    """
    known = bank.standouts[scene.defect]
    if not known or 2 * scene.attempt >= config.tries:
        return 0.0
    return float(np.quantile(known, config.faintest)) * (1 - scene.attempt / config.tries)


def accept(scene: Scene, proposal: Proposal, paint: Paint, config: SceneConfig) -> bool:
    """Put the paint on the image if it shows; every pixel where alpha is 0 keeps its bits."""
    job, support = proposal.job, paint.alpha > 0
    height, width = job.mask.shape
    window = np.s_[proposal.top : proposal.top + height, proposal.left : proposal.left + width]
    before = scene.pixels[window]
    after = np.where(
        support[:, :, None], mixed(before, job.clean, composite(job.clean, paint.painted, paint.alpha)), before
    )
    channels = job.clean.shape[2]
    changed = to_float(after, channels).transpose(1, 2, 0)
    label = visible(job.clean, changed, support, noise_of(job.clean))
    fill = float((label & job.mask).sum() / max(job.mask.sum(), 1))
    if fill < config.least_fill:
        scene.reasons["not visible"] += 1
        return False
    strength = standout(changed, label)
    if strength < proposal.least:
        scene.reasons["fainter than the real ones"] += 1
        return False
    whole = np.zeros(scene.pixels.shape[:2], bool)
    whole[window] = label
    scene.pixels = scene.pixels.copy()
    scene.pixels[window] = after
    scene.masks.append(whole)
    told = {"fill": round(fill, 4), "area": int(label.sum()), "standout": round(strength, 3)}
    scene.defects.append({**proposal.about, **told})
    return True


def mixed(before: NDArray[Any], clean: NDArray[np.float32], painted: NDArray[np.float32]) -> NDArray[Any]:
    """`painted` (h, w, c) in depth and channels of `before` (h, w, C): grey paint shades all colours, alpha stays."""
    colours = min(before.shape[2], 3)
    if colours != painted.shape[2]:
        shade = (painted - clean).mean(2, keepdims=True)
        painted = to_float(before, colours).transpose(1, 2, 0) + shade
    result = to_uint(np.clip(painted, 0, 1).transpose(2, 0, 1), before.dtype)
    return np.concatenate([result, before[:, :, colours:]], axis=2)


def span(start: int, extent: int, length: int) -> tuple[int, int]:
    """A window around [start, start + extent) with context, a multiple of GRAIN long, within [0, length)."""
    side = min(-(-(extent + 2 * CONTEXT) // GRAIN) * GRAIN, length)
    low = int(np.clip(start + extent // 2 - side // 2, 0, length - side))
    return low, low + side
