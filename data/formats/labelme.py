"""LabelMe: a JSON file beside each image."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from flawsmith.data.errors import UserError
from flawsmith.data.files import write_json
from flawsmith.data.formats.canvas import Canvas, Make, loaded, pairs, said
from flawsmith.data.formats.collect import Collector
from flawsmith.data.formats.document import field, listed, load_json
from flawsmith.data.formats.picture import Instance, Picture, copy_image
from flawsmith.data.formats.reading import Reading
from flawsmith.data.formats.scratch import keep, safe
from flawsmith.data.geometry.patch import Patch
from flawsmith.data.geometry.shape import BadShape, Ellipse, Shape, box, together
from flawsmith.data.geometry.stencil import Embedded
from flawsmith.data.listing import Listing
from flawsmith.data.problem import below

NAME = "labelme"
_LAYOUT = "LabelMe"
_VERSION = "5.5.0"  # of the format that is written: the first with masks as shapes of a kind of their own
_ENDINGS = ((b"\x89PNG", ".png"), (b"\xff\xd8", ".jpg"), (b"BM", ".bmp"), (b"II", ".tif"), (b"MM", ".tif"))
_OFF = 1.5  # px by which a mask's size may differ from its box: both are rounded


def matches(document: Any) -> bool:
    """True for the content of a LabelMe file."""
    return isinstance(document, dict) and isinstance(document.get("shapes"), list) and "imagePath" in document


def scan(root: Path, files: Sequence[Path], reading: Reading) -> Listing:
    """A row for each file. An image is where its file says, else where its name is unique, else within the file."""
    collector = Collector(root, _LAYOUT, reading)
    claims = Counter(path for file in files for path in _claim(collector, file))
    taken: set[str] = set()
    for file in files:
        for document in loaded(collector, file):
            key = _row(collector, file, document, claims, taken) if _is_sheet(collector, file, document) else None
            if key is not None:
                _shapes(Canvas(collector, file, key), document)
    return collector.listing()


def _claim(collector: Collector, file: Path) -> Iterator[Path]:
    """The image file that a LabelMe file means, if it is there; what cannot be read claims none."""
    with suppress(UserError):
        document = load_json(file)
        path = _find(collector, file, _name(document))[0] if matches(document) else None
        if path is not None:
            yield path


def _is_sheet(collector: Collector, file: Path, document: Any) -> bool:
    """True for the content of a LabelMe file; an error for one that lacks something, a warning for any other JSON."""
    if matches(document):
        return True
    if isinstance(document, dict) and document.keys() & {"shapes", "imagePath"}:
        collector.refuse(file, "", "lacks imagePath, or a list of shapes", "save it again in LabelMe")
    else:
        collector.warn(file, "", "is no LabelMe file: left out", "take it out")
    return False


def _name(document: Any) -> str:
    """The path of the image as the file has it, empty if it has none."""
    return field(document, "imagePath", str) or ""


def _find(collector: Collector, file: Path, name: str) -> tuple[Path | None, bool]:
    """The image that the file calls so, and whether it lies at that very path."""
    parts = list(PurePosixPath(below(collector.root, file)).parent.parts)
    for part in PurePosixPath(name.replace("\\", "/")).parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    place = "/".join(parts)
    path = collector.images.find(place)[0] or collector.images.find(name)[0]
    return path, path is not None and collector.images.name(path) == place


def _row(
    collector: Collector, file: Path, document: dict[str, Any], claims: Counter[Path], taken: set[str]
) -> str | None:
    """Opens the row of the file's image, None, and an error, without one.

    An image elsewhere than the file says counts only where no other file could mean it.
    """
    name, height, width = _name(document), field(document, "imageHeight", int), field(document, "imageWidth", int)
    size = (height, width) if height is not None and width is not None else None
    group, origin = field(document, "flawsmith_group", str) or None, field(document, "flawsmith_id", str) or None
    path, exact = _find(collector, file, name)
    if path is not None and (exact or claims[path] == 1):
        return collector.row(file, path, size, group, origin)
    if field(document, "imageData", str):
        held = _embedded(collector, file, document["imageData"], taken)
        return None if held is None else collector.row(file, held, size, group, origin)
    if path is None:
        return collector.image(file, name, "")
    what = f"image {said(name)} is not where it says, and other files may mean {collector.images.name(path)} too"
    collector.refuse(file, "", what, "put each image where its file says")
    return None


def _embedded(collector: Collector, file: Path, data: str, taken: set[str]) -> Path | None:
    """The image that is held within the file, written to the scratch folder; None, and an error, where it is none."""
    content = _decoded(data)
    ending = next((ending for head, ending in _ENDINGS if content.startswith(head)), None)
    if ending is None and content[8:12] != b"WEBP":
        fix = "put the image beside it, and save it again"
        collector.refuse(file, "", "has no image beside it, and imageData that is none", fix)
        return None
    stem = below(collector.root, file.with_suffix("")).replace("/", "_")
    known = taken | {collector.images.name(path) for path in collector.images.paths}
    names = (safe(f"{f'{more}-' if more else ''}{stem}{ending or '.webp'}") for more in range(len(known) + 1))
    name = next(name for name in names if name not in known)
    taken.add(name)
    return keep(content, name)


def _decoded(text: str) -> bytes:
    """What a text in base64 says, nothing where it is none."""
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return b""


def _shapes(canvas: Canvas, document: dict[str, Any]) -> None:
    """Draws the shapes; those of one label and one group are one object."""
    objects: dict[tuple[str, int | str], list[tuple[int, Make]]] = {}
    for number, shape in enumerate(listed(document, "shapes"), 1):
        where = f"shape {number}"
        if not isinstance(shape, dict):
            canvas.refuse(where, f"is no shape but {said(shape)}", "save it again in LabelMe")
            continue
        make, label, group = _make(canvas, where, shape), shape.get("label"), shape.get("group_id")
        if make is None:
            continue
        if isinstance(label, str) and isinstance(group, int | str):
            objects.setdefault((label, group), []).append((number, make))
        elif group is None:
            canvas.draw(where, label, make)
        else:
            canvas.refuse(where, f"has a group_id of {said(group)}, which is no number", "set it again in LabelMe")
    for (label, _), parts in objects.items():
        numbers = ", ".join(str(number) for number, _ in parts)
        canvas.draw(f"shape {numbers}", label, _joined([make for _, make in parts]))


def _joined(makers: Sequence[Make]) -> Make:
    return lambda: together([make() for make in makers])


def _make(canvas: Canvas, where: str, shape: dict[str, Any]) -> Make | None:
    """How to make a shape, None where it has no area or is of no known kind, which is a problem by then."""
    kind, values = shape.get("shape_type") or "polygon", shape.get("points")
    if kind in ("polygon", "oriented_rectangle", "rotation"):  # the last is what X-AnyLabeling writes
        return canvas.polygon(where, values)
    if kind == "rectangle":
        return canvas.polygon(where, values) if isinstance(values, list) and len(values) == 4 else lambda: _box(values)
    if kind == "circle":
        return lambda: _circle(values)
    if kind in ("line", "linestrip"):
        return canvas.line(where, values)
    if kind == "mask":
        return lambda: _mask(values, shape.get("mask"))
    if kind in ("point", "points"):
        canvas.leave(where, "is a point")
    else:
        canvas.refuse(where, f"is a shape of the kind {said(kind)}, which is not known", "draw it as a polygon")
    return None


def _box(values: Any) -> Shape:
    corners = _two(values)
    left, top = corners.min(0)
    wide, high = np.ptp(corners, axis=0)
    return box(left, top, wide, high)


def _circle(values: Any) -> Shape:
    """A circle from its middle and a point on its edge."""
    middle, edge = _two(values)
    radius = float(np.hypot(*(edge - middle)))
    return Ellipse(float(middle[0]), float(middle[1]), radius, radius)


def _two(values: Any) -> Any:
    """Two points (2, 2)."""
    found = pairs(values, 2)
    if len(found) != 2:
        raise BadShape(f"has {len(found)} points, needs 2")
    return found


def _mask(values: Any, mask: Any) -> Shape:
    """A picture of the mask from its upper left corner on; its own size counts, as the corners may be fractions."""
    low, high = np.floor(_two(values))
    if not isinstance(mask, str):
        raise BadShape("has no mask")
    shape = Embedded(_decoded(mask), int(low[0]), int(low[1]))
    left, top, right, bottom = shape.reach
    size = np.array([right - left, bottom - top])
    if (np.abs(size - (high - low + 1)) > _OFF).any():
        meant = high - low + 1
        raise BadShape(f"has a mask of {size[0]:.0f}×{size[1]:.0f} px in a box of {meant[0]:.0f}×{meant[1]:.0f}")
    return shape


class LabelmeWriter:
    """Images with a JSON file beside each, objects as masks.

    The provenance id is a key of its own at the top: LabelMe keeps those that it does not know (its `otherData`) when
    it saves, while flags must be true or false, and a description belongs to the labeller.
    """

    lossless = True

    def __init__(self, output: Path, classes: Sequence[str]) -> None:
        self._output = output
        self._used: set[str] = set()

    def add(self, picture: Picture) -> list[float]:
        """Writes the image and its JSON file; masks are kept exactly."""
        image = self._output / picture.name
        copy_image(picture, image)
        file = image.with_suffix(".json")
        if str(file).casefold() in self._used:  # part.png and part.jpg
            file = image.with_name(f"{image.name}.json")
        self._used.add(str(file).casefold())
        document: dict[str, Any] = {
            "version": _VERSION,
            "flags": {},
            "shapes": [_shape(instance) for instance in picture.instances],
            "imagePath": image.name,
            "imageData": None,
            "imageHeight": picture.height,
            "imageWidth": picture.width,
            "flawsmith_group": picture.group,
        }
        write_json(file, document | ({"flawsmith_id": picture.origin} if picture.origin else {}))
        return [1.0] * len(picture.instances)

    def close(self) -> None:
        """Nothing belongs to the whole set."""


def _shape(instance: Instance) -> dict[str, Any]:
    """One object as LabelMe writes masks: the corners of its box, both within it, and a PNG of 0 and 1."""
    patch = Patch.of(instance.patch.mask, instance.patch.top, instance.patch.left)
    left, top, width, height = patch.box
    png = BytesIO()
    Image.fromarray(patch.mask.astype(np.uint8)).save(png, "PNG")
    return {
        "label": instance.defect,
        "points": [[left, top], [left + width - 1, top + height - 1]],
        "group_id": None,
        "description": "",
        "shape_type": "mask",
        "flags": {},
        "mask": base64.b64encode(png.getvalue()).decode("ascii"),
    }
