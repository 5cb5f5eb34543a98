"""Photographs of demo parts: one lamp, a lens and a sensor, with and without the defect."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_closing, binary_fill_holes, gaussian_filter, label

from flawsmith.data.demo_noise import Field
from flawsmith.data.demo_surface import Surface, grid

VISIBLE = 1.8  # a change counts from here, in standard deviations of the sensor noise, and
GRAIN = 0.3  # so much more in standard deviations of what surrounds it: eyes lose faint changes in rough texture
ROSE = 22.0  # islands of change are seen from here: contrast over unrest, times the root of their area in px
SPECK = 14  # px: smaller islands are no defects


@dataclass(frozen=True)
class Light:
    """One photograph's lamp and camera."""

    azimuth: float  # radians, where the lamp stands
    elevation: float  # radians above the part
    exposure: float  # factor
    fall: tuple[float, float]  # lamp's loss of light over the picture, per half width and half height
    vignette: float  # loss of light in the corners
    noise: float  # standard deviation of the sensor noise in mid grey, of 1
    colour: tuple[float, float, float]  # white balance


def sample_light(part: np.random.Generator, photo: np.random.Generator) -> Light:
    """A lamp that stands nearly alike for all photographs of a part, and moves and flickers between them."""
    fall = part.normal(0, 0.13, 2) + photo.normal(0, 0.05, 2)
    white = 1 + part.normal(0, 0.01, 3) + photo.normal(0, 0.006, 3)
    return Light(
        azimuth=part.uniform(0, 2 * math.pi) + photo.normal(0, 0.25),
        elevation=part.uniform(0.7, 1.0) + photo.normal(0, 0.06),
        exposure=part.uniform(0.95, 1.12) * float(np.exp(photo.normal(0, 0.09))),
        fall=(float(fall[0]), float(fall[1])),
        vignette=part.uniform(0.1, 0.28),
        noise=photo.uniform(0.006, 0.010),
        colour=(float(white[0]), float(white[1]), float(white[2])),
    )


def render(surface: Surface, light: Light) -> Field:
    """The picture (H, W, 3) in [0, 1] without noise: diffuse light, and Ward's (1992) anisotropic highlights."""
    y, x = grid(surface.height.shape)
    y, x = 2 * y / surface.height.shape[0], 2 * x / surface.height.shape[1]
    dy, dx = np.gradient(surface.height)
    flat, up = math.cos(light.elevation), math.sin(light.elevation)
    towards = flat * math.cos(light.azimuth), flat * math.sin(light.azimuth)
    facing = np.clip((up - dx * towards[0] - dy * towards[1]) / np.sqrt(1 + dx**2 + dy**2), 0, None) / up
    half_x = 0.30 * towards[0] + 0.22 * x + dx  # the half vector's tilt against the surface; lamp and camera are near
    half_y = 0.30 * towards[1] + 0.22 * y + dy
    along = half_x * np.cos(surface.lay) + half_y * np.sin(surface.lay)
    across = half_y * np.cos(surface.lay) - half_x * np.sin(surface.lay)
    mirror = surface.gloss * np.exp(-((along / 0.16) ** 2) - (across / 0.55) ** 2)
    lamp = (1 + light.fall[0] * x + light.fall[1] * y) * (1 - light.vignette * (x**2 + y**2) / 2)
    glow = surface.albedo * (0.30 + 0.70 * facing)[..., None] + mirror[..., None]
    exposed = light.exposure * lamp[..., None] * glow * np.array(light.colour, np.float32)
    film = 1 - np.exp(-1.35 * exposed)
    return np.asarray(gaussian_filter(film, (0.6, 0.6, 0)), np.float32)  # the lens is not quite sharp


def unrest(clean: Field, noise: float) -> Field:
    """The standard deviation (H, W) in which a change must be found: sensor noise and the surface's own grain."""
    grey = clean.mean(-1)
    grain = gaussian_filter((grey - gaussian_filter(grey, 3, truncate=2)) ** 2, 5, truncate=2)
    return np.asarray(np.sqrt(grain + noise**2), np.float32)


def visible(change: Field, around: Field, noise: float) -> npt.NDArray[np.bool_]:
    """Pixels (H, W) whose `change` shows above the sensor `noise` and the unrest `around`: closed, without holes.

    Islands that fail the Rose criterion (1948: contrast over noise, times the root of the area) are not kept.
    """
    mask = binary_fill_holes(binary_closing(np.pad(change > VISIBLE * noise + GRAIN * around, 2), np.ones((3, 3))))
    islands, _ = label(mask[2:-2, 2:-2], np.ones((3, 3)))
    area = np.bincount(islands.ravel())
    seen = np.bincount(islands.ravel(), (change / around).ravel()) / np.sqrt(area)
    keep = (area >= SPECK) & (seen >= ROSE)
    keep[0] = False
    return np.asarray(keep[islands])


def confine(clean: Field, damaged: Field, noise: float) -> tuple[Field, npt.NDArray[np.bool_]]:
    """The damaged picture (H, W, 3), equal to the clean one where no defect is seen, and where it is seen (H, W).

    What is taken away outside the mask is invisible; inside, it fades in from the rim, so that no step shows.
    """
    change, around = gaussian_filter(np.abs(damaged - clean).mean(-1), 0.7), unrest(clean, noise)
    mask = visible(change, around, noise)
    plain = np.clip(2 * (change / (VISIBLE * noise + GRAIN * around) - 1), 0, 1)
    deep = np.clip(gaussian_filter(mask.astype(np.float32), 1.2) * 2 - 1, 0, 1)  # 0 at the rim, 1 from 3 px inside
    share = np.where(mask, np.maximum(plain, deep), 0).astype(np.float32)
    return clean + share[..., None] * (damaged - clean), mask


def expose(picture: Field, light: Light, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """What the sensor reads (H, W, 3) uint8: shot noise, more of it in chroma-free grey than in colour."""
    grey = random.standard_normal(picture.shape[:2], np.float32)
    colour = random.standard_normal(picture.shape, np.float32)
    grain = 0.9 * grey[..., None] + 0.45 * colour
    noisy = picture + light.noise * np.sqrt(np.clip(picture, 0.05, None) * 2) * grain
    return np.rint(np.clip(noisy, 0, 1) * 255).astype(np.uint8)
