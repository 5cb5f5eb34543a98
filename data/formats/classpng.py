"""Class-id PNG as in PASCAL VOC: JPEGImages/, SegmentationClass/ and SegmentationObject/, which tells objects apart.

The masks are decoded while the folder is scanned: nothing else says which classes an image shows. The images are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from flawsmith.data.errors import UsageError
from flawsmith.data.facts import look
from flawsmith.data.files import write_bytes, write_text
from flawsmith.data.formats.classmask import Stems, class_mask, kept, object_mask
from flawsmith.data.formats.labelmap import BACKGROUND, LABELMAP, VOID, LabelMap, is_reserved, read_labels
from flawsmith.data.formats.numbers import Scanned, scan_mask
from flawsmith.data.formats.palette import palette_png, voc_colour
from flawsmith.data.formats.picture import Picture, copy_image
from flawsmith.data.formats.reading import Reading
from flawsmith.data.listing import Listing, Row, by_stem, pictures, twins
from flawsmith.data.problem import Problem, below, counted, error, refused, warning

NAME = "png"
LAYOUT = "class PNG"
_IMAGES = ("JPEGImages", "images")
_CLASSES = ("SegmentationClass", "SegmentationClassPNG")  # the second as LabelMe names it
_OBJECTS = ("SegmentationObject", "SegmentationObjectPNG")
_SETS = "ImageSets/Segmentation"
_MOST_CLASSES = VOID - 1  # that a palette has room for
Stemmed = dict[str, list[Path]]


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
    listed = _listed(root)
    rows = []
    for stem, (image, *_) in sorted(images_of.items()):
        name, mask = _name(root, image, folder), next(iter(masks_of.get(stem, [])), None)
        if mask is not None and mask in seen:
            rows.append(Row(name, image, drawn=seen[mask].drawn, file=below(root, mask), size=seen[mask].size))
        elif mask is None and stem in listed:
            rows.append(Row(name, image))
        elif mask is None:
            what = f"has no class mask and is in no list in {_SETS}: left out"
            problems.append(warning(name, what, "label it, or take it out"))
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
        if reserved := [name for name in classes if is_reserved(name)]:
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
