"""The split: whole groups go to the pool, which may be learned from, or to the test part, which nothing may touch."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.cluster import cluster
from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.files import file_digest, read_json, write_json
from flawsmith.data.fingerprint import Fingerprint, copies, fingerprint
from flawsmith.data.image import read_image
from flawsmith.data.partition import partition
from flawsmith.data.record import GOOD, DataSet, Record
from flawsmith.data.seeds import rng

VERSION = 1
POOL, TEST = "pool", "test"
_AGAIN = "run flawsmith split again"


@dataclass(frozen=True)
class Entry:
    """One image of a split: its name, its part ("pool" or "test"), its group, its file's digest and its fingerprint."""

    name: str
    part: str
    group: str
    sha256: str
    fingerprint: str


@dataclass(frozen=True)
class Split:
    """A split on disk: how it was made, what there is to know about it (`note`), and every image's part."""

    seed: int
    fraction: float
    note: str
    images: tuple[Entry, ...]

    def save(self, path: Path) -> None:
        """Writes the split as JSON."""
        write_json(path, {"version": VERSION} | asdict(self))

    @staticmethod
    def load(path: Path) -> "Split":
        """Reads a split; raises UserError on anything that is none."""
        content = read_json(path)
        if not isinstance(content, dict) or content.get("version") != VERSION:
            found = content.get("version", "no version") if isinstance(content, dict) else type(content).__name__
            raise UserError(path, f"a split file has version {VERSION}", found, _AGAIN)
        try:
            images = tuple(_entry(image) for image in content["images"])
            if len({entry.name for entry in images}) < len(images):
                raise ValueError("two images of the same name")
            return Split(int(content["seed"]), float(content["fraction"]), str(content["note"]), images)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(path, "the split file is damaged", error, _AGAIN) from error

    def pool(self, dataset: DataSet) -> tuple[Record, ...]:
        """The records that may be learned from; raises UserError where the folder is not the one that was split."""
        return self._part(dataset, POOL)

    def test(self, dataset: DataSet) -> tuple[Record, ...]:
        """The records to be judged on; raises UserError where the folder is not the one that was split."""
        return self._part(dataset, TEST)

    def refuse_test(self, records: Iterable[Record]) -> None:
        """Raises UserError naming the first record that is a test image: the same file, or a copy that was flipped,
        turned, re-saved or resized. Files of the pool, unchanged, are not opened."""
        known = {entry.sha256: entry for entry in self.images if entry.part == POOL}
        known |= {entry.sha256: entry for entry in self.images if entry.part == TEST}
        strangers: list[Record] = []
        for record in records:
            entry = known.get(file_digest(record.image))
            if entry is None:
                strangers.append(record)
            elif entry.part == TEST:
                raise _leak(record, entry, "the same file")
        found = [fingerprint(read_image(record.image)) for record in strangers]
        for index, nearest in copies(found, self._test_fingerprints):
            raise _leak(strangers[index], self._test_entries[nearest], "a flipped, turned, re-saved or resized copy")

    def _part(self, dataset: DataSet, part: str) -> tuple[Record, ...]:
        entries = {entry.name: entry for entry in self.images}
        chosen = []
        for record in dataset.records:
            entry = entries.pop(record.name, None)
            if entry is None:
                raise UserError(record.image, "every image must be in the split", "a new one", _AGAIN)
            if file_digest(record.image) != entry.sha256:
                raise UserError(record.image, "an image must not change after the split", "another digest", _AGAIN)
            if entry.part == part:
                chosen.append(record if dataset.grouped else replace(record, group=entry.group))
        lost = [entry for entry in entries.values() if entry.part == part]
        if lost:
            rule = f"an image of the split's {part} part is missing"
            raise UserError(dataset.root / lost[0].name, rule, None, f"put it back, or {_AGAIN}")
        return tuple(chosen)

    @cached_property
    def test_digests(self) -> frozenset[str]:
        """The SHA-256 of every test image."""
        return frozenset(entry.sha256 for entry in self._test_entries)

    @cached_property
    def _test_entries(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.images if entry.part == TEST)

    @cached_property
    def _test_fingerprints(self) -> tuple[Fingerprint, ...]:
        return tuple(Fingerprint.decode(entry.fingerprint) for entry in self._test_entries)


def make_split(dataset: DataSet, test: float = 0.5, seed: int = 0) -> Split:
    """Divides a data set by group; near-duplicates count as one group, and form the groups where none are given.

    Every class, and the good images, is on both sides if it has two groups; one that has not goes to the pool, and the
    note says so. Raises UserError where nothing can be tested, or learned.
    """
    if not 0 < test < 1:
        raise UsageError("--test", "the test part is a share between 0 and 1", test)
    records = sorted(dataset.records, key=lambda record: record.name)
    digests = [file_digest(record.image) for record in records]
    prints = [fingerprint(read_image(record.image)) for record in records]
    labels, note = cluster(records, digests, prints, dataset.grouped)
    classes = [*dataset.classes, GOOD]
    counts = np.zeros((labels.max(initial=-1) + 1, len(classes)), np.int64)
    for label, record in zip(labels, records, strict=True):
        for name in record.defects or (GOOD,):
            counts[label, classes.index(name)] += 1
    chosen = partition(counts, test, rng(seed, "split"))
    note += _absent(dataset, classes, counts, chosen)
    images = []
    for record, label, sha, item in zip(records, labels, digests, prints, strict=True):
        group = record.group if dataset.grouped else f"cluster {label}"
        images.append(Entry(record.name, TEST if chosen[label] else POOL, group, sha, item.encode()))
    return Split(seed, test, " ".join(note), tuple(images))


def _absent(dataset: DataSet, classes: Sequence[str], counts: NDArray[np.int64], test: NDArray[np.bool_]) -> list[str]:
    """Notes on classes that are on one side only; raises UserError where a side has no defects at all."""
    sides = {POOL: counts[~test].sum(axis=0), TEST: counts[test].sum(axis=0)}
    for part, images in sides.items():
        if not images[:-1].any():
            rule = f"the {part} part needs a defect: a class with at least two groups (parts)"
            raise UserError(dataset.root, rule, "none", "add images of further parts, or mend the group column")
    return [
        f"No image of {name} is in the {part} part: {int((counts[:, k] > 0).sum())} group(s) hold it."
        for part, images in sides.items()
        for k, name in enumerate(classes)
        if not images[k]
    ]


def _entry(content: Any) -> Entry:
    """Checks one image of a split file; raises ValueError, KeyError or TypeError."""
    entry = Entry(**content)
    if entry.part not in (POOL, TEST) or not all(isinstance(value, str) for value in asdict(entry).values()):
        raise ValueError(f"{entry.name}: part is {entry.part!r}")
    Fingerprint.decode(entry.fingerprint)
    return entry


def _leak(record: Record, entry: Entry, how: str) -> UserError:
    rule = "nothing may be learned from a test image"
    return UserError(record.image, rule, f"{how} as {entry.name} of the test part", "remove it, or split again")
