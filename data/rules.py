"""What can be wrong with a set as a whole, though each file is sound: copies, mixtures, too few of something."""

from collections import Counter
from collections.abc import Iterator

from flawsmith.data.facts import ImageFacts
from flawsmith.data.listing import Listing
from flawsmith.data.problem import Problem, counted, error, warning
from flawsmith.data.record import GOOD, DataSet, Record
from flawsmith.data.resolve import Seen

SMALL = 32  # px: below it, an image is smaller than the networks' receptive field
_DEPTH = {1: "grey", 3: "colour", 4: "colour with alpha"}


def depth(facts: ImageFacts) -> str:
    """How an image's pixels are stored, such as "grey, 8 bit"."""
    return f"{_DEPTH[facts.channels]}, {facts.bits} bit"


def whole(listing: Listing, dataset: DataSet, seen: Seen) -> Iterator[Problem]:
    """All problems of the set as a whole."""
    yield from _names(listing)
    yield from _small(listing, seen)
    yield from _mixed(listing, seen)
    yield from _copies(dataset, seen)
    yield from _few(dataset)


def _names(listing: Listing) -> Iterator[Problem]:
    """Names that other tools cannot write down, and classes that differ by upper case alone."""
    for name in dict.fromkeys(row.name for row in listing.rows):
        if _unwritable(name):
            yield error(name, "has a control character or broken UTF-8 in its name", "rename it")
    for row in listing.rows:
        for kind, text in (("group", row.group), ("provenance id", row.origin)):
            if text is not None and _unwritable(text):
                what = f"has a control character or broken UTF-8 in its {kind} ({text[:80]!r})"
                yield error(row.name, what, "correct it where it is written")
    spelled: dict[str, str] = {}
    for defect in dict.fromkeys(row.defect for row in listing.rows if row.defect):
        other = spelled.setdefault(defect.casefold(), defect)
        if other != defect:
            yield warning(".", f"the classes {other} and {defect} differ by upper case alone", "spell them alike")


def _unwritable(text: str) -> bool:
    """True for a text with a control character or half a character of UTF-16."""
    return any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 or 0xD800 <= ord(char) < 0xE000 for char in text)


def _small(listing: Listing, seen: Seen) -> Iterator[Problem]:
    for row in listing.rows:
        facts = seen.images.get(row.image)
        if facts is not None and min(facts.width, facts.height) < SMALL:
            what = f"is only {facts.width}×{facts.height} px, less than {SMALL} on a side"
            yield warning(row.name, what, "use the full resolution: defects are painted and found at native size")


def _mixed(listing: Listing, seen: Seen) -> Iterator[Problem]:
    counts = Counter(depth(facts) for facts in seen.images.values())
    if len(counts) > 1:
        what = "mixes " + ", ".join(f"{counted(count, 'image')} in {kind}" for kind, count in counts.most_common())
        yield warning(".", what, "use one camera format: a class of its own format is learned by the format")


def _copies(dataset: DataSet, seen: Seen) -> Iterator[Problem]:
    """The same pixels twice: harmless within a part, a leak across parts, a contradiction where the labels differ."""
    first: dict[str, Record] = {}
    for record in dataset.records:
        other = first.setdefault(seen.images[record.image].digest, record)
        if other is record:
            continue
        if other.defects != record.defects:
            kinds = f"{'+'.join(other.defects) or GOOD}, this is {'+'.join(record.defects) or GOOD}"
            yield error(record.name, f"has the pixels of {other.name}, which is {kinds}", "keep the right one")
        elif dataset.grouped and other.group != record.group:
            what = f"has the pixels of {other.name}, of group {other.group}, not {record.group}"
            yield error(record.name, what, "take one out: a test image would be learned from")
        else:
            yield warning(record.name, f"has the pixels of {other.name}", "take one out: it counts twice")


def _few(dataset: DataSet) -> Iterator[Problem]:
    """Classes and kinds of which there is too little to learn, or to learn and test."""
    if not dataset.records:
        return
    if not dataset.good:
        yield warning(".", "has no good images", "add good parts: defects are painted onto them")
    if not dataset.defective:
        yield warning(".", "has no defect images", "add some with masks; good parts alone can only be painted on")
    for name in (*dataset.classes, GOOD):
        records = dataset.good if name == GOOD else [record for record in dataset.records if name in record.defects]
        groups = {record.group for record in records}
        if len(records) == 1:
            what = f"class {name} has a single image ({records[0].name})"
            yield warning(".", what, "it can be learned from or tested with, not both; add more")
        elif len(groups) == 1:
            what = f"class {name} has a single group ({records[0].group})"
            yield warning(".", what, "it cannot be split into learning and test; add another part")
