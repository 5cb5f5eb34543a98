"""What names and figures of the user become on disk: tables that a spreadsheet cannot run, names that stay in place."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path

from flawsmith.data.files import write_text

Cell = str | int | float | None


def write_table(path: Path, rows: Sequence[Mapping[str, Cell]], header: Sequence[str]) -> None:
    """Writes the rows below a header: floats with 6 digits, None as nothing, texts that look like formulas quoted."""
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([_text(name) for name in header])
    writer.writerows([[_text(row.get(name)) for name in header] for row in rows])
    write_text(path, buffer.getvalue())


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:.6f}"
    text = str(cell)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) and isinstance(cell, str) else text


def file_name(text: str) -> str:
    """A class name as part of a file name: letters, digits, - and _ stay, anything else becomes _."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in text)[:60] or "_"
