"""From the rows of a layout and the facts of the files to records; whatever does not fit together is a problem."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from flawsmith.data.errors import UserError
from flawsmith.data.facts import ImageFacts, MaskFacts, image_facts, look, mask_facts
from flawsmith.data.geometry.runs import Runs
from flawsmith.data.geometry.shape import BadShape, Polygon, Shape, Union, sticks_out, window
from flawsmith.data.listing import ANY, Listing, Row
from flawsmith.data.problem import Problem, below, error, refused, warning
from flawsmith.data.record import GOOD, DataSet, Label, Record

THIN = 9.0  # px²: a polygon with a larger area is taken to have pixels without a look


@dataclass(frozen=True)
class Seen:
    """The facts of every file that could be read."""

    images: dict[Path, ImageFacts]
    masks: dict[Path, MaskFacts]


def resolve(listing: Listing) -> tuple[DataSet, Seen, list[Problem]]:
    """Opens all files of the listing. An image without the mask that it should have gets no record: it is not good."""
    images, bad = look((row.image for row in listing.rows), image_facts)
    masks, worse = look((path for row in listing.rows for path in (row.mask, row.roi) if path), mask_facts)
    reasons: dict[Path, UserError] = {**bad, **worse}
    problems = [refused(below(listing.root, path), _short(reason)) for path, reason in reasons.items()]
    seen = Seen(images, masks)
    records = []
    for _, rows in groupby(sorted(listing.rows, key=lambda row: row.name), key=lambda row: row.name):
        record, found = _record(listing, tuple(rows), seen, reasons)
        problems += found
        if record is not None:
            records.append(record)
    classes = sorted({defect for record in records for defect in record.defects})
    return DataSet(listing.root, tuple(records), tuple(classes), listing.grouped), seen, problems


def _short(reason: UserError) -> UserError:
    """The reason without the path, which the problem names already."""
    found = str(reason.found).replace(reason.where, Path(reason.where).name) if reason.found is not None else None
    return UserError(reason.where, reason.rule, found, reason.fix)


def _record(
    listing: Listing, rows: tuple[Row, ...], seen: Seen, reasons: dict[Path, UserError]
) -> tuple[Record | None, list[Problem]]:
    """One image's rows as a record, None where anything about it is an error."""
    first = rows[0]
    problems: list[Problem] = []
    labels: list[Label] = []
    for row in rows:
        found, wrong = _drawn(row, seen) if row.drawn else _labels(listing, row, seen)
        labels += found
        problems += wrong
        problems += _sizes(listing.root, row, seen)
    if labels and any(row.defect == GOOD for row in rows):
        problems.append(error(first.name, f"is listed as {GOOD} and as {labels[0].defect}", "take one line out"))
    rois = {row.roi for row in rows if row.roi}
    if len(rois) > 1:
        problems.append(error(first.name, f"has {len(rois)} regions of interest", "join them in one mask"))
    files = {row.image for row in rows} | {row.mask for row in rows} | rois
    bare = any(_bare(row) or (row.drawn and not labels) for row in rows)  # what shows a defect is never good
    if bare or files & reasons.keys() or any(problem.level == "error" for problem in problems):
        return None, problems
    roi, group = next(iter(rois), None), first.group or first.name
    return Record(first.name, first.image, group, tuple(dict.fromkeys(labels)), roi, first.origin), problems


def _sizes(root: Path, row: Row, seen: Seen) -> Iterable[Problem]:
    """Masks that have another size than their image, and regions of interest with nothing in them."""
    image = seen.images.get(row.image)
    if image is not None and row.size is not None and row.size != (image.height, image.width):
        what = f"is {image.width}×{image.height} px, its labels in {row.file} are for {row.size[1]}×{row.size[0]} px"
        turned = row.size == (image.width, image.height)
        fix = "turn it, or label it upright (EXIF)" if turned else "put the image there that was labelled"
        yield error(row.name, what, fix)
    for path in (row.mask, row.roi):
        mask = seen.masks.get(path) if path else None
        if path is None or mask is None:
            continue
        if path == row.roi and not mask.covered:
            yield error(below(root, path), "is an empty region of interest", "paint where defects may be placed")
        if image is None or (mask.height, mask.width) == (image.height, image.width):
            continue
        turned = (mask.width, mask.height) == (image.height, image.width)
        what = f"is {mask.width}×{mask.height} px, its image {row.name} {image.width}×{image.height} px"
        fix = "turn the mask: its image is shown upright (EXIF)" if turned else "export the mask at the image's size"
        yield error(below(root, path), what, fix)


