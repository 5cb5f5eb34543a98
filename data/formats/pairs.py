"""Reads the layout of images/ and masks/: a mask has its image's stem; no mask, or nothing in it, means good."""

from pathlib import Path

from flawsmith.data.listing import Listing, Row, by_stem, pictures, read_ids, twins
from flawsmith.data.problem import below, error, warning


def scan(root: Path) -> Listing:
    """A row per image below images/; folders in it are matched by the same folders in masks/."""
    ids, problems = read_ids(root)
    images, others = pictures(root, root / "images")
    masks, more = pictures(root, root / "masks")
    images_of, masks_of = by_stem(images, root / "images"), by_stem(masks, root / "masks")
    problems += [*others, *more, *twins(root, images_of), *twins(root, masks_of)]
    for stem, files in masks_of.items():
        if stem not in images_of:
            near = stem.removesuffix("_mask")
            fix = f"name it {near}.png" if near != stem and near in images_of else "add the image, or take it out"
            problems.append(error(below(root, files[0]), "is a mask without an image", fix))
    if images and not (root / "masks").is_dir():
        problems.append(warning("masks", "does not exist: every image counts as good", "add the masks of the defects"))
    rows = tuple(
        Row(below(root, files[0]), files[0], masks_of[stem][0] if stem in masks_of else None)
        for stem, files in images_of.items()
        if len(files) == 1 and len(masks_of.get(stem, [])) < 2
    )
    return Listing(root, "images and masks", rows, tuple(problems), ids)
