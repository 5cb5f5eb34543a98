"""Reads the layout of MVTec AD (train/good, test/<defect>, ground_truth/<defect>/*_mask.png) and of MVTec AD 2."""

from pathlib import Path

from flawsmith.data.listing import Listing, Row, by_stem, pictures, twins
from flawsmith.data.problem import Problem, below, counted, error, warning
from flawsmith.data.record import GOOD

_PARTS = ("train", "validation", "test", "test_public")
_PRIVATE = ("test_private", "test_private_mixed")  # of MVTec AD 2: published without labels
_TRUTH = "ground_truth"


def is_mvtec(root: Path) -> bool:
    """True where the folder is one product of such a tree."""
    return any((root / part / GOOD).is_dir() for part in _PARTS)


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
