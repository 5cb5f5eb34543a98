"""Archives: what tools pack comes out as it went in; what an attacker packs does not come out at all."""

import io
import os
import stat
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.formats import archive
from flawsmith.data.formats.archive import opened, unpack

FILES = {"annotations.xml": b"<x/>", "images/line 1/ä.png": bytes(range(256)) * 40, "images/b.jpg": b""}


def packed(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip by Python's own writer."""
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path


def tarred(path: Path, files: dict[str, bytes], mode: str = "w", form: int = tarfile.PAX_FORMAT) -> Path:
    """A tar by Python's own writer."""
    with tarfile.open(path, mode, format=form) as file:
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            file.addfile(header, io.BytesIO(content))
    return path


def linked(path: Path, kind: bytes, name: str = "images/a.png", target: str = "/etc/passwd") -> Path:
    """A tar with one entry that is no file."""
    with tarfile.open(path, "w") as file:
        header = tarfile.TarInfo(name)
        header.type, header.linkname = kind, target
        file.addfile(header)
    return path


def raw_zip(path: Path, entries: list[dict[str, object]]) -> Path:
    """A zip made by hand: each entry may lie about name, sizes, sum, flags, method, mode and place."""
    body, directory = bytearray(), bytearray()
    for entry in entries:
        name = entry.get("name", b"a.png")
        assert isinstance(name, bytes)
        content = entry.get("content", b"abc")
        assert isinstance(content, bytes)
        method, flags = entry.get("method", 0), entry.get("flags", 0)
        stored = zlib.compress(content, 9)[2:-4] if method == 8 else content
        about = entry.get("crc", zlib.crc32(content)), entry.get("packed", len(stored)), entry.get("size", len(content))
        offset = entry.get("offset", len(body))
        body += struct.pack("<4s5H3L2H", b"PK\3\4", 20, flags, method, 0, 33, *about, len(name), 0) + name + stored
        head = ("<4s6H3L5H2L", b"PK\1\2", 0x314, 20, flags, method, 0, 33, *about, len(name), 0, 0, 0, 0)
        directory += struct.pack(*head, int(entry.get("mode", 0)) << 16, offset) + entry.get("says", name)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, len(entries), len(entries), len(directory), len(body), 0)
    path.write_bytes(bytes(body + directory) + end)
    return path


