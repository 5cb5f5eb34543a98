"""Exported models of every kind, run by onnxruntime: the file itself says which it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.errors import UserError
from flawsmith.data.image import to_float
from flawsmith.segment.model import Model
from flawsmith.segment.models.grading import Grader
from flawsmith.segment.models.joined import find_by_tiles
from flawsmith.segment.models.name import CLASSIFIER, DETECTOR_KIND
from flawsmith.segment.models.objects import Maps, Object, drawn
from flawsmith.segment.models.paste import pasted
from flawsmith.segment.onnx_model import AGAIN, INPUT, SEGMENTER, OnnxModel, about_of, open_session
from flawsmith.segment.tiles import Tiling

GRADE = "grade"  # of a classifier: (N, K) float32 in [0, 1]
FOUND = ("boxes", "labels", "scores", "masks")  # of a detector: (M, 4) px, (M,) from 1, (M,), (M, 1, P, P)


@dataclass(frozen=True, eq=False)
class OnnxClassifier(Grader):
    """An open session of a model that says what an image shows, and not where."""

    session: Any
    classes: tuple[str, ...]
    channels: int

    def grade_part(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """How probable each class is (K,) float32 for an image (H, W, C) that fits into memory."""
        grades: NDArray[np.float32] = self.session.run([GRADE], {INPUT: to_float(image, self.channels)[None]})[0][0]
        return grades


@dataclass(frozen=True, eq=False)
class OnnxDetector:
    """An open session of a model that tells objects apart."""

    session: Any
    classes: tuple[str, ...]
    channels: int

    def find(self, image: NDArray[Any], tiling: Tiling | None = None) -> tuple[Object, ...]:
        """The objects of an image (H, W, C) uint8 or uint16 of any size, best first; of a large one by tiles."""
        return find_by_tiles(self._find, image, tiling or Tiling())

    def predict(self, image: NDArray[Any]) -> Maps:
        """Maps (K, H, W) float32 drawn from the objects: at each pixel the highest score times probability."""
        return drawn(self.find(image), len(self.classes), *image.shape[:2])

    def _find(self, image: NDArray[Any]) -> tuple[Object, ...]:
        boxes, labels, scores, masks = self.session.run(list(FOUND), {INPUT: to_float(image, self.channels)[None]})
        return tuple(pasted(boxes, labels, scores, masks, (image.shape[0], image.shape[1])))


_OUTPUTS: Mapping[str, tuple[str, ...]] = {CLASSIFIER: (GRADE,), DETECTOR_KIND: FOUND}


def load_onnx(path: Path, device: str = "cpu") -> Model:
    """A file that export wrote, to be run on "cpu" or "cuda"; raises UserError where it is none."""
    if not path.is_file():
        raise UserError(path, "does not exist")
    session = open_session(path, device)
    about = about_of(path, session)
    kind = about["kind"]
    if kind == SEGMENTER:
        return OnnxModel.of(path, session, about)
    made = tuple(end.name for end in session.get_outputs())
    if made != _OUTPUTS.get(kind):
        raise UserError(path, f"must give {_OUTPUTS.get(kind)}, as a {kind} does", made, AGAIN)
    given = [(end.name, end.shape[1] if len(end.shape) == 4 else None) for end in session.get_inputs()]
    if given != [(INPUT, about["channels"])]:
        raise UserError(path, f"must take {about['channels']} channels, as it says itself", given, AGAIN)
    which = OnnxClassifier if kind == CLASSIFIER else OnnxDetector
    return which(session, tuple(about["classes"]), about["channels"])
