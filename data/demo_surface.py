"""The surface of a demo part: a machined face beside a cast skin, as relief, colour and gloss."""

from dataclasses import dataclass, replace

import numpy as np

from flawsmith.data.demo_noise import Field, fractal, photographed, streaks

FINISHES = ("brushed", "turned", "milled")
SKINS = ("gravel", "grass")  # photographs that come with scikit-image, both CC0
SHRINKS = (2.0, 2.3, 2.6)  # stones of about 25 px become grains of about 10


@dataclass(frozen=True)
class Surface:
    """What light meets: all fields are float32 (H, W) but `albedo`, which is (H, W, 3)."""

    height: Field  # px
    albedo: Field  # [0, 1], diffuse reflectance, RGB
    gloss: Field  # [0, 1], share of mirror-like reflection
    lay: Field  # radians, direction of the machining marks
    machined: Field  # 1 on the machined face, 0 on the cast skin


def grid(shape: tuple[int, int]) -> tuple[Field, Field]:
    """Pixel coordinates y, x (H, W) about the centre."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    return y - shape[0] / 2, x - shape[1] / 2


def lay_coordinates(finish: str, shape: tuple[int, int], random: np.random.Generator) -> tuple[Field, Field, Field]:
    """Length u along the machining marks, v across them, and their direction in radians, each (H, W)."""
    y, x = grid(shape)
    angle = random.uniform(0, np.pi)
    side, along = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    if finish == "turned":  # circles about the spindle, which lies beside or outside the picture
        away = random.uniform(165, 340)
        radius = np.hypot(side + away, along)
        turn = np.arctan2(along, side + away)
        return turn * away, radius, turn + angle + np.pi / 2
    if finish == "milled":  # arcs of a cutter that advances along `side`
        cutter = random.uniform(220, 400)
        slope = np.clip(along / cutter, -0.9, 0.9)
        return (
            cutter * np.arcsin(slope),
            side - cutter * np.sqrt(1 - slope**2) + 500,
            angle + np.pi / 2 + np.arcsin(slope),
        )
    return along, side + 500, np.full(shape, angle + np.pi / 2, np.float32)


def machined_face(shape: tuple[int, int], random: np.random.Generator) -> Surface:
    """A bare metal face with fine marks of the tool, a few deep dark ones, and a sheen that runs along them."""
    finish = FINISHES[random.integers(len(FINISHES))]
    u, v, lay = lay_coordinates(finish, shape, random)
    fine = streaks(u, v, random, 60, 1.2)
    coarse = streaks(u, v, random, 220, 4)
    feed = np.sin(2 * np.pi * v / random.uniform(5, 9) + 0.4 * coarse) if finish != "brushed" else 0 * v
    marks = np.clip(streaks(u, v, random, 500, 2.4) - random.uniform(1.8, 2.3), 0, 1)  # the deepest few of the marks
    relief = 0.11 * fine + 0.13 * coarse + random.uniform(0.03, 0.2) * feed - 0.9 * marks
    tone = random.uniform(0.44, 0.52) * (1 + 0.035 * fine + 0.04 * coarse + 0.05 * fractal(shape, 1.5, random))
    tone = tone * (1 - 0.45 * marks)
    burn = random.uniform(0, 0.03) * fractal(shape, 1.8, random)[..., None] * np.array([1, 0.2, -1])  # straw to blue
    tint = np.array([0.985, 1.0, 1.02]) + random.normal(0, 0.008, 3) + burn
    gloss = 0.5 * (1 + 0.10 * fine + 0.12 * coarse) * (1 - 0.6 * marks)
    return Surface(
        relief.astype(np.float32),
        (tone[..., None] * tint).astype(np.float32),
        gloss.astype(np.float32),
        lay.astype(np.float32),
        np.ones(shape, np.float32),
    )


def cast_skin(shape: tuple[int, int], random: np.random.Generator) -> Surface:
    """A rough skin as it leaves the mould, its grain taken from a photograph."""
    name = SKINS[random.integers(len(SKINS))]
    grain = photographed(name, shape, float(random.choice(SHRINKS)), random)
    cloud = fractal(shape, 1.8, random)
    tone = random.uniform(0.34, 0.42) * (1 + 0.13 * grain + 0.09 * cloud)
    warm = np.array([1.03, 1.0, 0.95]) + random.normal(0, 0.012, 3) + 0.02 * cloud[..., None] * np.array([1, 0, -1])
    return Surface(
        (0.42 * grain + 0.5 * cloud).astype(np.float32),
        (tone[..., None] * warm).astype(np.float32),
        np.full(shape, 0.06, np.float32),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.float32),
    )


def dusty(surface: Surface, random: np.random.Generator) -> Surface:
    """The same surface with specks of dust and flecks: dark and bright points that are no defects."""
    albedo = surface.albedo.copy()
    shape = surface.height.shape
    for _ in range(random.poisson(9)):
        row, column = random.uniform(0, shape[0]), random.uniform(0, shape[1])
        radius, strength = random.uniform(0.7, 2.3), random.choice([-0.65, -0.5, -0.35, 0.35, 0.5])
        top, left = max(0, int(row) - 9), max(0, int(column) - 9)
        y, x = np.mgrid[top : min(shape[0], top + 19), left : min(shape[1], left + 19)]
        stretch, turn = random.uniform(0.6, 1.0), random.uniform(0, np.pi)
        a, b = y - row, x - column
        major, minor = a * np.cos(turn) + b * np.sin(turn), b * np.cos(turn) - a * np.sin(turn)
        speck = np.exp(-(((major * stretch) ** 2 + (minor / stretch) ** 2) / radius**2))
        albedo[top : top + 19, left : left + 19] *= (1 + strength * speck)[..., None]
    return replace(surface, albedo=albedo)


def make_surface(shape: tuple[int, int], random: np.random.Generator) -> Surface:
    """A clean part (H, W): machined face and cast skin that meet at a chamfer, straight or curved."""
    face, skin = machined_face(shape, random), cast_skin(shape, random)
    y, x = grid(shape)
    angle, offset, bend = random.uniform(0, 2 * np.pi), random.uniform(-35, 75), random.choice([0.0, 0.0, 1 / 300])
    away, along = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    inside = offset - away + bend * along**2 + 0.5 * skin.height  # > 0 on the face; the cast edge is a little ragged
    share = np.clip(inside + 0.5, 0, 1).astype(np.float32)
    step = np.clip((inside + 5) / 5, 0, 1)  # the chamfer: 5 px wide, on the skin's side
    mixed = [share * getattr(face, name) + (1 - share) * getattr(skin, name) for name in ("height", "gloss")]
    albedo = share[..., None] * face.albedo + (1 - share[..., None]) * skin.albedo
    return dusty(Surface((mixed[0] + 2.5 * step).astype(np.float32), albedo, mixed[1], face.lay, share), random)
