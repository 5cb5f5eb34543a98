"""The layout of MVTec AD (train/good, test/<defect>, ground_truth/<defect>/*_mask.png); that of MVTec AD 2 is read."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage

from flawsmith.data.errors import UsageError
from flawsmith.data.files import cannot_write, write_bytes
from flawsmith.data.formats.classmask import Stems
from flawsmith.data.formats.palette import grey_png
from flawsmith.data.formats.picture import Picture, copy_image
from flawsmith.data.geometry.patch import Mask
from flawsmith.data.listing import Listing, Row, by_stem, pictures, twins
from flawsmith.data.problem import Problem, below, counted, error, warning
from flawsmith.data.record import GOOD

_PARTS = ("train", "validation", "test", "test_public")
_PRIVATE = ("test_private", "test_private_mixed")  # of MVTec AD 2: published without labels
_TRUTH = "ground_truth"
_EIGHT = np.ones((3, 3), int)  # neighbours
_EVERY = 5  # of the groups of good parts one in so many is for the test


def is_mvtec(root: Path) -> bool:
    """True where the folder is one product of such a tree; without good images archives drop train/good."""
    tested = (root / "test").is_dir() and (root / _TRUTH).is_dir()
    return tested or any((root / part / GOOD).is_dir() for part in _PARTS)


def products(root: Path) -> list[str]:
    """The products below a folder that holds several trees."""
    return sorted(path.name for path in root.iterdir() if path.is_dir() and is_mvtec(path))


def scan(root: Path) -> Listing:
    """A row per image; its class is its folder, its mask the file of its stem with `_mask` in ground_truth."""
    rows: list[Row] = []
    problems: list[Problem] = []
    for part in (root / name for name in _PARTS if (root / name).is_dir()):
        truth = part / _TRUTH if part.name == "test_public" else root / _TRUTH
        problems += _stray(root, part)
        for folder in sorted(path for path in part.iterdir() if path.is_dir() and path.name != _TRUTH):
            if folder.name.startswith("."):
                continue
            found, wrong = _class(root, folder, truth / folder.name if part.name.startswith("test") else None)
            rows += found
            problems += wrong
        problems += _truth_alone(root, part, truth)
    for part in (root / name for name in _PRIVATE if (root / name).is_dir()):
        count = len(pictures(root, part)[0])
        problems.append(
            warning(part.name, f"{counted(count, 'image')} without labels: left out", "nothing, this is as published")
        )
    return Listing(root, "MVTec AD", tuple(rows), tuple(problems))


def _stray(root: Path, part: Path) -> list[Problem]:
    """Images that lie beside the class folders instead of in one."""
    files = [path for path in sorted(part.iterdir()) if path.is_file() and not path.name.startswith(".")]
    return [warning(below(root, path), "lies beside the class folders: left out", "move it into one") for path in files]


def _class(root: Path, folder: Path, truth: Path | None) -> tuple[list[Row], list[Problem]]:
    """The rows of one class folder, each with its mask in `truth`; only good images need none."""
    images, problems = pictures(root, folder)
    masks, more = pictures(root, truth) if truth and truth.is_dir() else ([], [])
    images_of, masks_of = by_stem(images, folder), by_stem(masks, truth or folder)
    problems += [*more, *twins(root, images_of), *twins(root, masks_of)]
    rows, used = [], set()
    for stem, files in images_of.items():
        key = next((name for name in (f"{stem}_mask", stem) if name in masks_of), None)
        used.add(key)
        if key is None and folder.name != GOOD:
            problems.append(_bare(root, files[0], folder.name, truth))
        elif len(files) == 1 and (key is None or len(masks_of[key]) == 1):
            rows.append(Row(below(root, files[0]), files[0], masks_of[key][0] if key else None, folder.name))
    for key, files in masks_of.items():
        if key not in used:
            fix = f"add the image to {below(root, folder)}, or take the mask out"
            problems.append(error(below(root, files[0]), "is a mask without an image", fix))
    return rows, problems


def _bare(root: Path, image: Path, defect: str, truth: Path | None) -> Problem:
    """The error of a defect image without a mask."""
    if truth is None:
        what = f"shows a defect ({defect}), which belongs to the test part of this layout"
        return error(below(root, image), what, f"move it to test/{defect}, its mask to {_TRUTH}/{defect}")
    fix = f"add {below(root, truth)}/{image.stem}_mask.png, or call it {GOOD}"
    return error(below(root, image), f"shows a defect ({defect}) but has no mask", fix)


def _truth_alone(root: Path, part: Path, truth: Path) -> list[Problem]:
    """Class folders of masks to which no folder of images belongs."""
    if part.name not in ("test", "test_public") or not truth.is_dir():
        return []
    problems = []
    for folder in sorted(path for path in truth.iterdir() if path.is_dir()):
        if not (part / folder.name).is_dir() and (count := len(pictures(root, folder)[0])):
            fix = f"add the images as {below(root, part)}/{folder.name}, or take the folder out"
            problems.append(error(below(root, folder), f"holds {counted(count, 'mask')} without images", fix))
    return problems


class MvtecWriter:
    """Writes one product of MVTec AD: a mask an image, a class an image, and no objects.

    An image of several classes goes to test/combined, with all its pixels in one mask. Good images go to test/good
    where their group also has defects, which are in the test, and where it is the 2nd, 7th, 12th, … of the others;
    else to train/good. Names are `<number>_<name>.png`: anomalib pairs images and masks by their order, which differs
    for part1, part1_mask and part10, part10_mask.
    """

    lossless = False

    def __init__(self, output: Path, classes: Sequence[str]) -> None:
        for name in classes:
            if name.casefold() in (GOOD, _TRUTH) or name.startswith("."):
                raise UsageError("--to mvtec", f"a class cannot be called {name!r} in this layout", None, "rename it")
        self.output = output
        self.images: dict[str, str] = {}  # where each picture is, below the output
        self._combined = next(name for name in _endless("combined") if name not in classes)
        self._stems = Stems()
        self._good: list[Picture] = []  # where they go shows only when all groups are known
        self._groups: set[str] = set()  # with defects

    def add(self, picture: Picture) -> list[float]:
        """Writes a defect image and its mask; of each object the intersection over union with the pieces it is in.

        Where classes are combined it is the object's share of the mask: its class is lost.
        """
        if not picture.instances:
            self._good.append(picture)
            return []
        self._groups.add(_group(picture))
        defects = {one.defect for one in picture.instances}
        mask = np.zeros((picture.height, picture.width), bool)
        for one in picture.instances:
            one.patch.onto(mask)
        stem = self._place(picture, f"test/{defects.pop() if len(defects) == 1 else self._combined}")
        write_bytes(self.output / f"{stem}_mask.png".replace("test", _TRUTH, 1), grey_png(mask * np.uint8(255)))
        if defects:
            return [one.patch.area / int(mask.sum()) for one in picture.instances]
        return _in_pieces(picture, mask)

    def close(self) -> None:
        """Writes the good images."""
        alone = list(dict.fromkeys(group for one in self._good if (group := _group(one)) not in self._groups))
        test = self._groups | set(alone[1::_EVERY])
        for picture in self._good:
            self._place(picture, f"test/{GOOD}" if _group(picture) in test else f"train/{GOOD}")
        try:
            (self.output / "train" / GOOD).mkdir(parents=True, exist_ok=True)  # what the layout is known by
        except OSError as reason:
            raise cannot_write(self.output, reason) from reason

    def _place(self, picture: Picture, folder: str) -> str:
        """Copies the image into a folder; its path below the output, without ending."""
        stem = f"{folder}/{len(self.images):06}_{self._stems.flat(picture.name)}"
        self.images[picture.name] = stem + Path(picture.name).suffix
        copy_image(picture, self.output / self.images[picture.name])
        return stem


def _group(picture: Picture) -> str:
    """What the picture may not be parted from; itself where nothing is known."""
    return picture.group or picture.name


def _endless(name: str) -> Iterator[str]:
    """The name, then the name with more and more underscores behind."""
    while True:
        yield name
        name += "_"


def _in_pieces(picture: Picture, mask: Mask) -> list[float]:
    """Of each object its share of the connected pieces of the mask (H, W) that it lies in."""
    numbers, count = ndimage.label(mask, _EIGHT)
    areas = np.bincount(numbers.ravel(), minlength=count + 1)
    shares = []
    for one in picture.instances:
        left, top, width, height = one.patch.box
        pieces = np.unique(numbers[top : top + height, left : left + width][one.patch.mask])
        shares.append(one.patch.area / int(areas[pieces].sum()))
    return shares