def content_of(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(path: Path, *words: str) -> UserError:
    """The error of unpacking, which leaves nothing behind, is one line, and names the file and the words."""
    into = path.parent / "out" / "deep"
    start = time.process_time()
    with pytest.raises(UserError) as caught:
        unpack(path, into)
    assert time.process_time() - start < 2
    assert not into.exists()
    text = str(caught.value)
    assert "\n" not in text and str(path) in text
    for word in words:
        assert word in text
    return caught.value


@pytest.fixture(autouse=True)
def _nothing_outside(tmp_path: Path) -> Iterator[None]:
    """After each test nothing lies beside the folder that was written to."""
    before = set(tmp_path.parent.iterdir())
    yield
    assert set(tmp_path.parent.iterdir()) == before


# ---- what comes out


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_comes_out_as_it_went_in(tmp_path: Path, method: int) -> None:
    unpack(packed(tmp_path / "a.zip", FILES, method), tmp_path / "out")
    assert content_of(tmp_path / "out") == FILES


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_a_tar_comes_out_as_it_went_in(tmp_path: Path, mode: str, form: int) -> None:
    long = {f"{'folder-name/' * 8}{'n' * 60}.png": b"long"}
    unpack(tarred(tmp_path / "a.tar", {**FILES, **long}, mode, form), tmp_path / "out")
    assert content_of(tmp_path / "out") == {**FILES, **long}


NAMES = st.lists(st.text("abü_-. 9", min_size=1, max_size=8).filter(str.strip), min_size=1, max_size=3).map("/".join)
SETS = st.dictionaries(NAMES.map(lambda name: f"{name}x.png"), st.binary(max_size=3000), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=SETS, kind=st.sampled_from(["zip", "tar", "gz"]))
def test_any_set_of_files_comes_out_like_pythons_own(tmp_path: Path, files: dict[str, bytes], kind: str) -> None:
    folder = tmp_path / f"{kind}{len(list(tmp_path.iterdir()))}"
    path = folder.with_suffix(".archive")
    _ = packed(path, files) if kind == "zip" else tarred(path, files, "w:gz" if kind == "gz" else "w")
    plain = {"/".join(part for part in name.split("/") if part not in ("", ".")): name for name in files}
    folded = {name.casefold() for name in plain}
    hidden = any(name.rsplit("/", 1)[-1].startswith("._") for name in plain)
    clash = any(f"{one}/" in f"{other}/" for one in folded for other in folded if one != other)
    if len(folded) < len(files) or hidden or clash or any(".." in name.split("/") for name in files):
        return
    unpack(path, folder)
    assert content_of(folder) == {name: files[said] for name, said in plain.items()}


def test_a_zip_written_as_a_stream_is_read(tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        """A target that cannot seek, so sizes follow the content."""

        def __init__(self) -> None:
            self.kept = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.kept += bytes(data)  # type: ignore[call-overload]
            return len(bytes(data))  # type: ignore[call-overload]

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as file:  # type: ignore[call-overload]
        for name, content in FILES.items():
            file.writestr(name, content)
    (tmp_path / "a.zip").write_bytes(bytes(pipe.kept))
    unpack(tmp_path / "a.zip", tmp_path / "out")
    assert content_of(tmp_path / "out") == FILES


def test_sizes_of_64_bits_and_something_before_the_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file, file.open("a.png", "w", force_zip64=True) as entry:
        entry.write(b"abc")
    unpack(tmp_path / "a.zip", tmp_path / "out")
    assert content_of(tmp_path / "out") == {"a.png": b"abc"}
    with (tmp_path / "b.zip").open("wb") as stream:
        stream.write(b"PK\3\4 is how this begins")
        with zipfile.ZipFile(stream, "a") as file:
            file.writestr("a.png", b"abc")
    unpack(tmp_path / "b.zip", tmp_path / "out2")
    assert content_of(tmp_path / "out2") == {"a.png": b"abc"}


def test_litter_stays_behind_and_zips_in_it_stay_packed(tmp_path: Path) -> None:
    inner = packed(tmp_path / "inner.zip", {"x.png": b"x"}).read_bytes()
    litter = ("__MACOSX/images/._a.png", "images/Thumbs.db", ".DS_Store", "images/._b.png", "images/")
    unpack(packed(tmp_path / "a.zip", {**dict.fromkeys(litter, b""), "more.zip": inner}), tmp_path / "out")
    assert content_of(tmp_path / "out") == {"more.zip": inner}


@pytest.mark.parametrize(
    ("raw", "flags", "name"),
    [
        ("teil_ä.png".encode(), 0, "teil_ä.png"),  # as macOS writes it
        ("teil_ä.png".encode(), 0x800, "teil_ä.png"),
        ("teil_ä.png".encode("cp437"), 0, "teil_ä.png"),  # as Windows writes it
        (b"\xff\xfe.png", 0x800, "\xa0■.png"),
    ],
)
def test_names_in_any_encoding(tmp_path: Path, raw: bytes, flags: int, name: str) -> None:
    unpack(raw_zip(tmp_path / "a.zip", [{"name": raw, "flags": flags}]), tmp_path / "out")
    assert content_of(tmp_path / "out") == {name: b"abc"}


def test_tar_names_that_are_no_utf8(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as file:
        file.addfile(tarfile.TarInfo("teil_ä.png"))
    unpack(tmp_path / "a.tar", tmp_path / "out")
    assert content_of(tmp_path / "out") == {"teil_ä.png": b""}


# ---- what does not

OUTSIDE = (
    "../a.png",
    "images/../../a.png",
    "/etc/a.png",
    "C:/a.png",
    "c:a.png",
    "..\\a.png",
    "images\\a.png",
    "\\\\s\\a.png",
)


@pytest.mark.parametrize("name", [*OUTSIDE, "a\nb.png", "d/" * 40 + "a.png"])
@pytest.mark.parametrize("kind", ["zip", "tar", "litter"])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str, kind: str) -> None:
    files = {"fine.png": b"x", name if kind != "litter" else f"__MACOSX/../{name}": b"x"}
    path = packed(tmp_path / "a.zip", files) if kind != "tar" else tarred(tmp_path / "a.tar", files)
    refused(path, "png" if kind != "litter" else "__MACOSX")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices_in_a_zip(tmp_path: Path, kind: int) -> None:
    path = raw_zip(tmp_path / "a.zip", [{"name": b"images/l.png", "content": b"/etc/passwd", "mode": kind | 0o777}])
    refused(path, "images/l.png", "link")


KINDS = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE)


@pytest.mark.parametrize("kind", [*KINDS, b"V", b"Z"])
def test_links_and_devices_in_a_tar(tmp_path: Path, kind: bytes) -> None:
    refused(linked(tmp_path / "a.tar", kind), "images/a.png", "link or a device")


def test_a_link_to_a_folder_does_not_redirect_what_follows(tmp_path: Path) -> None:
    path = linked(tmp_path / "a.tar", tarfile.SYMTYPE, "images", str(tmp_path))
    with tarfile.open(path, "a") as file:
        file.addfile(tarfile.TarInfo("images/a.png"))
    refused(path, "images")
    assert not (tmp_path / "a.png").exists()


def test_encrypted(tmp_path: Path) -> None:
    refused(raw_zip(tmp_path / "a.zip", [{"flags": 1}]), "a.png", "encrypted", "password")


def test_methods_that_are_not_known(tmp_path: Path) -> None:
    refused(packed(tmp_path / "a.zip", {"a.png": b"abc"}, zipfile.ZIP_LZMA), "a.png", "14")


def test_an_entry_that_is_not_where_it_should_be(tmp_path: Path) -> None:
    path = raw_zip(tmp_path / "a.zip", [{}])
    path.write_bytes(b"PK\3\4" + b"x" * 100 + path.read_bytes()[4:])
    refused(path, "a.png", "where")


@pytest.mark.parametrize("method", [0, 8])
@pytest.mark.parametrize(
    ("lie", "word"),
    [
        ({"crc": 1}, "CRC"),
        ({"size": 2}, "longer"),
        ({"size": 4}, "shorter"),
        ({"packed": 10**6}, "within"),
        ({"offset": 10**6}, "within"),
        ({"offset": 1}, "shares"),
        ({"says": b"b.png"}, "name"),
    ],
)
def test_lies_of_the_directory(tmp_path: Path, method: int, lie: dict[str, object], word: str) -> None:
    refused(raw_zip(tmp_path / "a.zip", [{"method": method, **lie}]), word)


def test_damaged_content(tmp_path: Path) -> None:
    whole = packed(tmp_path / "a.zip", {"a.png": os.urandom(5000)}, zipfile.ZIP_STORED).read_bytes()
    (tmp_path / "b.zip").write_bytes(whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:])
    refused(tmp_path / "b.zip", "a.png", "CRC")
    whole = tarred(tmp_path / "a.tgz", {"a.png": os.urandom(5000)}, "w:gz").read_bytes()
    (tmp_path / "b.tgz").write_bytes(whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:])
    refused(tmp_path / "b.tgz", "damaged")


