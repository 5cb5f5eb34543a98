"""Pits, scratches and stains of the demo parts: what they do to relief, colour and gloss of a surface."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from flawsmith.data.demo_noise import Field, fractal
from flawsmith.data.demo_surface import Surface


@dataclass(frozen=True)
class Damage:
    """Changes of a surface, float32 (H, W) but `tint` (H, W, 3); nothing changed: 0, 1, 1."""

    relief: Field  # px, added to the height
    tint: Field  # factor of the albedo
    sheen: Field  # factor of the gloss


def apply(damage: Damage, surface: Surface) -> Surface:
    """The surface with the damage done."""
    return replace(
        surface,
        height=surface.height + damage.relief,
        albedo=surface.albedo * damage.tint,
        gloss=surface.gloss * damage.sheen,
    )


def _smooth(low: float, high: float, values: Field) -> Field:
    """Smooth step from 0 at `low` to 1 at `high`."""
    t: Field = np.clip((values - low) / (high - low), 0, 1).astype(np.float32)
    return t * t * (3 - 2 * t)


def _centre(surface: Surface, on_face: float, random: np.random.Generator, margin: int = 24) -> tuple[float, float]:
    """A place (row, column) at least `margin` px inside, on the machined face with probability `on_face`."""
    height, width = surface.height.shape
    wanted = random.random() < on_face
    for _ in range(50):
        row, column = random.uniform(margin, height - margin), random.uniform(margin, width - margin)
        if (surface.machined[int(row), int(column)] > 0.5) == wanted:
            break
    return float(row), float(column)


def _blob(
    shape: tuple[int, int], centre: tuple[float, float], radius: float, ragged: float, random: np.random.Generator
) -> Field:
    """Distance (H, W) from the centre over the radius: 1 on an elongated contour that is `ragged` fractally."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    turn, stretch = random.uniform(0, np.pi), random.uniform(1.0, 1.35)
    a, b = y - centre[0], x - centre[1]
    major, minor = a * np.cos(turn) + b * np.sin(turn), b * np.cos(turn) - a * np.sin(turn)
    distance = np.hypot(major / stretch, minor * stretch) / radius
    wander = fractal(shape, 1.6, random, finest=radius / 6)
    near = wander[distance < 1.5]
    wander = np.clip((wander - near.mean()) / near.std(), -1.8, 1.8)  # clipped: no islands far away
    return np.asarray(distance * (1 + ragged * wander), np.float32)


def pit(surface: Surface, strength: float, random: np.random.Generator) -> Damage:
    """One to four hollows: steep walls, a rough dull floor that gets less light, a slightly raised rim."""
    shape = surface.height.shape
    relief, dark = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    place = np.array(_centre(surface, 0.7, random))
    for _ in range(random.choice([1, 1, 2, 3, 4])):
        radius = float(np.exp(random.uniform(np.log(3.5), np.log(16))))
        distance = _blob(shape, (place[0], place[1]), radius, random.uniform(0.06, 0.2), random)
        hollow = np.clip(1 - distance**2, 0, 1) ** 0.7
        rim = np.exp(-(((distance - 1.1) / 0.15) ** 2))
        floor = 1 + 0.12 * fractal(shape, 1.0, random, finest=2)
        depth = strength * random.uniform(0.35, 0.65) * radius
        relief = np.minimum(relief, -depth * hollow * floor) + 0.4 * strength * rim
        dark = np.maximum(dark, np.clip(1.15 - distance, 0, 1) ** 0.8)
        place = np.clip(place + random.normal(0, 34, 2), 12, np.array(shape) - 12)
    shade = 1 - 0.75 * min(1.0, strength) * dark  # deep down, the walls keep most of the sky out
    return Damage(
        relief.astype(np.float32),
        np.repeat(shade[..., None], 3, 2).astype(np.float32),
        (1 - min(1.0, 1.3 * strength) * np.clip(2 * dark, 0, 1)).astype(np.float32),
    )


