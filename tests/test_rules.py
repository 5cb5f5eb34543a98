"""Rules of a whole set, each with a set that breaks it alone; test_check shows that a clean folder breaks none."""

from dataclasses import replace
from pathlib import Path

from flawsmith.data.facts import ImageFacts
from flawsmith.data.listing import Listing, Row
from flawsmith.data.problem import Problem
from flawsmith.data.record import DataSet, Label, Record
from flawsmith.data.resolve import Seen
from flawsmith.data.rules import whole

ROOT = Path("set")
FACTS = ImageFacts(64, 64, 1, 8, "")


def item(name: str, defect: str | None = None, group: str | None = None, **facts: object) -> tuple[Record, ImageFacts]:
    """A record and the facts of its image; pixels differ unless `digest` says otherwise."""
    labels = (Label(defect, ROOT / "m.png"),) if defect else ()
    return Record(name, ROOT / name, group or name, labels), replace(FACTS, **{"digest": name, **facts})


CLEAN = [
    item("g1", group="1"),
    item("g2", group="2"),
    item("p1", "pit", "1"),
    item("p2", "pit", "2"),
]


def problems(items: list[tuple[Record, ImageFacts]], grouped: bool = True) -> list[Problem]:
    """The problems of a set of records."""
    records = tuple(record for record, _ in items)
    rows = tuple(
        Row(one.name, one.image, None, one.defects[0] if one.defects else "good", one.group if grouped else None)
        for one in records
    )
    classes = tuple(sorted({defect for record in records for defect in record.defects}))
    seen = Seen({record.image: facts for record, facts in items}, {})
    return list(whole(Listing(ROOT, "test", rows, ()), DataSet(ROOT, records, classes, grouped), seen))


def only(items: list[tuple[Record, ImageFacts]], level: str, what: str, grouped: bool = True) -> None:
    """Asserts that the set has this one problem."""
    found = problems(items, grouped)
    assert [(problem.level, what in problem.what) for problem in found] == [(level, True)], found


def test_a_clean_set_has_none() -> None:
    assert problems(CLEAN) == [] and problems(CLEAN, grouped=False) == []
    assert problems([]) == []  # the layout has told already that there is nothing


def test_small_images() -> None:
    only([*CLEAN, item("g3", group="3", width=31)], "warning", "31×64 px")
    assert problems([*CLEAN, item("g3", group="3", width=32)]) == []


def test_mixed_depths_and_colours() -> None:
    only([*CLEAN, item("g3", group="3", bits=16)], "warning", "4 images in grey, 8 bit, 1 image in grey, 16 bit")
    only([*CLEAN, item("g3", group="3", channels=3)], "warning", "1 image in colour, 8 bit")


def test_copies_across_parts_leak() -> None:
    only([*CLEAN, item("g3", group="3", digest="g1")], "error", "has the pixels of g1, of group 1, not 3")


def test_copies_within_a_part_or_without_groups_count_twice() -> None:
    only([*CLEAN, item("g3", group="1", digest="g1")], "warning", "has the pixels of g1")
    only([*CLEAN, item("g3", digest="g1")], "warning", "has the pixels of g1", grouped=False)


def test_copies_with_other_labels_contradict() -> None:
    only([*CLEAN, item("p3", "pit", "1", digest="g1")], "error", "which is good, this is pit")


def test_no_good_and_no_defect_images() -> None:
    only(CLEAN[2:], "warning", "no good images")
    only(CLEAN[:2], "warning", "no defect images")


def test_a_class_with_a_single_image_or_group() -> None:
    only(CLEAN[:3], "warning", "class pit has a single image (p1)")
    only([*CLEAN[:3], item("p3", "pit", "1")], "warning", "class pit has a single group (1)")
    only([*CLEAN[1:]], "warning", "class good has a single image (g2)")


def test_names_that_cannot_be_written_down() -> None:
    for name in ("a\nb", "a\udc80", "a\x1b[2J"):
        only([*CLEAN, item(name, group="3")], "error", "control character or broken UTF-8")
    assert problems([*CLEAN, item("größe 部品 ✓", group="3")]) == []


def test_classes_that_differ_by_case() -> None:
    only([*CLEAN, item("q1", "Pit", "3"), item("q2", "Pit", "4")], "warning", "pit and Pit differ")
