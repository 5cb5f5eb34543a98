"""Regions of interest: where on clean parts defects may be painted, as a user gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.image import SUFFIXES, read_mask
from flawsmith.data.record import Record

AUTO = "auto"  # the regions of the data set, where it has any, else what is found to be part and not background


def with_regions(parts: Sequence[Record], region: str) -> tuple[Record, ...]:
    """The parts with their regions: "auto", a mask for all, or a folder with a mask for each, of the image's name.

    Raises UsageError where `region` is neither, UserError where a part has no mask or a mask has no pixel.
    """
    if region == AUTO:
        return tuple(parts)
    path = Path(region)
    if path.is_file():
        _refuse_empty(path)
        return tuple(replace(part, roi=path) for part in parts)
    if not path.is_dir():
        rule = "auto, a mask, or a folder of masks"
        raise UsageError("--region", rule, f"{region}, which does not exist", "check the path")
    masks = {file.stem: file for file in sorted(path.iterdir()) if file.suffix.lower() in SUFFIXES}
    found = tuple(replace(part, roi=_own(part, masks, path)) for part in parts)
    for mask in {part.roi for part in found if part.roi is not None}:
        _refuse_empty(mask)
    return found


def _own(part: Record, masks: dict[str, Path], folder: Path) -> Path:
    """The mask of a part; raises UserError where there is none."""
    stem = Path(part.name).stem
    if stem not in masks:
        raise UserError(folder, f"a mask for {part.name}", "none", f"add {stem}.png: white where defects may be")
    return masks[stem]


def _refuse_empty(mask: Path) -> None:
    if not (read_mask(mask) > 0).any():
        raise UserError(mask, "a region of interest has a pixel", "none", "paint white where defects may be")
