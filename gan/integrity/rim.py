"""Told from real by the rim: a classifier that sees nothing but the pixels within 4 px of the mask's edge."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats

from flawsmith.data.seeds import rng
from flawsmith.gan.bank import Bank
from flawsmith.gan.integrity.change import light
from flawsmith.gan.integrity.figure import Figure
from flawsmith.gan.integrity.painted import Spot
from flawsmith.gan.region import Mask, Pixels, brightness

MOST = 0.9  # area under the ROC curve
RING = 4  # px on both sides of the mask's edge
FOLDS = 10
TIMES = 3  # painted defects for each real one, of the same class
DRAWS = 300  # resamples of the groups
SHRINK = 0.2  # of the covariance towards a sphere: there are about as many defects as features
TINY = 1e-3

Rows = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rims:
    """Features (n, F) of n rims, whether each was painted (n,), the part (n,) that the defect or its shape is of."""

    features: Rows
    painted: NDArray[np.bool_]
    group: NDArray[np.str_]


def features(image: Pixels, mask: Mask) -> Rows:
    """Level, gradient and grain of `image` (h, w, C) at each distance to the edge of `mask` (h, w): 3 · 2 · RING."""
    grey = brightness(image) / light(image, mask)
    outside, inside = ndimage.distance_transform_edt(~mask), ndimage.distance_transform_edt(mask)
    way = np.where(mask, -np.ceil(inside), np.ceil(outside) - 1).astype(int)  # -RING..-1 inside, 0..RING-1 outside
    slope = np.hypot(*np.gradient(grey))
    grain = np.abs(grey - ndimage.uniform_filter(grey, 3))
    profile = np.full((3, 2 * RING), np.nan)
    for place, distance in enumerate(range(-RING, RING)):
        ring = way == distance
        if ring.any():
            profile[:, place] = grey[ring].mean(), np.log(slope[ring].mean() + TINY), np.log(grain[ring].mean() + TINY)
    for place in range(
        2 * RING
    ):  # a thin mask has no deep pixels, one at the border few outside: the next ones stand in
        near = sorted(range(2 * RING), key=lambda other: abs(other - place))
        profile[:, place] = next(profile[:, other] for other in near if np.isfinite(profile[0, other]))
    return profile.ravel()


def rims(spots: Sequence[Spot], bank: Bank, bare: bool = False) -> Rims:
    """Real and painted rims, as many painted ones for each real one in every class; by the part that the shape is of.

    `bare`: the same places without any defect, real ones healed: how far the surfaces alone give them away.
    """
    of_class: dict[int, list[Spot]] = defaultdict(list)
    for spot in spots:
        of_class[spot.defect].append(spot)
    times = min([TIMES, *(len(of_class[defect]) / len(own) for defect, own in enumerate(bank.members) if own)])
    chosen = [spot for defect, own in enumerate(bank.members) for spot in of_class[defect][: int(times * len(own))]]
    rows = [features(one.healed if bare else one.image, one.mask) for one in bank.instances]
    rows += [features(spot.clean if bare else spot.after, spot.mask) for spot in chosen]
    groups = [one.group for one in bank.instances] + [bank.instances[spot.shape.first].group for spot in chosen]
    return Rims(np.stack(rows), np.arange(len(rows)) >= len(bank.instances), np.array(groups))


def scores(data: Rims, seed: int) -> Rows:
    """How painted each rim looks (n,) to a linear discriminant that saw no rim of its group (Fisher 1936, shrunk)."""
    names = rng(seed, "folds").permutation(np.unique(data.group))
    found = np.zeros(len(data.painted))
    for fold in range(min(FOLDS, len(names))):
        held = np.isin(data.group, names[fold::FOLDS])
        if len(set(data.painted[~held])) < 2:
            continue
        weight, middle = _discriminant(data.features[~held], data.painted[~held])
        found[held] = (data.features[held] - middle) @ weight
    return found


def _discriminant(rows: Rows, painted: NDArray[np.bool_]) -> tuple[Rows, Rows]:
    """Direction and middle between the two kinds, each of the same weight."""
    scale = rows.std(0) + 1e-6
    kinds = [rows[painted] / scale, rows[~painted] / scale]
    spread = sum(np.cov(kind, rowvar=False, bias=True) for kind in kinds) / 2
    spread = (1 - SHRINK) * spread + SHRINK * np.eye(len(scale)) * np.trace(spread) / len(scale)
    first, second = (kind.mean(0) for kind in kinds)
    direction = np.linalg.solve(spread + 1e-9 * np.eye(len(scale)), first - second)
    return direction / (np.linalg.norm(direction) + 1e-12) / scale, (first + second) / 2 * scale


def auc(scores: Rows, painted: NDArray[np.bool_]) -> float:
    """The chance that a painted one scores above a real one, ties counted half; NaN without both."""
    count = int(painted.sum())
    if count in (0, len(painted)):
        return float("nan")
    ranks = stats.rankdata(scores)[painted].sum()
    return float((ranks - count * (count + 1) / 2) / (count * (len(painted) - count)))


def interval(found: Rows, data: Rims, seed: int) -> tuple[float, float]:
    """The 95 % interval of the area under resampling of groups."""
    names, random = np.unique(data.group), rng(seed, "groups")
    members = [np.flatnonzero(data.group == name) for name in names]
    areas = []
    for _ in range(DRAWS):
        rows = np.concatenate([members[k] for k in random.integers(len(names), size=len(names))])
        areas.append(auc(found[rows], data.painted[rows]))
    low, high = np.nanpercentile(areas, [2.5, 97.5]) if np.isfinite(areas).any() else (np.nan, np.nan)
    return float(low), float(high)


def rim(spots: Sequence[Spot], bank: Bank, seed: int) -> Figure:
    """How well painted defects are told from real ones by their rims, cross-validated by group: 0.5 not at all."""
    data = rims(spots, bank)
    enough = min(int(data.painted.sum()), int((~data.painted).sum())) >= 4 and len(np.unique(data.group)) > 1
    found = scores(data, seed) if enough else np.zeros(len(data.painted))
    low, high = interval(found, data, seed) if enough else (None, None)
    return Figure(
        "told by the rim",
        auc(found, data.painted) if enough else None,
        MOST,
        "max",
        f"Area under the ROC curve of telling painted from real by {RING} px on both sides of the rim; 0.5: chance.",
        {
            "real": int((~data.painted).sum()),
            "painted": int(data.painted.sum()),
            "low": low,
            "high": high,
            "surfaces alone": auc(scores(rims(spots, bank, bare=True), seed), data.painted) if enough else None,
        },
    )
