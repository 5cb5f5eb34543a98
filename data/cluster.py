"""Which images show the same physical part, as far as groups and near-duplicates tell."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from flawsmith.data.fingerprint import Fingerprint, pairs
from flawsmith.data.record import Record


def cluster(
    records: Sequence[Record], digests: Sequence[str], prints: Sequence[Fingerprint], grouped: bool
) -> tuple[NDArray[Any], list[str]]:
    """A number (N,) int32 for each record, the same where two share a group or are near-duplicates; and notes on it.

    Duplicates that are in different groups join them: whatever the group column says, a copy must not be in both parts.
    """
    names = [record.group if grouped else record.name for record in records]
    alike = [*_repeats(digests), *pairs(prints)]
    edges = np.array([*_repeats(names), *alike], np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(len(records), len(records)))
    count, labels = connected_components(graph, directed=False)
    if not grouped:
        found = f"No groups are given: near-duplicates make {count} groups of the {len(records)} images."
        return labels, [found, "Other photographs of one part may be on both sides; a group column is safer."]
    crossing = sorted({(i, j) for i, j in alike if names[i] != names[j]})
    if not crossing:
        return labels, []
    one, other = (records[i] for i in crossing[0])
    found = f"{len(crossing)} near-duplicate pair(s) belong to different groups; those groups were kept together,"
    return labels, [f"{found} first {one.name} ({one.group}) and {other.name} ({other.group})."]


def _repeats(keys: Sequence[str]) -> list[tuple[int, int]]:
    """(i, j), i < j, for every key at j that was first seen at i."""
    first: dict[str, int] = {}
    return [(first[key], j) for j, key in enumerate(keys) if first.setdefault(key, j) != j]
