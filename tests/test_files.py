"""Files appear whole under their final name, or not at all, and a failing system is named in one line."""

import signal
from pathlib import Path

import pytest

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.files import atomic, new_folder, read_json, read_text, write_bytes, write_json, write_text


def test_json_comes_back_and_keys_are_sorted(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "ä.json"
    write_json(path, {"b": [1, 2.5, None], "a": "é"})
    assert read_json(path) == {"b": [1, 2.5, None], "a": "é"}
    text = path.read_text(encoding="utf-8")
    assert text.index('"a"') < text.index('"b"')
    assert text.endswith("}\n")
    assert [entry.name for entry in path.parent.iterdir()] == ["ä.json"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_no_temporary_one(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(error), atomic(path) as part:
        part.write_text("half", encoding="utf-8")
        raise error
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_named_with_its_fix(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with (
        pytest.raises(UserError, match=r"a\.txt.*free some space"),
        atomic(tmp_path / "a.txt"),
        Path("/dev/full").open("wb") as full,
    ):
        full.write(b"x")
    assert not list(tmp_path.iterdir())


def test_a_limit_on_file_sizes_is_named(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(UserError, match="ulimit"):
            write_bytes(tmp_path / "a.bin", b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert not list(tmp_path.iterdir())


def test_names_up_to_255_bytes_work_and_longer_ones_are_refused(tmp_path: Path) -> None:
    write_text(tmp_path / ("n" * 255), "x")
    with pytest.raises(UserError, match="shorter name"):
        write_text(tmp_path / ("n" * 256), "x")
    assert len(list(tmp_path.iterdir())) == 1


def test_a_path_below_a_file_is_refused(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "x")
    with pytest.raises(UserError):
        write_text(tmp_path / "file" / "a.txt", "x")
    with pytest.raises(UserError):
        new_folder(tmp_path / "file" / "run")


def test_nan_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"{", b"{'a': 1}", b"[NaN]", b"\xff\xfe{}", b"[" * 100_000])
def test_what_is_no_json_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.json") as error:
        read_json(path)
    assert "\n" not in str(error.value)


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "a.json") == {"a": 1}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none"):
        read_text(tmp_path / "none.txt")


def test_new_folder_is_made_or_taken_when_empty(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert new_folder(folder) == folder
    assert new_folder(folder).is_dir()


def test_new_folder_refuses_content_and_files(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "x", "")
    with pytest.raises(UsageError, match="holds x") as error:
        new_folder(tmp_path / "a")
    assert error.value.exit_code == 2
    with pytest.raises(UsageError, match="a file"):
        new_folder(tmp_path / "a" / "x")
    assert [entry.name for entry in (tmp_path / "a").iterdir()] == ["x"]