def _path(surface: Surface, random: np.random.Generator) -> Field:
    """Points (N, 2), 0.5 px apart, of a gently curving line across the machined face."""
    length = int(2 * np.exp(random.uniform(np.log(70), np.log(260))))
    turning = gaussian_filter1d(random.standard_normal(length), 25) * random.uniform(0.005, 0.06)
    heading = random.uniform(0, 2 * np.pi) + np.cumsum(turning)
    steps = 0.5 * np.stack([np.sin(heading), np.cos(heading)], 1)
    points = np.cumsum(steps, 0)
    return np.asarray(points - points[length // 2] + _centre(surface, 1.0, random), np.float32)


def scratch(surface: Surface, strength: float, random: np.random.Generator) -> Damage:
    """One or two grooves with a burr on both shoulders; width and depth wander and fade out at the ends."""
    shape = surface.height.shape
    relief, shade, sheen = np.zeros(shape, np.float32), np.ones(shape, np.float32), np.ones(shape, np.float32)
    pixels = np.indices(shape, np.float32).reshape(2, -1).T
    for _ in range(random.choice([1, 1, 2])):
        points = _path(surface, random)
        count = len(points)
        distance, index = cKDTree(points).query(pixels, distance_upper_bound=9)
        near = index < count
        at = np.arange(count) / count
        skips = 1 + 0.35 * gaussian_filter1d(random.standard_normal(count), 12) * 6
        fade = np.clip(np.minimum(at / random.uniform(0.08, 0.4), (1 - at) / random.uniform(0.08, 0.4)), 0, 1)
        depth = np.clip(fade * skips, 0, 1.5)
        width = random.uniform(0.6, 1.7) * (0.45 + 0.55 * np.sqrt(depth))
        r, d = distance[near] / width[index[near]], depth[index[near]]
        groove = np.clip(1 - (r / 1.5) ** 2, 0, 1) ** 2
        burr = np.exp(-(((r - 1.6) / 0.3) ** 2))
        bare = random.choice([-0.45, -0.3, 0.12])  # a groove is dirty and dark, or freshly bright
        relief.ravel()[near] += strength * 1.2 * d * (0.3 * burr - groove)
        shade.ravel()[near] *= 1 + strength * bare * d * groove
        sheen.ravel()[near] *= np.clip(1 - strength * d * groove, 0, 1)
    return Damage(relief, np.repeat(shade[..., None], 3, 2), sheen)


def stain(surface: Surface, strength: float, random: np.random.Generator) -> Damage:
    """A dried film, translucent and mottled, its edge soft along a fractal contour, sometimes with a tide line."""
    shape = surface.height.shape
    cover = np.zeros(shape, np.float32)
    place = np.array(_centre(surface, 0.5, random))
    for _ in range(random.choice([1, 1, 2, 3])):
        radius = float(np.exp(random.uniform(np.log(10), np.log(40))))
        distance = _blob(shape, (place[0], place[1]), radius, 0.24, random)
        soft = random.uniform(0.12, 0.4)
        film = 1 - _smooth(1 - soft, 1 + soft / 2, distance)
        tide = random.choice([0.0, 0.5]) * np.exp(-(((distance - 1 + soft / 2) / 0.10) ** 2))
        mottle = 1 + 0.22 * fractal(shape, 1.4, random)
        cover = np.maximum(cover, film * np.clip(mottle, 0.3, 1.7) * 0.8 + tide * film)
        place = np.clip(place + random.normal(0, 36, 2), 12, np.array(shape) - 12)
    hue = random.choice([(0.56, 0.57, 0.58), (0.60, 0.57, 0.51), (0.63, 0.56, 0.46), (0.50, 0.50, 0.51)])
    loss = -np.log(np.array(hue, np.float32))
    tint = np.exp(-strength * cover[..., None] * loss).astype(np.float32)
    return Damage(np.zeros(shape, np.float32), tint, tint.mean(-1) ** 1.3)


DEFECTS: dict[str, Callable[[Surface, float, np.random.Generator], Damage]] = {
    "pit": pit,
    "scratch": scratch,
    "stain": stain,
}
