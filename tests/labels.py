"""What the tests of label formats share: junk for every place of a document, what a listing says, real exports."""

import copy
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flawsmith.data.listing import Listing

SIZE = 47, 61  # H, W of the image that is labelled, not square on purpose
JUNK = (
    None,
    True,
    -1,
    7,
    1e999,
    float("nan"),
    10**400,
    "",
    "x" * 10_000,
    "../../etc/passwd",
    [],
    {},
    [[]],
    [None],
    {"a": []},
)
REAL = Path(os.environ.get("FLAWSMITH_EXPORTS", "no-such-folder"))  # real exports of the tools, where there are any
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="FLAWSMITH_EXPORTS names no folder of real exports")


def places(value: Any, longest: int | None = None, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every entry of a document; lists of `longest` and more are left whole."""
    items: Any = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list) and (longest is None or len(value) < longest):
        items = enumerate(value)
    return [path] * bool(path) + [place for key, one in items for place in places(one, longest, (*path, key))]


def spoilt(whole: Any, place: tuple[Any, ...]) -> Iterator[Any]:
    """The document with each kind of junk at that place."""
    for junk in JUNK:
        document = copy.deepcopy(whole)
        inner: Any = document
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = junk
        yield document


def full(listing: Listing, row: int = 0, size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """The masks (H, W) of a row's objects."""
    return [drawn.shape.patch(*size).full(*size) for drawn in listing.rows[row].drawn]


def said(listing: Listing, level: str) -> str:
    """The problems of a level, a line each."""
    return "\n".join(f"{one.file}: {one.what}; {one.fix}" for one in listing.problems if one.level == level)
