"""Class-id PNG as in PASCAL VOC: JPEGImages/, SegmentationClass/ and SegmentationObject/, which tells objects apart.

The masks are decoded while the folder is scanned: nothing else says which classes an image shows. The images are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.facts import look
from flawsmith.data.files import write_bytes, write_text
from flawsmith.data.formats.classmask import Stems, class_mask, kept, object_mask
from flawsmith.data.formats.labelmap import BACKGROUND, BORDER, LABELMAP, VOID, VOID_COLOUR, LabelMap, read_labels
from flawsmith.data.formats.palette import Numbered, palette_png, read_numbered, voc_colour
from flawsmith.data.formats.picture import Picture, copy_image
from flawsmith.data.formats.reading import Reading
from flawsmith.data.geometry.patch import Patch
from flawsmith.data.geometry.shape import Reach
from flawsmith.data.listing import Drawn, Listing, Row, by_stem, pictures, twins
from flawsmith.data.problem import Problem, below, counted, error, refused, warning

NAME = "png"
LAYOUT = "class PNG"
_IMAGES = ("JPEGImages", "images")
_CLASSES = ("SegmentationClass", "SegmentationClassPNG")  # the second as LabelMe names it
_OBJECTS = ("SegmentationObject", "SegmentationObjectPNG")
_SETS = "ImageSets/Segmentation"
_MOST_OBJECTS = 10_000  # of one image
_MOST_PAIRS = 2**22  # of a class and an object
_MOST_CLASSES = VOID - 1  # that a palette has room for
Stemmed = dict[str, list[Path]]


@dataclass(frozen=True, eq=False)
class Numbers:
    """The pixels of one number in a class mask and, where there is an object mask, of one number in that."""

    path: Path
    number: int
    objects: Path | None
    instances: tuple[int, ...]  # numbers of the object mask
    box: tuple[slice, slice]  # rows and columns around them when the folder was scanned

    @property
    def reach(self) -> Reach:
        """The box around the pixels."""
        rows, columns = self.box
        return float(columns.start), float(rows.start), float(columns.stop), float(rows.stop)

    def patch(self, height: int, width: int) -> Patch:
        """The pixels; raises UserError where a file cannot be read any more, or has another size than the image."""
        mask = self._pixels(self.path, height, width) == self.number
        if self.objects is not None:
            mask &= np.isin(self._pixels(self.objects, height, width), self.instances)
        return Patch.of(mask, self.box[0].start, self.box[1].start)

    def _pixels(self, path: Path, height: int, width: int) -> NDArray[Any]:
        pixels = read_numbered(path).pixels
        if pixels.shape != (height, width):
            rule = f"a mask has the size of its image ({width}×{height} px)"
            raise UserError(path, rule, f"{pixels.shape[1]}×{pixels.shape[0]} px", "export it at the image's size")
        return pixels[self.box]


@dataclass(frozen=True)
class Scanned:
    """What the masks of one image hold."""

    size: tuple[int, int]  # H, W
    drawn: tuple[Drawn, ...]
    unknown: tuple[str, ...]  # values that nobody names, as they can be shown
    border: bool  # there are pixels of which nobody says what they show
    unclassed: int  # objects none of whose pixels has a class


def find(root: Path) -> list[Path]:
    """The class masks of a folder in this layout, none where it is in another."""
    folder = _first(root, _CLASSES)
    return [path for path in pictures(root, folder)[0] if path.suffix.lower() == ".png"] if folder else []


def scan(root: Path, files: Sequence[Path], reading: Reading) -> Listing:
    """A row per image with a class mask, and, as CVAT writes them, per image that only a list names: good."""
    labels, problems = read_labels(root)
    folder = reading.images or _first(root, _IMAGES, "*")
    images_of, wrong = _files(root, folder)
    masks_of, more = _files(root, _first(root, _CLASSES))
    objects_of, others = _files(root, _first(root, _OBJECTS))
    problems += [*wrong, *more, *others]
    if folder is None:
        problems.append(error(_IMAGES[0], "does not exist", "export with images, or name their folder with --images"))
    objects = {files[0]: objects_of[stem][0] for stem, files in masks_of.items() if stem in objects_of}
    seen, bad = look((one[0] for one in masks_of.values()), lambda path: scan_mask(path, objects.get(path), labels))
    problems += [refused(below(root, Path(reason.where)), reason) for reason in bad.values()]
    problems += _about(root, seen, labels)
    rows = []
    listed = _listed(root)
    for stem, (image, *_) in sorted(images_of.items()):
        mask = masks_of.get(stem, [None])[0]
        if mask is None and stem not in listed:
            what = f"has no class mask and is in no list in {_SETS}: left out"
            problems.append(warning(_name(root, image, folder), what, "label it, or take it out"))
        elif mask is None:
            rows.append(Row(_name(root, image, folder), image, size=None))
        elif mask in seen:
            found = seen[mask]
            rows.append(
                Row(_name(root, image, folder), image, drawn=found.drawn, file=below(root, mask), size=found.size)
            )
    problems += _alone(root, images_of, masks_of, objects_of, listed) if folder else []
    return Listing(root, LAYOUT, tuple(rows), tuple(problems))


def _first(root: Path, names: Sequence[str], kind: str = "*.png") -> Path | None:
    """The first of the folders that holds such a file."""
    return next((root / name for name in names if next((root / name).rglob(kind), None)), None)


def _name(root: Path, image: Path, folder: Path | None) -> str:
    return below(root, image) if image.is_relative_to(root) or folder is None else below(folder, image)


def _files(root: Path, folder: Path | None) -> tuple[Stemmed, list[Problem]]:
    """The images or masks of a folder by their path without ending, and those of one stem or of no use."""
    if folder is None:
        return {}, []
    found, problems = pictures(root, folder)
    stems = by_stem(found, folder)
    return {stem: same for stem, same in stems.items() if len(same) == 1}, [*problems, *twins(root, stems)]


def _listed(root: Path) -> set[str]:
    """The names of images, without ending, in all lists of the folder; CVAT quotes those with a blank."""
    found: set[str] = set()
    for path in sorted((root / _SETS).glob("*.txt")):
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, ValueError):  # other tools put other lists there
            continue
        found.update(line.strip().strip('"').replace("\\", "/") for line in lines if line.strip())
    return found


def scan_mask(path: Path, beside: Path | None, labels: LabelMap) -> Scanned:
    """The objects that a class mask shows, told apart by the object mask beside it; raises UserError."""
    mask = read_numbered(path)
    size = mask.pixels.shape[0], mask.pixels.shape[1]
    names = labels.of(mask)
    classes = [value for value in mask.values if names.get(value, BACKGROUND) not in (BACKGROUND, BORDER)]
    unknown = tuple(_shown(mask, value) for value in mask.values if value not in names)
    border = BORDER in names.values()
    if beside is None:
        drawn = [
            Drawn(names[classes[rank - 1]], Numbers(path, classes[rank - 1], None, (), box), f"value {shown}")
            for rank, box in _boxes(_ranks(mask, classes))
            for shown in [_shown(mask, classes[rank - 1])]
        ]
        return Scanned(size, tuple(drawn), unknown, border, 0)
    objects = read_numbered(beside)
    if objects.pixels.shape != size:
        found = f"{objects.pixels.shape[1]}×{objects.pixels.shape[0]} px"
        raise UserError(beside, f"has another size than its class mask ({size[1]}×{size[0]} px)", found, "export again")
    drawn, unclassed = _told_apart(path, mask, {value: names[value] for value in classes}, beside, objects)
    return Scanned(size, tuple(drawn), unknown, border, unclassed)


def _told_apart(
    path: Path, mask: Numbered, names: dict[int, str], beside: Path, objects: Numbered
) -> tuple[list[Drawn], int]:
    """Each object of each class, and the number of objects that have no class."""
    nothing = tuple(value for value in objects.values if _is_nothing(objects, value))
    numbers = [value for value in objects.values if value not in nothing]
    classes = list(names)
    if len(numbers) * len(classes) > _MOST_PAIRS:
        found = f"{len(numbers)} of {len(classes)} classes"
        raise UserError(beside, f"an image has at most {_MOST_OBJECTS} objects", found, "cut it into tiles")
    ranks = _ranks(mask, classes).astype(np.uint32)  # of pairs: first all classes of no object, then of the first, …
    pairs = np.where(ranks > 0, _ranks(objects, numbers) * np.uint32(len(classes)) + ranks, 0)
    drawn, classed = [], set()
    for pair, box in _boxes(pairs):
        instance, rank = divmod(pair - 1, max(len(classes), 1))
        value = classes[rank]
        chosen = (numbers[instance - 1],) if instance else nothing
        where = f"object {_shown(objects, chosen[0])}" if instance else "pixels of no object"
        drawn.append(Drawn(names[value], Numbers(path, value, beside, chosen, box), where))
        classed.add(instance)
    if len(drawn) > _MOST_OBJECTS:
        raise UserError(beside, f"an image has at most {_MOST_OBJECTS} objects", len(drawn), "cut it into tiles")
    return drawn, len(numbers) - len(classed - {0})


def _is_nothing(objects: Numbered, value: int) -> bool:
    """True for the value of no object and of the border between objects."""
    if objects.own:
        return value == 0 or (value == VOID and not objects.deep)
    return objects.colours[value] in ((0, 0, 0), VOID_COLOUR)


def _ranks(mask: Numbered, values: Sequence[int]) -> NDArray[Any]:
    """The mask with its values numbered from 1, all others 0."""
    table = np.zeros(int(np.iinfo(mask.pixels.dtype).max) + 1, np.min_scalar_type(len(values)))
    table[list(values)] = np.arange(1, len(values) + 1)
    found: NDArray[Any] = table[mask.pixels]
    return found


def _boxes(numbers: NDArray[Any]) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """Each number from 1 that occurs, with its bounding box."""
    signed = numbers.astype(np.int32) if numbers.dtype == np.uint32 else numbers
    yield from ((number, box) for number, box in enumerate(ndimage.find_objects(signed), 1) if box is not None)


def _shown(mask: Numbered, value: int) -> str:
    """A value as its file has it: a number, or a colour."""
    return str(value) if mask.own else ",".join(map(str, mask.colours[value]))


def _about(root: Path, seen: dict[Path, Scanned], labels: LabelMap) -> Iterator[Problem]:
    """What is left out of the masks that could be read."""
    for path, found in sorted(seen.items()):
        if found.unknown:
            some = " and ".join([*found.unknown[:4], *(["more"] if len(found.unknown) > 4 else [])])
            yield error(below(root, path), f"has the value {some}, unknown to {labels.source}", f"add it to {LABELMAP}")
        if found.unclassed:
            what = f"gives no class to {counted(found.unclassed, 'object')} of the object mask: left out"
            yield warning(below(root, path), what, "label them, or take them out")
    border = [path for path, found in sorted(seen.items()) if found.border]
    if border:
        what = f"{counted(len(border), 'mask')} with a border of no class ({VOID}), first {border[0].name}: left out"
        yield warning(border[0].parent.name, what, "nothing, if it is what VOC calls void")


def _alone(root: Path, images: Stemmed, masks: Stemmed, objects: Stemmed, listed: set[str]) -> Iterator[Problem]:
    """Masks and listed names to which no image belongs, and object masks without a class mask."""
    fix = f"put the image into {_IMAGES[0]}, or name the images' folder with --images"
    for stem, files in masks.items():
        if stem not in images:
            yield error(below(root, files[0]), "is a mask without an image", fix)
    for name in sorted(listed - images.keys() - masks.keys()):
        yield error(_SETS, f"names {name[:80]!r}, of which there is no image", fix)
    for stem, files in objects.items():
        if stem not in masks:
            what = f"is an object mask without one in {_CLASSES[0]}: left out"
            yield warning(below(root, files[0]), what, "export the classes too")


class ClassPngWriter:
    """Writes this layout: palettes numbered by class and by object, with the colours of VOC and CVAT's labelmap.txt.

    Where objects overlap, the later one has the pixels.
    """

    lossless = False

    def __init__(self, output: Path, classes: Sequence[str]) -> None:
        if len(classes) > _MOST_CLASSES:
            raise UsageError("--to png", f"a palette has room for {_MOST_CLASSES} classes", len(classes), "use coco")
        if reserved := [name for name in classes if name in (BACKGROUND, BORDER)]:
            raise UsageError("--to png", f"a class cannot be called {reserved[0]!r}", None, "rename it")
        self.output, self.classes = output, tuple(classes)
        self.images: dict[str, str] = {}  # where each picture is, below the output
        self._stems = Stems()
        self._listed: list[str] = []

    def add(self, picture: Picture) -> list[float]:
        """Writes the image and both masks; the share of each object's pixels that no later one took."""
        stem, dot, suffix = picture.name.rpartition(".")
        stem = self._stems.once(stem)
        objects = object_mask(picture)
        copy_image(picture, self.output / _IMAGES[0] / f"{stem}{dot}{suffix}")
        numbers = class_mask(picture, objects, self.classes)
        write_bytes(self.output / _CLASSES[0] / f"{stem}.png", palette_png(numbers))
        write_bytes(self.output / _OBJECTS[0] / f"{stem}.png", palette_png(objects))
        self.images[picture.name] = f"{_IMAGES[0]}/{stem}{dot}{suffix}"
        self._listed.append(stem)
        return kept(picture, objects)

    def close(self) -> None:
        """Writes the classes' colours and the list of images."""
        colours = (voc_colour(number) for number in range(len(self.classes) + 1))
        lines = [
            f"{name}:{red},{green},{blue}::"
            for name, (red, green, blue) in zip((BACKGROUND, *self.classes), colours, strict=True)
        ]
        write_text(self.output / LABELMAP, "\n".join(["# label:color_rgb:parts:actions", *lines]) + "\n")
        write_text(self.output / _SETS / "default.txt", "".join(f"{stem}\n" for stem in self._listed))
