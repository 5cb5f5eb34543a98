"""The embedded demo parts: a small data set made by code from a seed, to try everything without own data."""

import csv
import shutil
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from flawsmith.data.demo_defect import DEFECTS, apply
from flawsmith.data.demo_photo import confine, expose, render, sample_light
from flawsmith.data.demo_surface import Surface, make_surface
from flawsmith.data.errors import UsageError
from flawsmith.data.files import cannot_write, new_folder, write_text
from flawsmith.data.image import write_image, write_mask
from flawsmith.data.record import GOOD
from flawsmith.data.seeds import rng

SHIFT = 6  # px by which a part may lie elsewhere in its next photograph
LEAST_SIZE = 96  # px: smaller pictures hold no whole defect
FAINTEST = 3.5  # mean change inside the mask over the sensor noise; below, an inspector would pass the part
LEAST_AREA = 24  # px of a mask
STRENGTHS = (0.2, 1.0)  # of a defect, from faint to plain; 1 is a deep pit, an opaque stain
ATTEMPTS = 12  # to make a defect that is seen in every photograph of its part

README = """flawsmith demo parts: MADE BY A COMPUTER, not photographs of real parts
========================================================================
{images} pictures of {groups} imagined metal parts, seed {seed}: a machined face (turned, milled or brushed) beside
a cast skin. Relief, light, lens and sensor noise are computed; pits, scratches and stains are computed too. A group
is one part, photographed {photos} times under slightly different light. A mask holds exactly the pixels that changed.
Scores on them show that the software works. They say nothing about any real product.

The grain of the cast skins comes from two photographs that scikit-image ships, both under CC0 1.0 (public domain):
gravel (CC0Textures, "Gravel04") and grass (DeviantArt, linolafett, "Grass-01"). These pictures are CC0 1.0 too.
"""


@dataclass(frozen=True)
class Photo:
    """One photograph of a demo part: pictures (H, W, 3) uint8, mask (H, W) bool; `clean` is the same without defect."""

    image: npt.NDArray[np.uint8]
    clean: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.bool_]
    noise: float  # standard deviation of the sensor noise in mid grey, of 255

    @property
    def contrast(self) -> float:
        """Mean absolute change inside the mask over the sensor noise; 0 without a defect."""
        change = np.abs(self.image.astype(float) - self.clean).mean(-1)
        return float(change[self.mask].mean() / self.noise) if self.mask.any() else 0.0


def photograph(defect: str, part: int, photos: int = 3, size: int = 256, seed: int = 0) -> tuple[Photo, ...]:
    """All photographs of one part: a function of its class ("good" is one), its number, their size and the seed."""
    kind = [GOOD, *DEFECTS].index(defect)
    random = rng(seed, "demo.part", kind, part)
    height, width = (size + int(random.integers(-size // 20, size // 20 + 1)) for _ in range(2))
    surface = make_surface((height + 2 * SHIFT, width + 2 * SHIFT), random)
    if defect == GOOD:
        return tuple(_shoot(surface, surface, (kind, part), number, seed) for number in range(photos))
    strength = float(np.exp(random.uniform(*np.log(STRENGTHS))))
    for attempt in range(ATTEMPTS):
        damage = DEFECTS[defect](surface, strength, rng(seed, "demo.defect", kind, part, attempt // 3))
        damaged = apply(damage, surface)
        shots = []
        for number in range(photos):
            shots.append(_shoot(surface, damaged, (kind, part), number, seed))
            if shots[-1].contrast < FAINTEST or shots[-1].mask.sum() < LEAST_AREA:
                break
        else:
            return tuple(shots)
        strength *= 1.3  # seen too badly in one of the photographs: deeper, and every third time elsewhere
    raise RuntimeError(f"no visible {defect} in {ATTEMPTS} attempts")  # never seen: strength grew thirtyfold


def _shoot(surface: Surface, damaged: Surface, part: tuple[int, int], number: int, seed: int) -> Photo:
    """One photograph of a part (class and number) and of what it would be without its defect."""
    random = rng(seed, "demo.photo", *part, number)
    light = sample_light(rng(seed, "demo.light", *part), random)
    top, left = random.integers(0, 2 * SHIFT + 1, 2)
    height, width = (side - 2 * SHIFT for side in surface.height.shape)
    window = slice(top, top + height), slice(left, left + width)
    clean = render(surface, light)[window]
    if damaged is surface:
        picture, mask = clean, np.zeros((height, width), bool)
    else:
        picture, mask = confine(clean, render(damaged, light)[window], light.noise)
    grain = rng(seed, "demo.grain", *part, number), rng(seed, "demo.grain", *part, number)
    image = expose(picture, light, grain[0])
    return Photo(image, image if damaged is surface else expose(clean, light, grain[1]), mask, 255 * light.noise)


def write_demo(root: Path, seed: int = 0, parts: int = 12, good: int = 40, photos: int = 3, size: int = 256) -> Path:
    """Writes images/, masks/, manifest.csv and README.txt into the new folder `root`, and returns it.

    `parts` of each defect class and `good` ones, each photographed `photos` times at about `size` px a side.
    Raises UsageError on numbers that make no data set or a folder in use, UserError where the disk refuses.
    """
    for name, value, least in (
        ("parts", parts, 1),
        ("good", good, 1),
        ("photos", photos, 1),
        ("size", size, LEAST_SIZE),
    ):
        if value < least:
            raise UsageError(f"demo {name}", f"at least {least}", value)
    new_folder(root).rmdir()
    staging = root.with_name(f".{root.name}.part")  # the set appears whole or not at all
    shutil.rmtree(staging, ignore_errors=True)
    try:
        _write(staging, seed, {GOOD: good, **dict.fromkeys(DEFECTS, parts)}, photos, size)
        staging.replace(root)
    except OSError as error:
        raise cannot_write(root, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return root


def _write(folder: Path, seed: int, parts: dict[str, int], photos: int, size: int) -> None:
    """Writes so many parts of each class, the manifest and the README."""
    table = StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["image", "mask", "class", "group"])
    for defect, count in parts.items():
        for part in range(count):
            group = f"{defect}_{part:02d}"
            for number, photo in enumerate(photograph(defect, part, photos, size, seed)):
                name = f"{group}_{number}.png"
                write_image(folder / "images" / name, photo.image)
                if defect != GOOD:
                    write_mask(folder / "masks" / name, photo.mask)
                rows.writerow([f"images/{name}", "" if defect == GOOD else f"masks/{name}", defect, group])
    write_text(folder / "manifest.csv", table.getvalue())
    groups = sum(parts.values())
    write_text(folder / "README.txt", README.format(images=groups * photos, groups=groups, photos=photos, seed=seed))
