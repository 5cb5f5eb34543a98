import json
from pathlib import Path

import pytest

from flawsmith.data.errors import UserError
from flawsmith.gan.production.ledger import Ledger, remove_parts


def entry(folder: Path, index: int, size: int = 1) -> dict[str, object]:
    image = folder / "images" / f"{index}.png"
    image.parent.mkdir(exist_ok=True)
    image.write_bytes(b"x" * size)
    return {"index": index, "image": f"images/{index}.png", "mask": None}


def test_entries_come_back_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, 5)
    for index in (3, 0, 4):
        ledger.append(entry(tmp_path, index))
    again = Ledger(tmp_path, 5)
    for one in (ledger, again):
        assert [found["index"] for found in one.entries()] == [0, 3, 4] and len(one) == 3
        assert list(one.missing(range(5))) == [1, 2]


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_torn_last_line_is_dropped_and_the_item_made_again(tmp_path: Path, cut: int) -> None:
    ledger = Ledger(tmp_path, 3)
    for index in range(3):
        ledger.append(entry(tmp_path, index))
    ledger.path.write_bytes(ledger.path.read_bytes()[:-cut])
    again = Ledger(tmp_path, 3)
    assert list(again.missing(range(3))) == [2]
    again.append(entry(tmp_path, 2))
    assert [found["index"] for found in Ledger(tmp_path, 3).entries()] == [0, 1, 2]


@pytest.mark.parametrize("harm", ["gone", "empty"])
def test_an_image_whose_file_is_gone_is_made_again(tmp_path: Path, harm: str) -> None:
    ledger = Ledger(tmp_path, 2)
    for index in range(2):
        ledger.append(entry(tmp_path, index))
    (tmp_path / "images" / "1.png").unlink() if harm == "gone" else entry(tmp_path, 1, 0)
    assert list(Ledger(tmp_path, 2).missing(range(2))) == [1]


def test_what_was_given_up_stays_so_but_for_what_broke(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, 2)
    ledger.append({"index": 0, "rejected": {"not visible": 12}})
    ledger.append({"index": 1, "rejected": {"its process died": 3}, "broken": True})
    assert list(Ledger(tmp_path, 2).missing(range(2))) == [1]


def test_half_written_files_are_removed(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "images", tmp_path / "masks"):
        place.mkdir(exist_ok=True)
        (place / ".0011.part").touch()
        (place / "kept.part").touch()
    remove_parts(tmp_path)
    assert not list(tmp_path.rglob(".*.part")) and len(list(tmp_path.rglob("kept.part"))) == 3


def test_a_journal_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text(json.dumps({"no": "index"}) + "\n")
    with pytest.raises(UserError, match=r"journal\.jsonl: one JSON object a line, with an index"):
        Ledger(tmp_path, 1)


def test_what_was_pruned_is_not_made_again_after_an_interruption_either(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, 3)
    ledger.append(entry(tmp_path, 0))
    (tmp_path / "pruned").mkdir()
    (tmp_path / "pruned" / "provenance.jsonl").write_text('{"index": 1}\n')
    assert list(Ledger(tmp_path, 3).missing(range(3))) == [2]  # with a journal, as a killed command leaves it
