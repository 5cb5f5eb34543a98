"""One object explained in every way: its figures, and the pictures of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.geometry.patch import Patch
from flawsmith.data.image import read_image
from flawsmith.segment.explain.baseline import Verdict, judge, marked
from flawsmith.segment.explain.cases import MASK, MISSED, Case
from flawsmith.segment.explain.gradcam import Cam, grad_cam
from flawsmith.segment.explain.nearest import Eye, Library, Neighbour
from flawsmith.segment.explain.occlusion import Occlusion, occlude
from flawsmith.segment.explain.panels import CLOSE, LEAST, MARGIN, MODEL, SMALL, TRUTH, panel, shown
from flawsmith.segment.explain.view import Image, View, view
from flawsmith.segment.explain.views import Doubt, doubt
from flawsmith.segment.explain.window import Window
from flawsmith.segment.model import Model
from flawsmith.segment.models.objects import Grader
from flawsmith.segment.models.threshold import Threshold
from flawsmith.segment.picture import Picture

FALL = 0.05  # of a probability: smaller falls say nothing
FULL = 0.25  # a fall that is shown in full red: a picture of small falls must not look like one of large ones
DEVIATION = 0.5  # the most that values between 0 and 1 can have


@dataclass(frozen=True)
class Tools:
    """What explains: the model at a layer, what it is compared with, and from where on it calls a pixel a defect."""

    model: Model
    layer: str | None = None
    eye: Eye | None = None
    library: Library = field(default_factory=Library)
    baseline: Threshold | None = None
    threshold: float = 0.5


@dataclass(frozen=True, eq=False)
class Row:
    """One object and everything that was found out about it."""

    case: Case
    name: str
    view: View
    occlusion: Occlusion
    doubt: Doubt
    cam: Cam | None
    neighbours: tuple[Neighbour, ...]
    verdict: Verdict | None
    panels: tuple[Picture, ...]
    crops: tuple[Picture, ...]  # one of each neighbour

    def json(self) -> dict[str, Any]:
        """All figures, as explain.json has them."""
        case, occlusion, cam = self.case, self.occlusion, self.cam
        sure = {"spread": self.doubt.spread, "agree": self.doubt.agree, "views": self.doubt.views}
        covered = {"most": occlusion.most, "away": occlusion.away, "passes": occlusion.passes}
        driven = None if cam is None else {"layer": cam.layer, "cell": cam.cell, "share": cam.share}
        rule = None if self.verdict is None else {"share": self.verdict.share, "agrees": self.verdict.agrees}
        near = [one.known.json() | {"distance": one.distance} for one in self.neighbours]
        return {
            "kind": case.kind,
            "image": str(case.record.image),
            "class": self.name,
            "score": case.score,
            "probability": occlusion.probability,
            "box": list(case.patch.box),
            "area": case.patch.area,
            "overlap": case.overlap,
            "labelled": list(case.labelled),
            "seen": [self.view.window.left, self.view.window.top, *self.view.size[::-1]],
            "grad_cam": driven,
            "occlusion": covered | {"side": occlusion.side},
            "views": sure,
            "baseline": rule,
            "nearest": near,
        }


def explain(tools: Tools, case: Case, image: Image) -> Row:
    """Looks at one object of an image (H, W, C) in every way."""
    model, name = tools.model, tools.model.classes[case.defect]
    seen = view(model, image, case.patch, case.defect)
    cam = grad_cam(model, tools.layer, seen) if tools.layer is not None else None
    occlusion, unsure = occlude(model, seen), doubt(model, seen, tools.threshold)
    near = tools.library.nearest(tools.eye.look(image, case.patch)) if tools.eye is not None else ()
    marks = None if tools.baseline is None else marked(tools.baseline, tools.baseline.predict(image), name)
    verdict = None if tools.baseline is None else judge(marks, case.patch)
    pictures = _pictures(tools, case, image, seen, cam, occlusion, unsure, marks)
    crops = tuple(_crop(one) for one in near)
    return Row(case, name, seen, occlusion, unsure, cam, near, verdict, tuple(pictures), crops)


def _pictures(
    tools: Tools,
    case: Case,
    image: Image,
    seen: View,
    cam: Cam | None,
    occlusion: Occlusion,
    unsure: Doubt,
    marks: NDArray[np.bool_] | None,
) -> list[Picture]:
    """The part, its outlines, and each way of looking over the part; only those that there are."""
    height, width = image.shape[:2]
    size = (height, width)
    patches = [case.patch, *([case.truth] if case.truth else []), *_hottest(seen, cam, occlusion)]
    whole = isinstance(tools.model, Grader)
    window = seen.window if whole else shown(patches, MARGIN, LEAST, height, width)
    lines = [(case.truth.full(*size), TRUTH)] if case.truth is not None else []
    lines += [] if case.kind == MISSED or whole else [(case.patch.full(*size), MODEL)]
    kind = case.kind
    found = [panel(image, window, "part"), panel(image, window, _outlined(kind, whole), lines)]
    if cam is not None:
        found.append(panel(image, window, f"Grad-CAM at {cam.layer}", lines, _on(seen, cam.heat, size)))
    falls = np.asarray(occlusion.heat.clip(0) / max(occlusion.most, FULL), np.float32)
    found.append(
        panel(image, window, f"covering lowers it by up to {occlusion.most:.2f}", lines, _on(seen, falls, size))
    )
    spread = unsure.deviation / np.float32(DEVIATION)
    found.append(panel(image, window, f"differs between views: {unsure.spread:.2f}", lines, _on(seen, spread, size)))
    if isinstance(tools.model, Threshold):
        score = tools.model.predict(image)[case.defect]
        found.append(panel(image, window, "the rule's score", lines, score))
    if marks is not None:
        found.append(panel(image, window, "the plain rule marks", lines, marks.astype(np.float32)))
    return found


def _outlined(kind: str, whole: bool) -> str:
    return "labelled" if whole else {MISSED: "labelled", MASK: "labelled and found"}.get(kind, "found")


def _hottest(seen: View, cam: Cam | None, occlusion: Occlusion) -> list[Patch]:
    """The hottest pixel of each heat: a picture must show it, however far from the object it lies."""
    heats = [occlusion.heat if occlusion.most >= FALL else None, None if cam is None else cam.heat]
    found = []
    for heat in heats:
        if heat is not None and heat.any():
            row, column = np.unravel_index(int(heat.argmax()), heat.shape)
            found.append(Patch(seen.window.top + int(row), seen.window.left + int(column), np.ones((1, 1), bool)))
    return found


def _on(seen: View, heat: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Heat (h, w) of a view on its whole image (H, W)."""
    whole = np.zeros(size, np.float32)
    whole[seen.window.slices] = heat
    return whole


def _crop(one: Neighbour) -> Picture:
    """A training defect by itself, outlined."""
    image = read_image(one.known.record.image)
    height, width = image.shape[:2]
    window: Window = shown([one.known.patch], CLOSE, SMALL, height, width)
    lines: Sequence[Any] = [(one.known.patch.full(height, width), TRUTH)]
    return panel(image, window, f"{one.known.kind} {one.known.defect}", lines)
