from pathlib import Path

from flawsmith.data.journal import Journal


def test_entries_come_back_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    assert journal.entries() == []
    journal.append([{"index": 1}, {"index": 0}])
    journal.append([{"index": 2}])
    assert journal.entries() == [{"index": 1}, {"index": 0}, {"index": 2}]


def test_a_line_torn_by_a_crash_is_dropped_at_every_length(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    whole = '{"index": 0}\n{"index": 1}\n'
    for length in range(len(whole) + 1):
        path.write_text(whole[:length])
        journal = Journal(path)
        kept = journal.entries()
        assert kept == [{"index": i} for i in range(whole[:length].count("\n"))]
        journal.append([{"index": 9}])
        assert journal.entries() == [*kept, {"index": 9}]
