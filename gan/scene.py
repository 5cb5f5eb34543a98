"""One synthetic image in the making: a clean part, and defects painted on it one after the other.

Of the image only windows are touched: it may be as large as memory holds, and what is not painted keeps its bits.
"""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.errors import UserError
from flawsmith.data.geometry.patch import Patch
from flawsmith.data.image import read_image, read_mask, to_float, to_uint
from flawsmith.data.record import Record
from flawsmith.data.seeds import rng
from flawsmith.gan.bank import Bank
from flawsmith.gan.blend import composite
from flawsmith.gan.context import Survey, survey
from flawsmith.gan.control import Control
from flawsmith.gan.gate import Gate
from flawsmith.gan.painter import Job, Paint
from flawsmith.gan.placement import place_on
from flawsmith.gan.region import Mask, Pixels, grow
from flawsmith.gan.severity import harder
from flawsmith.gan.shapes import Shape
from flawsmith.gan.standout import standout
from flawsmith.gan.visible import noise_of, visible

# px of clean part around a defect that the painter sees. With 32 the paint of four classes differs by 0.1 to 0.2 grey
# levels of 255 on average, and takes twice as long.
CONTEXT = 16
DARKEST = 1e-3  # of the brightness by which colours are divided
GRAIN = 32  # px: window sides are multiples of this, so that windows of one size are common

NO_PLACE = "no place for the shape"

Stream = tuple[int, ...]  # what, with the seed, all randomness of an image comes from: its index, how often made anew


@dataclass(frozen=True)
class SceneConfig:
    """What is painted on one image, and when a defect counts as painted."""

    tries: int = 12  # draws of shape, place and look for one defect, before the image is given up
    least_fill: float = 0.3  # of the share of real masks that visibly differs: an invisible defect is label noise
    faintest: float = 0.25  # quantile of the real defects of the class that a painted one must stand out as far as
    control: Control = field(default_factory=Control)


@dataclass(frozen=True)
class Proposal:
    """A defect about to be painted: the window's place in the image, the job, and what provenance keeps of it."""

    top: int
    left: int
    job: Job
    allowed: Mask  # (h, w): where in the window paint may be
    severity: float
    least: float  # how far it must stand out
    shown: float  # share of real masks of the class that visibly differs from a part without a defect
    about: dict[str, Any]


@dataclass
class Scene:
    """The state of one image; `paint` proposals until it is done or given up."""

    stream: Stream
    record: Record
    defect: int
    wanted: int
    pixels: NDArray[Any]  # (H, W, C) uint8 or uint16: the clean part, then what was painted on it
    survey: Survey  # of the clean part: where defects may go and what surrounds each place
    shapes: tuple[Shape, ...]  # of the defects wanted: see draw_shapes
    labels: list[Patch] = field(default_factory=list)  # one a painted defect: its shape, where paint may be
    defects: list[dict[str, Any]] = field(default_factory=list)  # provenance of each
    reasons: Counter[str] = field(default_factory=Counter)  # why tries failed
    attempt: int = 0

    @property
    def done(self) -> bool:
        """All defects wanted are painted."""
        return len(self.labels) == self.wanted

    @property
    def mask(self) -> Mask:
        """(H, W): every pixel of a painted defect."""
        whole = np.zeros(self.pixels.shape[:2], bool)
        for label in self.labels:
            label.onto(whole)
        return whole


def begin(bank: Bank, record: Record, defect: int, control: Control, seed: int, stream: Stream) -> Scene:
    """A clean part with nothing on it yet; raises UserError where it, or its region of interest, cannot be read."""
    wanted = control.sample_count(bank, defect, rng(seed, "count", *stream))
    pixels = read_image(record.image)
    shapes = draw_shapes(bank, defect, wanted, control, seed, stream)
    return Scene(stream, record, defect, wanted, pixels, survey(pixels, region(record, pixels), bank.whole), shapes)


def draw_shapes(bank: Bank, defect: int, wanted: int, control: Control, seed: int, stream: Stream) -> tuple[Shape, ...]:
    """The shapes of the defects wanted on one image, the largest first, while there is room."""
    drawn = (control.sample_shape(bank, defect, rng(seed, "shape", *stream, number)) for number in range(wanted))
    return tuple(sorted(drawn, key=lambda shape: -int(shape.mask.sum())))