@pytest.mark.parametrize("kind", ["zip", "tar", "gz"])
def test_cut_off_anywhere(tmp_path: Path, kind: str) -> None:
    files = {"a.png": os.urandom(700), "b.png": b"b" * 600}
    whole = (
        packed(tmp_path / "a", files)
        if kind == "zip"
        else tarred(tmp_path / "a", files, "w" if kind == "tar" else "w:gz")
    )
    content = whole.read_bytes()
    last = 2048 + 1024 if kind == "tar" else len(content) - (9 if kind == "gz" else 0)  # after it nothing that counts
    for length in [0, 1, 2, 100, *range(300, last, 37), last - 1]:
        (tmp_path / "cut").write_bytes(content[:length])
        refused(tmp_path / "cut")


@pytest.mark.parametrize("twin", ["images/a.png", "images/A.PNG", "Images/a.png", "images//a.png", "./images/a.png"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_one_name_twice(tmp_path: Path, twin: str, kind: str) -> None:
    entries = [{"name": b"images/a.png"}, {"name": twin.encode()}]
    if kind == "zip":
        path = raw_zip(tmp_path / "a.zip", entries)
    else:
        path = tmp_path / "a.tar"
        with tarfile.open(path, "w") as file:
            for entry in entries:
                file.addfile(tarfile.TarInfo(entry["name"].decode()))
    refused(path, repr(twin), "twice")


def test_composed_letters_are_one_name(tmp_path: Path) -> None:
    refused(packed(tmp_path / "a.zip", {"\u00e4.png": b"", "a\u0308.png": b""}), "twice")


@pytest.mark.parametrize("names", [("a", "a/b.png"), ("a/b.png", "a"), ("A", "a/b.png")])
def test_a_file_and_a_folder_of_one_name(tmp_path: Path, names: tuple[str, str]) -> None:
    refused(packed(tmp_path / "a.zip", dict.fromkeys(names, b"x")), "twice")


# ---- bombs


def bomb(path: Path, size: int) -> Path:
    """A zip of a file of zeros."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file, file.open("a.png", "w") as entry:
        for _ in range(size // 2**20):
            entry.write(bytes(2**20))
    return path


def test_one_file_that_explodes(tmp_path: Path) -> None:
    refused(bomb(tmp_path / "a.zip", 65 * 2**20), "a.png", "200")


def test_large_files_that_do_not_are_fine(tmp_path: Path) -> None:
    unpack(bomb(tmp_path / "a.zip", 64 * 2**20), tmp_path / "out")  # exactly what is let through
    assert (tmp_path / "out" / "a.png").stat().st_size == 64 * 2**20


def test_a_stream_that_explodes(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tgz", "w:gz", compresslevel=9) as file:
        header = tarfile.TarInfo("a.png")
        header.size = 400 * 2**20
        with Path("/dev/zero").open("rb") as zeros:
            file.addfile(header, zeros)
    refused(tmp_path / "a.tgz", "a.png", "200")


def test_many_files_that_explode_together(tmp_path: Path) -> None:
    content = bytes(60 * 2**20)
    squeezed = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = squeezed.compress(content) + squeezed.flush()
    lie = {"method": 0, "content": data, "size": len(content)}
    refused(raw_zip(tmp_path / "a.zip", [{**lie, "name": b"%d.png" % i} for i in range(10)]), "too many")


def test_overlapping_entries(tmp_path: Path) -> None:
    entries = [{"name": b"a.png", "content": b"x" * 100}, {"name": b"b.png", "offset": 0, "says": b"b.png"}]
    refused(raw_zip(tmp_path / "a.zip", entries), "shares its bytes")
    nested = [{"name": b"a.png", "content": b"x" * 100, "packed": 130, "size": 130}, {"name": b"b.png"}]
    refused(raw_zip(tmp_path / "b.zip", nested), "a.png", "shares its bytes")


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 2**30 + 5

    monkeypatch.setattr(archive.shutil, "disk_usage", lambda _: Usage)
    for path in (packed(tmp_path / "a.zip", {"a.png": b"123456"}), tarred(tmp_path / "a.tar", {"a.png": b"123456"})):
        refused(path, "a.png", "disk")


def test_a_size_of_exabytes(tmp_path: Path) -> None:
    header = bytearray(tarfile.TarInfo("a.png").tobuf())
    header[124:136] = b"\x80" + b"\0" * 3 + struct.pack(">Q", 2**62)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "a.tar").write_bytes(bytes(header) + bytes(1024))
    refused(tmp_path / "a.tar", "a.png", "disk")


def test_a_million_and_one_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 10**6 + 1, 10**6 + 1, 0, 4)
    tail = struct.pack("<4sLQL", b"PK\6\7", 0, 4, 1) + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, 0, 4, 0)
    (tmp_path / "a.zip").write_bytes(b"PK\3\4" + end + tail)
    refused(tmp_path / "a.zip", "1000000")
    monkeypatch.setattr("flawsmith.data.formats.zipped.MOST_ENTRIES", 3)  # where the count is a lie
    monkeypatch.setattr("flawsmith.data.formats.tarred.MOST_ENTRIES", 3)
    content = bytearray(packed(tmp_path / "b.zip", {f"{i}.png": b"" for i in range(5)}).read_bytes())
    content[-14:-10] = b"\1\0\1\0"
    (tmp_path / "b.zip").write_bytes(content)
    refused(tmp_path / "b.zip", "more than 3")
    refused(tarred(tmp_path / "b.tar", {f"{i}.png": b"" for i in range(5)}), "more than 3")


def test_folders_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_MOST_FOLDERS", 3)
    unpack(packed(tmp_path / "a.zip", {f"{i}/a.png": b"" for i in range(3)}), tmp_path / "fine")
    refused(packed(tmp_path / "b.zip", {f"{i}/a.png": b"" for i in range(4)}), "3/a.png")


def pax(path: Path, records: bytes, size: int | None = None) -> Path:
    """A tar with an extended header before a file."""
    header = tarfile.TarInfo("PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, len(records) if size is None else size
    padded = records + bytes(-len(records) % 512)
    path.write_bytes(header.tobuf() + padded + tarfile.TarInfo("a.png").tobuf() + bytes(1024))
    return path


@pytest.mark.parametrize(
    ("records", "word"),
    [
        (b"17 path=../up.png\n"[:17], "leads out"),
        (b"30 path=/etc/absolute/path.png\n"[:30], "absolute"),
        (b"0 path=a\n", "extended header"),
        (b"9999999 path=a\n", "extended header"),
        (b"path", "extended header"),
        (b"1" * 5000, "extended header"),
        (b"22 GNU.sparse.major=1\n", "sparse"),
        (b"21 size=999999999999\n", "disk"),
        (b"12 size=-5\n\n", "no number"),
        (b"5011 size=" + b"9" * 5000 + b"\n", "no number"),
    ],
)
def test_extended_headers_that_lie(tmp_path: Path, records: bytes, word: str) -> None:
    refused(pax(tmp_path / "a.tar", records), word)


def test_a_header_with_a_wrong_sum(tmp_path: Path) -> None:
    content = bytearray(tarred(tmp_path / "a.tar", {"a.png": b"abc", "b.png": b"abc"}).read_bytes())
    content[1024] = ord("c")  # the name of the second
    (tmp_path / "a.tar").write_bytes(content)
    refused(tmp_path / "a.tar", "sum")


def test_a_header_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    refused(pax(tmp_path / "a.tar", b"", 2**31), "describes an entry in 2147483648 bytes")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), kind=st.sampled_from(["zip", "tar", "gz"]))
def test_whatever_is_changed_nothing_but_a_user_error_comes_of_it(
    tmp_path: Path, data: st.DataObject, kind: str
) -> None:
    path = tmp_path / kind
    if not path.exists():
        files = {"a.png": b"abc" * 30, "b/c.png": b"", "d.png": bytes(600)}
        _ = packed(path, files) if kind == "zip" else tarred(path, files, "w:gz" if kind == "gz" else "w")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "changed").write_bytes(content)
    into = tmp_path / "inner" / "out"
    try:
        unpack(tmp_path / "changed", into)
        for one in into.rglob("*"):
            one.unlink() if one.is_file() else None
        archive.shutil.rmtree(into)
    except UserError:
        assert not into.exists()


# ---- the folder


def test_what_is_no_archive(tmp_path: Path) -> None:
    for content in (b"", b"hello", b"Rar!\x1a\x07\0" + bytes(600), b"7z\xbc\xaf\x27\x1c" + bytes(600)):
        (tmp_path / "a.zip").write_bytes(content)
        refused(tmp_path / "a.zip")
    refused(tmp_path / "missing.zip", "read")
    refused(packed(tmp_path / "b.zip", {}), "holds no file")


def test_a_folder_with_content_is_neither_written_to_nor_removed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    for path in (packed(tmp_path / "a.zip", FILES), tmp_path / "missing.zip"):
        with pytest.raises(UsageError):
            unpack(path, tmp_path / "out")
    assert content_of(tmp_path / "out") == {"mine.txt": b""}


def test_opened_is_the_folder_itself(tmp_path: Path) -> None:
    assert opened(tmp_path) == tmp_path


@pytest.mark.parametrize(("top", "below"), [("parts/", "parts"), ("", ""), ("images/", ""), ("JPEGImages/", "")])
def test_opened_goes_into_a_single_folder_unless_it_is_part_of_a_layout(tmp_path: Path, top: str, below: str) -> None:
    files = {f"{top}a.png": b"a", f"{top}b/c.png": b"c"}
    folder = opened(packed(tmp_path / "a.zip", files))
    assert content_of(folder) == {(name if not below else name.removeprefix(top)): files[name] for name in files}


def test_opened_unpacks_once_until_the_file_changes(tmp_path: Path) -> None:
    first = opened(packed(tmp_path / "a.zip", {"a.png": b"a", "b.png": b"b"}))
    (first / "mark").touch()
    assert opened(tmp_path / "a.zip") == first and (first / "mark").exists()
    second = opened(packed(tmp_path / "a.zip", {"a.png": b"other", "b.png": b"b"}))
    assert second != first and (second / "a.png").read_bytes() == b"other"
    packed(tmp_path / "a.zip", {"a.png": b"third", "b.png": b"b"})  # of the same size
    os.utime(tmp_path / "a.zip", ns=(1, 1))
    assert (opened(tmp_path / "a.zip") / "a.png").read_bytes() == b"third"


def test_opened_leaves_nothing_of_what_failed(tmp_path: Path) -> None:
    path = raw_zip(tmp_path / "a.zip", [{"name": b"fine.png"}, {"name": b"b.png", "crc": 1}])
    for _ in range(2):
        with pytest.raises(UserError, match="CRC"):
            opened(path)
    with pytest.raises(UserError, match="folder"):
        opened(tmp_path / "missing.zip")


PROBE = """
import resource, sys
from pathlib import Path
from flawsmith.data.formats.archive import unpack
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
unpack(Path(sys.argv[1]), Path(sys.argv[2]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux alone")
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_memory_stays_small(tmp_path: Path, kind: str) -> None:
    content = {"a.png": os.urandom(2**20) * 60, **{f"b/{i}.png": b"" for i in range(3000)}}
    path = packed(tmp_path / "a", content, zipfile.ZIP_STORED) if kind == "zip" else tarred(tmp_path / "a", content)
    done = subprocess.run(
        [sys.executable, "-c", PROBE, path, tmp_path / "out"], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 30_000  # kB
