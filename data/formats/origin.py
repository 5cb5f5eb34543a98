"""flawsmith.csv beside any data set: each image's group and provenance id, which few formats have a place for."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import replace
from io import StringIO
from pathlib import Path

from flawsmith.data.errors import UserError
from flawsmith.data.files import read_text, write_text
from flawsmith.data.listing import Listing
from flawsmith.data.problem import Problem, error, refused, warning

ORIGINS = "flawsmith.csv"
COLUMNS = ["image", "group", "origin"]
Origin = tuple[str, str, str | None]  # image, group, provenance id


def write_origins(folder: Path, origins: Iterable[Origin]) -> None:
    """Writes the file, a line an image."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((image, group, origin or "") for image, group, origin in origins)
    write_text(folder / ORIGINS, text.getvalue())


def with_origins(listing: Listing) -> Listing:
    """The listing with the groups and ids of its folder's flawsmith.csv, where there is one."""
    if not (listing.root / ORIGINS).is_file():
        return listing
    known, problems = _read(listing.root)
    found = {row.name: next((name for name in _tails(row.name) if name in known), None) for row in listing.rows}
    missing = sorted(name for name, key in found.items() if key is None)
    if known and missing and not problems:
        what = f"names no group of {len(missing)} images, first {missing[0]}: each is taken for a part of its own"
        problems.append(warning(ORIGINS, what, "add lines for them, or take the file out"))
    rows = []
    for row in listing.rows:
        group, origin = known.get(found[row.name] or "", ("", ""))
        rows.append(replace(row, group=row.group or group or None, origin=row.origin or origin or None))
    return replace(listing, rows=tuple(rows), problems=(*listing.problems, *problems))


def _tails(name: str) -> list[str]:
    """The path, then without its first folder, without two, …: each format puts images into folders of its own."""
    parts = name.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]


def _read(root: Path) -> tuple[dict[str, tuple[str, str]], list[Problem]]:
    """Group and id of each image."""
    try:
        lines = list(csv.reader(StringIO(read_text(root / ORIGINS))))
    except UserError as reason:
        return {}, [refused(ORIGINS, reason)]
    except csv.Error as reason:
        return {}, [error(ORIGINS, f"is not a table ({reason})", "take it out")]
    if not lines or lines[0] != COLUMNS or any(len(line) != len(COLUMNS) for line in lines):
        return {}, [error(ORIGINS, f"must have the columns {','.join(COLUMNS)} in every line", "take it out")]
    return {image: (group, origin) for image, group, origin in lines[1:]}, []