def region(record: Record, pixels: NDArray[Any]) -> Mask | None:
    """The region of interest (H, W) of a part (H, W, C), None where it is to be found; raises UserError."""
    if record.roi is None:
        return None
    roi = read_mask(record.roi) > 0
    if roi.shape != pixels.shape[:2]:
        (height, width), (own_height, own_width) = roi.shape, pixels.shape[:2]
        rule = f"a region of interest is as large as its image, {own_width}×{own_height} px"
        raise UserError(record.roi, rule, f"{width}×{height}", f"make one for {record.name}")
    return roi


def propose(scene: Scene, bank: Bank, config: SceneConfig, seed: int) -> Proposal | None:
    """The next try of the next defect; None, with the reason counted, where it found no place."""
    control = config.control
    key = (*scene.stream, len(scene.labels), scene.attempt)
    random = rng(seed, "defect", *key)
    shape = next_shape(scene, bank, config, random)
    last = any(scene.stream[1:]) and 2 * scene.attempt >= config.tries
    nowhere = last and scene.reasons.total() == scene.reasons[NO_PLACE]  # rather an odd place than an image less
    place = place_on(scene.survey, shape, bank, random, control.anywhere, scene.pixels, not nowhere)
    if place is None:
        scene.reasons[NO_PLACE] += 1
        return None
    if too_near(Patch(place.top, place.left, place.shape.mask), scene.labels, control.distance):
        scene.reasons["too near another defect"] += 1
        return None
    (height, width), (whole_height, whole_width) = place.shape.mask.shape, scene.survey.size
    top, bottom = span(place.top, height, whole_height)
    left, right = span(place.left, width, whole_width)
    window = np.s_[top:bottom, left:right]
    clean = np.ascontiguousarray(to_float(scene.pixels[window], bank.channels).transpose(1, 2, 0))
    mask = np.zeros(clean.shape[:2], bool)
    mask[place.top - top :, place.left - left :][:height, :width] = place.shape.mask
    params = place.shape.params
    job = Job(clean, mask, scene.defect, params, place.top - top, place.left - left, (seed, *key))
    sources = sorted({bank.instances[i].source for i in (params.first, params.second)})
    severity = control.sample_severity(random)
    about = {
        "class": bank.classes[scene.defect],
        "shape": asdict(params),
        "sources": sources,
        "top": place.top,
        "left": place.left,
        "try": scene.attempt,
        "severity": severity,
    }
    least = 0.0 if control.severity != (1.0, 1.0) else least_standout(scene, bank, config)
    allowed = scene.survey.allowed_in(top, left, bottom - top, right - left)
    return Proposal(top, left, job, allowed, severity, least, bank.shown[scene.defect], about)


def next_shape(scene: Scene, bank: Bank, config: SceneConfig, random: np.random.Generator) -> Shape:
    """The shape of the next defect: the one drawn at the start for half of the tries, then another with every try.

    A new one at once would let large shapes, which fail most often, give way to small ones: of the breaks of magnetic
    tiles half of the painted area was missing.
    """
    if 2 * scene.attempt < config.tries:
        return scene.shapes[len(scene.labels)]
    return config.control.sample_shape(bank, scene.defect, random)


def too_near(new: Patch, others: list[Patch], distance: int) -> bool:
    """Whether a pixel of `new` lies within `distance` px (Euclidean) of one of the others."""
    return any(_near(new, one, distance) for one in others)


def _near(new: Patch, other: Patch, distance: int) -> bool:
    (height, width), pad = new.mask.shape, distance + 1
    (other_height, other_width) = other.mask.shape
    top, left = new.top - pad, new.left - pad
    if not (top < other.top + other_height and other.top < new.top + height + pad):
        return False
    if not (left < other.left + other_width and other.left < new.left + width + pad):
        return False
    around = np.pad(new.mask, pad)
    there = Patch(other.top - top, other.left - left, other.mask).full(*around.shape)
    return bool((grow(around, distance) & there).any())


def least_standout(scene: Scene, bank: Bank, config: SceneConfig) -> float:
    """How far the next defect must stand out: as far as all but the faintest real ones do, less with every try.

    What is fainter than nearly all real defects teaches a network to take a part's own spots for defects. From half of
    the tries on, half as far will do, and on the second part anything: rather a faint defect than an image less.
    """
    known = bank.standouts[scene.defect]
    if not known:
        return 0.0
    begun_anew, half = any(scene.stream[1:]), 2 * scene.attempt >= config.tries
    share = 1 - min(scene.attempt / config.tries, 0.5)
    return 0.0 if begun_anew and half else float(np.quantile(known, config.faintest)) * share


