"""Pruning takes out exactly what was rejected, loses nothing, and ends the same however often it was cut off."""

import csv
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from dying import Mortal
from painted_sets import make_painted_set, tree

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.lock import locked
from flawsmith.data.painted_set import identity, pruned_lines, read_lines
from flawsmith.data.prune import prune
from flawsmith.data.read import read


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return make_painted_set(tmp_path / "out")


@pytest.fixture(scope="module")
def mortal() -> Iterator[Mortal]:
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    made = Mortal()
    yield made
    made.close()


def ids(out: Path) -> list[str]:
    return [line["id"] for line in read_lines(out)]


def rejected(out: Path, *chosen: str, **change: Any) -> Path:
    """A file as the review sheet saves it."""
    path = out.parent / "rejected.json"
    path.write_text(json.dumps({"set": identity(out), "rejected": chosen} | change))
    return path


def test_what_was_rejected_is_gone_and_nothing_is_lost(out: Path) -> None:
    before, lines = tree(out), {line["id"]: line for line in read_lines(out)}
    all_ids = ids(out)
    bad = [all_ids[3], all_ids[8], all_ids[13]]  # the last one is a good part
    assert prune(out, rejected(out, *bad)) == {"pruned": 3, "kept": 11}
    kept = [one for one in all_ids if one not in bad]
    coco, rows = json.loads((out / "annotations.json").read_text()), list(csv.DictReader((out / "manifest.csv").open()))
    assert ids(out) == kept == [row["origin"] for row in rows] == [one["flawsmith_id"] for one in coco["images"]]
    assert [one["id"] for one in coco["images"]] == list(range(1, 12))
    assert [one["id"] for one in coco["annotations"]] == list(range(1, len(coco["annotations"]) + 1))
    assert {one["image_id"] for one in coco["annotations"]} <= {one["id"] for one in coco["images"]}
    assert [line["id"] for line in pruned_lines(out)] == bad and list(read_lines(out)) == [lines[one] for one in kept]
    after = tree(out)
    for one in bad:
        for name in filter(None, (lines[one]["image"], lines[one]["mask"])):
            assert name not in after and after[f"pruned/{name}"] == before[name]
    assert set(before.values()) - set(after.values()) <= {before[x] for x in before if "/" not in x}
    assert len(read(out).records) == 11


def test_the_card_and_the_description_are_written_anew(out: Path) -> None:
    prune(out, rejected(out, ids(out)[0]))
    assert "A person rejected 1 image" in (out / "README.md").read_text()
    assert "13 images" in json.loads((out / "croissant.json").read_text())["description"]


def test_a_class_without_images_keeps_its_number(out: Path) -> None:
    prune(out, rejected(out, *(line["id"] for line in read_lines(out) if line["class"] == "pit")))
    coco = json.loads((out / "annotations.json").read_text())
    assert [one["name"] for one in coco["categories"]] == ["pit", "scratch"]
    assert {one["category_id"] for one in coco["annotations"]} == {2}


def test_twice_or_in_two_goes_comes_to_the_same(out: Path) -> None:
    copy, all_ids = copytree(out, out.with_name("copy")), ids(out)
    prune(out, rejected(out, all_ids[1], all_ids[4]))
    once = tree(out)
    prune(out, rejected(out, all_ids[4], all_ids[1], all_ids[4]))
    assert tree(out) == once
    prune(copy, rejected(copy, all_ids[1]))
    prune(copy, rejected(copy, all_ids[4]))
    assert tree(copy) == once


def test_nothing_rejected_changes_no_table(out: Path) -> None:
    before = tree(out)
    prune(out, rejected(out))
    assert {name: digest for name, digest in tree(out).items() if name in before} == before


def test_everything_can_be_rejected(out: Path) -> None:
    assert prune(out, rejected(out, *ids(out))) == {"pruned": 14, "kept": 0}
    assert json.loads((out / "annotations.json").read_text())["images"] == []


