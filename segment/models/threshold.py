"""The transparent model: a classical threshold for each class, every parameter of which a person can read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.errors import UserError
from flawsmith.data.files import read_json, write_json
from flawsmith.data.image import to_float
from flawsmith.segment.models.margins import Base, Grey, Polarity, margins, tidied
from flawsmith.segment.models.objects import Maps

SETTINGS, KIND, FORMAT = "model.json", "threshold", 1
WORDS = {
    "otsu": "Otsu's threshold",
    "sauvola": "Sauvola's threshold ({} px)",
    "median": "the background (median over {} px)",
    "gaussian": "the background (Gaussian mean over {} px)",
}
SIDES = {"dark": "darker than", "bright": "brighter than", "either": "darker or brighter than"}


@dataclass(frozen=True)
class Setting:
    """What is called a defect of one class."""

    base: Base
    polarity: Polarity
    level: float  # times the noise, beyond the threshold or the background: there the score is 0.5
    opening: int = 0  # px, radius of specks that are no defect
    closing: int = 0  # px, radius of gaps that belong to one

    def score(self, margin: Grey) -> Grey:
        """Margins as scores in [0, 1), 0.5 at the level; whatever is not beyond the threshold at all is 0."""
        beyond = np.maximum(margin, 0)
        return np.asarray(beyond / (beyond + np.float32(self.level)), np.float32)

    def __str__(self) -> str:
        """The rule in words."""
        reference = WORDS[self.base.method].format(self.base.window)
        words = f"{SIDES[self.polarity]} {reference} by {self.level:.1f} times the noise"
        words += f", specks up to {self.opening} px radius removed" if self.opening else ""
        return words + (f", gaps up to {self.closing} px radius closed" if self.closing else "")


@dataclass(frozen=True)
class Threshold:
    """The classes and a setting for each; images are seen in grey."""

    classes: tuple[str, ...]
    settings: tuple[Setting, ...]
    channels: int = 1

    @staticmethod
    def load(path: Path) -> Threshold:
        """Reads what `save` wrote; raises UserError where it is something else."""
        content = read_json(path)
        if not isinstance(content, dict) or (content.get("kind"), content.get("format")) != (KIND, FORMAT):
            raise UserError(path, "must be the settings of a threshold", None, "give the folder that train wrote")
        try:
            settings = tuple(_setting(one) for one in content["settings"])
            classes = tuple(map(str, content["classes"]))
            if len(settings) != len(classes):
                raise ValueError(f"{len(settings)} settings of {len(classes)} classes")
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(path, "the settings of a threshold cannot be read", error, "train again") from error
        return Threshold(classes, settings)

    def save(self, path: Path, recipe: Mapping[str, Any]) -> None:
        """Writes the settings as JSON; `recipe` (JSON-able) tells how they were found."""
        about = {"kind": KIND, "format": FORMAT, "classes": list(self.classes), "recipe": dict(recipe)}
        write_json(path, {**about, "settings": [asdict(one) for one in self.settings]})

    def predict(self, image: NDArray[Any]) -> Maps:
        """The scores (K, H, W) float32 in [0, 1) of an image (H, W, C) uint8 or uint16 of any size."""
        grey = to_float(image, 1)[0]
        known = {base: margins(grey, base) for base in {one.base for one in self.settings}}
        return np.stack(
            [one.score(tidied(known[one.base][one.polarity], one.opening, one.closing)) for one in self.settings]
        )


def _setting(content: Mapping[str, Any]) -> Setting:
    """A setting of a file; raises KeyError, TypeError or ValueError."""
    base = Base(content["base"]["method"], int(content["base"]["window"]))
    setting = Setting(
        base, content["polarity"], float(content["level"]), int(content["opening"]), int(content["closing"])
    )
    fits = base.method in WORDS and setting.polarity in SIDES and setting.level > 0
    if not fits or min(base.window, setting.opening, setting.closing) < 0:
        raise ValueError(f"a setting that cannot be: {setting}")
    return setting