def accept(scene: Scene, proposal: Proposal, paint: Paint, config: SceneConfig, gate: Gate) -> bool:
    """Put the paint on the image if it passes; every pixel where alpha is 0, or no paint may be, keeps its bits."""
    job = proposal.job
    support = (paint.alpha > 0) & proposal.allowed
    height, width = job.mask.shape
    window = np.s_[proposal.top : proposal.top + height, proposal.left : proposal.left + width]
    before, after = scene.pixels[window], painted_window(scene.pixels[window], job.clean, paint, support, proposal)
    changed = to_float(after, job.clean.shape[2]).transpose(1, 2, 0)
    label = job.mask & support  # as wide as annotators drew about the real defect whose pixels these are
    seen = visible(job.clean, changed, support, noise_of(job.clean))
    fill = float((seen & job.mask).sum() / max(job.mask.sum(), 1))
    strength = standout(changed, label, job.clean)
    patch = Patch.of(label, proposal.top, proposal.left)
    told = {"fill": round(fill, 4), "area": patch.area, "standout": round(strength, 3), "box": list(patch.box)}
    reason = None
    if fill < config.least_fill * proposal.shown or not seen.any():
        reason = "not visible"
    elif strength < proposal.least:
        reason = "fainter than the real ones"
    elif not config.control.fits(*patch.mask.shape):
        reason = "not of the size asked for"
    elif too_near(patch, scene.labels, config.control.distance):
        reason = "too near another defect"
    else:
        own = changed if proposal.severity == 1 else composite(job.clean, paint.painted, paint.alpha)
        verdict = gate.judge(job.clean, own, job.mask, job.shape)
        told |= {"likeness": rounded(verdict.likeness), "critic": rounded(verdict.strangeness)}
        reason = verdict.reason
    if reason is not None:
        scene.reasons[reason] += 1
        return False
    before[support] = after[support]
    scene.labels.append(patch)
    scene.defects.append({**proposal.about, **told})
    return True


def rounded(score: float | None) -> float | None:
    """To three places, as it is written down."""
    return None if score is None else round(score, 3)


def painted_window(
    before: NDArray[Any], clean: Pixels, paint: Paint, support: Mask, proposal: Proposal
) -> NDArray[Any]:
    """The window (h, w, C) of the image after painting, in the image's own depth and channels."""
    hard = harder(paint, clean, proposal.severity)
    result = mixed(before, clean, composite(clean, hard.painted, hard.alpha))
    return np.where(support[:, :, None], result, before)


def mixed(before: NDArray[Any], clean: NDArray[np.float32], painted: NDArray[np.float32]) -> NDArray[Any]:
    """`painted` (h, w, c) in depth and channels of `before` (h, w, C): grey paint shades all colours, alpha stays."""
    colours = min(before.shape[2], 3)
    if colours != painted.shape[2]:
        painted = shaded(to_float(before, colours).transpose(1, 2, 0), clean, painted)
    result = to_uint(np.clip(painted, 0, 1).transpose(2, 0, 1), before.dtype)
    return np.concatenate([result, before[:, :, colours:]], axis=2)


def shaded(own: Pixels, clean: Pixels, painted: Pixels) -> Pixels:
    """The part's own colours (h, w, C) as bright as `painted` (h, w, c) makes `clean` (h, w, c), of other channels.

    A colour loses the same share of every channel and gains the colour of the light: in equal amounts, the last that
    is left of warm steel is red, and an edge that shines on it is blue.
    """
    shade = (painted - clean).mean(2, keepdims=True)
    if (own == own[..., :1]).all():  # there is no colour to keep
        return np.asarray(own + shade)
    darker = own * (1 + np.minimum(shade, 0) / np.maximum(clean, DARKEST))
    light = own.mean((0, 1)) / max(float(clean.mean()), DARKEST)
    return np.asarray(darker + np.maximum(shade, 0) * light)


def span(start: int, extent: int, length: int) -> tuple[int, int]:
    """A window around [start, start + extent) with context, a multiple of GRAIN long, within [0, length)."""
    side = min(-(-(extent + 2 * CONTEXT) // GRAIN) * GRAIN, length)
    low = int(np.clip(start + extent // 2 - side // 2, 0, length - side))
    return low, low + side