@pytest.mark.parametrize("to_copy", [False, True])
def test_killed_at_any_step_and_given_again_it_ends_the_same(out: Path, to_copy: bool, mortal: Mortal) -> None:
    file, killed = rejected(out, ids(out)[2], ids(out)[5]), 0
    whole = copytree(out, out.with_name("whole"))
    prune(whole, file)
    for step in range(100):
        one = copytree(out, out.with_name(f"out{step}"))
        target = out.with_name(f"copy{step}") if to_copy else None
        if not mortal.die_at(step, one, file, target):
            break
        killed += 1
        prune(one, file, target)
        assert tree(target or one) == tree(whole), f"killed at step {step}"
    assert killed >= 8
    assert tree(target or one) == tree(whole)


def test_between_any_two_steps_the_set_can_be_read(out: Path, mortal: Mortal) -> None:
    file = rejected(out, ids(out)[2], ids(out)[5])
    for step in range(100):
        one = copytree(out, out.with_name(f"out{step}"))
        killed = mortal.die_at(step, one, file)
        assert len(read(one).records) in (12, 14)
        if not killed:
            break


def test_a_copy_leaves_the_set_as_it_was(out: Path) -> None:
    before, copy = tree(out), out.with_name("copy")
    prune(out, rejected(out, ids(out)[0]), copy)
    assert tree(out) == before and len(ids(copy)) == 13 and len(read(copy).records) == 13


def test_a_copy_never_falls_on_something_else(out: Path, tmp_path: Path) -> None:
    file = rejected(out, ids(out)[0])
    other = make_painted_set(tmp_path / "other", 4)
    with pytest.raises(UsageError, match="the output must be a new folder"):
        prune(out, file, other)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"a folder that holds letter\.txt"):
        prune(out, file, tmp_path / "taken")
    with pytest.raises(UsageError, match="the copy lies outside the set"):
        prune(out, file, out / "inside")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "must be a JSON object; found list"),
        ("{", "must be JSON"),
        ('{"rejected": []}', "has the keys set and rejected; found 'rejected'"),
        ('{"set": "SET", "rejected": [], "more": 1}', "has the keys set and rejected"),
        ('{"set": "SET", "rejected": {}}', "rejected is a list of ids"),
        ('{"set": "SET", "rejected": [1]}', "rejected is a list of ids"),
        ('{"set": "another", "rejected": []}', "belongs to another set than"),
        ('{"set": 5, "rejected": []}', "belongs to another set than"),
        ('{"set": "SET", "rejected": ["ffff", "FIRST"]}', "rejects images of .*; found 'ffff'"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line_and_changes_nothing(out: Path, content: str, said: str) -> None:
    file = rejected(out)
    file.write_text(content.replace("SET", identity(out)).replace("FIRST", ids(out)[0]))
    before = tree(out)
    with pytest.raises(UserError, match=said) as caught:
        prune(out, file)
    assert tree(out) == before and "\n" not in str(caught.value)


def test_a_damaged_set_is_refused_before_anything_changes(out: Path) -> None:
    file = rejected(out, ids(out)[0])
    with (out / "provenance.jsonl").open("a") as log:
        log.write('{"id": "x", "image": "../../escape.png"}\n')
    before = tree(out)
    with pytest.raises(UserError, match=r"provenance\.jsonl:15"):
        prune(out, file)
    assert tree(out) == before


def test_two_at_a_time_are_refused(out: Path) -> None:
    with locked(out), pytest.raises(UsageError, match="another command is writing here"):
        prune(out, rejected(out, ids(out)[0]))


def test_a_full_disk_leaves_the_set_as_it_was(out: Path) -> None:
    resource = pytest.importorskip("resource")
    file, before = rejected(out, ids(out)[0]), tree(out)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(UserError, match="ulimit"):
            prune(out, file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    after = {name: digest for name, digest in tree(out).items() if not name.startswith("pruned/")}
    assert after == before  # what is pruned may be written down by now
    assert prune(out, file) == {"pruned": 1, "kept": 13}