def _labels(listing: Listing, row: Row, seen: Seen) -> tuple[list[Label], list[Problem]]:
    """The labels that one row gives its image, and what is wrong with them; none for a mask that cannot be read."""
    if _bare(row):
        what = f"shows a defect ({row.defect}) but has no mask: left out"
        return [], [warning(row.name, what, f"add a mask, or call it {GOOD}")]
    if row.mask is None:
        return [], []
    facts, file = seen.masks.get(row.mask), below(listing.root, row.mask)
    if facts is None:
        return [], []
    if not facts.covered:
        if row.defect in (None, GOOD):
            return [], []
        return [], [error(file, f"is all black, but its image is {row.defect}", f"paint the defect, or call it {GOOD}")]
    if row.defect == GOOD:
        what = f"marks {facts.covered} px as defect, but its image {row.name} is {GOOD}"
        return [], [error(file, what, "name the defect, or take the mask out")]
    labels, problems = _values(listing, row, row.mask, facts)
    if facts.covered == facts.height * facts.width:
        problems.append(warning(file, "marks the whole image as defect", "check that it is not inverted"))
    return labels, problems


def _drawn(row: Row, seen: Seen) -> tuple[list[Label], list[Problem]]:
    """The labels of the objects that were drawn in an image, and which of them lie outside or have no pixel."""
    image = seen.images.get(row.image)
    if image is None:
        return [], []
    labels, problems, size = [], [], (image.height, image.width)
    for one in row.drawn:
        where, left_out = f"{row.name}, {one.where}, {one.defect}", None
        try:
            left_out = f"has no pixel of the {size[1]}×{size[0]} px" if _empty(one.shape, size) else None
        except UserError as reason:
            problems.append(refused(f"{row.file}: {where}", reason))
            continue
        except BadShape as reason:
            problems.append(error(f"{row.file}: {where}", str(reason), "export it again"))
            continue
        outside = sticks_out(one.shape, *size)
        if left_out:
            problems.append(warning(f"{row.file}: {where}", f"{left_out}: left out", "draw it again, or delete it"))
            continue
        if outside >= 1:
            what = f"sticks out of its image by {outside:.0f} px: cut off there"
            problems.append(warning(f"{row.file}: {where}", what, "nothing, if it does not matter"))
        labels.append(Label(one.defect, one.shape))
    return labels, problems


def _empty(shape: Shape, size: tuple[int, int]) -> bool:
    """True where no pixel is the object's; only what may have none, or is a file, is turned into pixels for it."""
    if isinstance(shape, Runs) and not sticks_out(shape, *size):
        return not shape.counts[1::2].any()
    if isinstance(shape, Union):  # part by part: as soon as one has a pixel the others need no look
        return all(_empty(part, size) for part in shape.shapes)
    inside = all(window(shape.reach, *size)[2:])
    if isinstance(shape, Polygon) and inside and shape.area > THIN and not sticks_out(shape, *size):
        return False
    return not shape.patch(*size).mask.any()


def _bare(row: Row) -> bool:
    """True for a defect that nobody outlined: neither good nor fit to learn from, but no fault of the folder."""
    return row.mask is None and row.defect not in (None, GOOD)


def _values(listing: Listing, row: Row, mask: Path, facts: MaskFacts) -> tuple[list[Label], list[Problem]]:
    """The labels that the values of a mask with a defect mean: boolean, or class ids where classes.json says so."""
    file, values = below(listing.root, mask), sorted(facts.areas)
    if listing.ids is None:
        if len(values) == 1:
            return [Label(row.defect or ANY, mask)], []
        what = f"has several values beside 0 ({_few(values)})"
        return [], [error(file, what, "make it black and white, or name the values' classes in classes.json")]
    unknown = [value for value in values if value not in listing.ids]
    if unknown:
        known = _few(sorted(listing.ids))
        return [], [
            error(file, f"has the value {_few(unknown)}, classes.json only {known}", "add it there, or repaint")
        ]
    names = [listing.ids[value] for value in values]
    if row.defect is not None and row.defect not in names:
        what = f"has no pixel of {row.defect}, the class of its line, only of {', '.join(names)}"
        return [], [error(file, what, "correct the class in the manifest, or the values")]
    return [Label(listing.ids[value], mask, value) for value in values], []


def _few(values: list[int]) -> str:
    """The first few values of many."""
    return ", ".join(map(str, values[:6])) + (f" and {len(values) - 6} more" if len(values) > 6 else "")
