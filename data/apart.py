"""Keeping two data sets apart: what is learned from one must show nothing that the other is judged by."""

from flawsmith.data.errors import UserError
from flawsmith.data.fingerprint import Fingerprint, copies
from flawsmith.data.record import DataSet
from flawsmith.data.split import POOL, TEST, Entry, Split


def refuse_overlap(learned: DataSet, pool: Split, judged: DataSet, held: Split) -> None:
    """Raises UserError where an image of `learned`, of its split's pool, is a test or a defect image of `judged`.

    The same file, or a copy that was flipped, turned, re-saved or resized. No image is opened: the splits know them.
    """
    defective = {record.name for record in judged.defective}
    kept = [entry for entry in held.images if entry.part == TEST or entry.name in defective]
    ours = [entry for entry in pool.images if entry.part == POOL]
    by_digest = {entry.sha256: entry for entry in kept}
    for entry in ours:
        if entry.sha256 in by_digest:
            raise _leak(learned, entry, judged, by_digest[entry.sha256], "the same file")
    for index, nearest in copies(_prints(ours), _prints(kept)):
        raise _leak(learned, ours[index], judged, kept[nearest], "a flipped, turned, re-saved or resized copy")


def _prints(entries: list[Entry]) -> list[Fingerprint]:
    return [Fingerprint.decode(entry.fingerprint) for entry in entries]


def _leak(learned: DataSet, entry: Entry, judged: DataSet, other: Entry, how: str) -> UserError:
    part = "test part" if other.part == TEST else "defects"
    rule = "nothing may be learned from what the target is judged by, nor from its defects"
    found = f"{how} as {other.name} of the {part} of {judged.root}"
    return UserError(learned.root / entry.name, rule, found, "remove it from one of the two")
