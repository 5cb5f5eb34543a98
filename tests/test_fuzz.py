"""The fuzzer: two hundred damaged files, and that it sees what it is there to see. `make fuzz` reads thousands."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import fuzz
import numpy as np
import pytest
from fuzz import Broken, Worker
from fuzz_seeds import Seed, seeds

from flawsmith.data.formats.reading import Source
from flawsmith.data.geometry.patch import Patch
from flawsmith.data.read import read
from flawsmith.data.record import DataSet, Label

FILES = 200


def test_no_damage_is_a_surprise() -> None:
    outcomes = list(fuzz.fuzz(range(1_000_000, 1_000_000 + FILES)))
    assert len(outcomes) == FILES
    assert all(one.sound for one in outcomes), fuzz.tell(outcomes, 0)
    assert 0.05 < sum(one.verdict == "accepted" for one in outcomes) / FILES < 0.6  # some do
    assert len({one.name for one in outcomes}) == len(seeds())


@pytest.mark.parametrize("name", seeds())
def test_what_is_not_damaged_is_accepted(tmp_path: Path, name: str) -> None:
    outcome = fuzz.examine(seeds()[name].write(tmp_path / "in"), tmp_path / "out", "coco")
    assert outcome.verdict == "accepted" and not outcome.note and outcome.images > 1


def test_the_number_alone_decides(tmp_path: Path) -> None:
    for number in range(40):
        first, second = (fuzz.case(number, tmp_path / f"{number}{side}") for side in "ab")
        one, other = (sorted((tmp_path / f"{number}{side}").rglob("*")) for side in "ab")
        assert (first[0], first[2]) == (second[0], second[2])
        assert [path.read_bytes() for path in one if path.is_file()] == [
            path.read_bytes() for path in other if path.is_file()
        ]


def broken(read_in: DataSet, kind: str) -> DataSet:
    """The data set with one promise not kept."""
    record, *others = read_in.records
    label = record.labels[0]
    changed: dict[str, Any] = {
        "name twice": replace(read_in, records=(record, record)),
        "classes out of order": replace(read_in, classes=read_in.classes[::-1]),
        "bad class": replace(read_in, classes=("../x", *read_in.classes)),
        "class unknown": replace(read_in, classes=("pit",)),
        "outside": replace(read_in, records=(replace(record, image=Path("/etc/passwd")), *others)),
        "way up": replace(read_in, records=(replace(record, image=record.image.parent / ".." / "x.png"), *others)),
        "no group": replace(read_in, records=(replace(record, group=""), *others)),
        "empty": replace(read_in, records=(replace(record, labels=(Label(label.defect, Nothing()),)), *others)),
    }
    found: DataSet = changed[kind]
    return found


class Nothing:
    """A shape without a pixel."""

    reach = (0.0, 0.0, 0.0, 0.0)

    def patch(self, height: int, width: int) -> Any:
        """No pixel of an image of that size."""
        return Patch(0, 0, np.zeros((0, 0), bool))


KINDS = ("name twice", "classes out of order", "bad class", "class unknown", "outside", "way up", "no group", "empty")


@pytest.mark.parametrize("kind", KINDS)
def test_a_promise_that_is_not_kept_is_seen(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = seeds()["coco"].write(tmp_path / "in")
    monkeypatch.setattr(fuzz, "read", lambda source: broken(read(source), kind))
    with pytest.raises(Broken):
        fuzz.examine(data, tmp_path / "out", None)


def test_files_elsewhere_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(data: Source, output: Path, to: str | None) -> fuzz.Outcome:
        (output.parent.parent / "x.png").write_bytes(b"")
        return fuzz.Outcome("accepted")

    monkeypatch.setattr(fuzz, "examine", careless)
    with pytest.raises(Broken, match=r"x\.png"):
        fuzz.run_number(0, tmp_path)


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "signal SIGSEGV"),
        ("signal.setitimer(signal.ITIMER_PROF, 0.1)\nwhile True: pass", "time-out"),
        ("import time; time.sleep(60)", "time-out: no answer"),
        ("sys.exit(3)", "end of the process: exit code 3"),
    ],
)
def test_the_end_of_a_worker_is_a_finding(does: str, said: str) -> None:
    with Worker(sys.executable, "-c", f"import os, signal, sys\ninput()\n{does}", asleep=2) as worker:
        for number in (7, 8):  # the next one gets a new process
            outcome = worker.number(number)
            assert outcome.verdict.startswith(said) and outcome.number == number and not outcome.sound


def test_exceptions_and_too_much_memory_are_findings(tmp_path: Path) -> None:
    with Worker() as worker:
        outcome = worker.path(tmp_path, tmp_path / "out", "coco", nonsense=1)
        assert outcome.verdict.startswith("exception: TypeError")
    start = f"import sys; sys.path.insert(0, {str(Path(fuzz.__file__).parent)!r}); import fuzz; input(); fuzz._limit()"
    hungry = "bytearray(2**29)\ntry: bytearray(3 * 2**29)\nexcept MemoryError: sys.exit(5)"
    with Worker(sys.executable, "-c", f"{start}; {hungry}") as worker:
        assert worker.number(0).verdict == "end of the process: exit code 5"


def test_folders_in_the_place_of_files_are_no_crash(tmp_path: Path) -> None:
    names = ("annotations.json", "annotations.xml", "images/part_001.png", "manifest.csv", "classes.json", "data.yaml")
    with Worker() as worker:
        for number, name in enumerate((*names, "flawsmith.csv", "labelmap.txt", "images-000000.tar", "x.ndjson")):
            folder = tmp_path / str(number)
            seed: Seed = seeds()["coco"]
            seed.write(folder / "in", [(one, content) for one, content in seed.files.items() if one != name])
            (folder / "in" / name).mkdir()
            outcome = worker.path(folder / "in", folder / "out", "coco")
            assert outcome.verdict in ("accepted", "refused"), f"{name}: {outcome.verdict}\n{outcome.note}"
