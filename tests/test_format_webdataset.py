"""Shards: the same bytes each time, keys that loaders understand, and every object as it was."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as rle

from flawsmith.data.formats import webdataset
from flawsmith.data.formats.picture import Instance, Picture
from flawsmith.data.formats.reading import Reading
from flawsmith.data.formats.webdataset import WebDatasetWriter, find, scan
from flawsmith.data.geometry.patch import Patch

SIZE = 9, 14  # H, W
CLASSES = ("pit", "scratch")


def picture(root: Path, name: str, masks: list[tuple[str, np.ndarray]], **about: str | None) -> Picture:
    """A picture whose image file is its own."""
    source = root / "source" / name
    source.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*SIZE, 3), len(name), np.uint8)).save(source)
    instances = tuple(Instance(defect, Patch.of(mask)) for defect, mask in masks)
    return Picture(name, source, *SIZE, instances, about.get("group") or "", about.get("origin"))


def written(output: Path, pictures: list[Picture]) -> WebDatasetWriter:
    """Writes them all."""
    output.mkdir(parents=True)
    writer = WebDatasetWriter(output, CLASSES)
    for one in pictures:
        assert writer.add(one) == [1.0] * len(one.instances)
    writer.close()
    return writer


def members(shard: Path) -> dict[str, bytes]:
    """The files of a shard by Python's own reader."""
    with tarfile.open(shard) as file:
        return {one.name: file.extractfile(one).read() for one in file}  # type: ignore[union-attr]


def blob(*box: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[box[0] : box[1], box[2] : box[3]] = True
    return mask


MASKS = st.lists(
    st.tuples(st.sampled_from(CLASSES), st.lists(st.booleans(), min_size=126, max_size=126).filter(any)), max_size=4
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(all_masks=st.lists(MASKS, min_size=1, max_size=3))
def test_written_and_read_objects_are_the_same(tmp_path: Path, all_masks: list[list[tuple[str, list[bool]]]]) -> None:
    root = tmp_path / str(len(list(tmp_path.iterdir())))
    pictures = [
        picture(
            root, f"p{i}.png", [(name, np.array(bits).reshape(SIZE)) for name, bits in masks], group=f"g{i}", origin="x"
        )
        for i, masks in enumerate(all_masks)
    ]
    writer = written(root / "out", pictures)
    listing = scan(root / "out", find(root / "out"), Reading())
    assert not listing.problems
    rows = {row.name: row for row in listing.rows}
    assert rows.keys() == set(writer.images.values())
    for one in pictures:
        row = rows[writer.images[one.name]]
        assert (row.group, row.origin, row.size, row.file) == (one.group, "x", SIZE, "images-000000.tar")
        assert row.image.read_bytes() == one.source.read_bytes()
        for drawn, instance in zip(row.drawn, one.instances, strict=True):
            assert drawn.defect == instance.defect
            assert (drawn.shape.patch(*SIZE).full(*SIZE) == instance.patch.full(*SIZE)).all()


def test_what_is_in_a_shard(tmp_path: Path) -> None:
    masks = [("scratch", blob(1, 4, 2, 9)), ("pit", blob(3, 6, 4, 7))]
    one = picture(tmp_path, "line.2/a.b.JPG", masks, origin="id7")
    written(tmp_path / "out", [one, picture(tmp_path, "line_2/a_b.png", [])])
    files = members(tmp_path / "out" / "images-000000.tar")
    assert list(files) == [
        "line_2_a_b.jpg",
        "line_2_a_b.mask.png",
        "line_2_a_b.json",
        "line_2_a_b_2.png",
        "line_2_a_b_2.mask.png",
        "line_2_a_b_2.json",
    ]
    assert files["line_2_a_b.jpg"] == one.source.read_bytes()
    want = np.zeros(SIZE, int)
    want[masks[0][1]], want[masks[1][1]] = 2, 1  # by hand: the later one wins
    with Image.open(io.BytesIO(files["line_2_a_b.mask.png"])) as mask:
        assert mask.mode == "L" and (np.asarray(mask) == want).all()
    about = json.loads(files["line_2_a_b.json"])
    assert (about["classes"], about["group"], about["flawsmith_id"]) == (["pit", "scratch"], None, "id7")
    for (defect, mask), found in zip(masks, about["instances"], strict=True):
        assert (rle.decode(found["rle"]).astype(bool) == mask).all()  # whole, although they overlap
        assert (found["class"], found["class_id"]) == (defect, CLASSES.index(defect) + 1)
        assert found["area"] == mask.sum() and found["bbox"] == rle.toBbox(found["rle"]).tolist()


def test_the_same_pictures_give_the_same_bytes(tmp_path: Path) -> None:
    pictures = [picture(tmp_path, f"{i}.png", [("pit", blob(0, i, 0, 3))]) for i in range(1, 4)]
    for name in ("one", "two"):
        written(tmp_path / name, pictures)
    shard = "images-000000.tar"
    assert (tmp_path / "one" / shard).read_bytes() == (tmp_path / "two" / shard).read_bytes()
    with tarfile.open(tmp_path / "one" / shard) as file:
        assert {(one.mtime, one.uid, one.gid, one.uname, one.mode) for one in file} == {(0, 0, 0, "", 0o644)}


@pytest.mark.parametrize(("limit", "value"), [("_SAMPLES", 2), ("_BYTES", 9000)])
def test_shards_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    monkeypatch.setattr(webdataset, limit, value)
    writer = written(tmp_path / "out", [picture(tmp_path, f"{i}.png", []) for i in range(5)])
    shards = find(tmp_path / "out")
    assert [path.name for path in shards] == [f"images-{i:06}.tar" for i in range(3)]
    assert [len(members(path)) for path in shards] == [6, 6, 3]
    assert [row.name for row in scan(tmp_path / "out", shards, Reading()).rows] == sorted(writer.images.values())


def test_a_set_of_nothing_is_a_shard_of_nothing(tmp_path: Path) -> None:
    written(tmp_path / "out", [])
    assert members(tmp_path / "out" / "images-000000.tar") == {}


def test_a_shard_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    writer = WebDatasetWriter(tmp_path / "out", CLASSES)
    writer.add(picture(tmp_path, "a.png", []))
    assert find(tmp_path / "out") == []
    writer.close()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["images-000000.tar"]


def shard_of(root: Path, files: dict[str, bytes]) -> Path:
    """A shard by Python's own writer."""
    with tarfile.open(root / "images-000000.tar", "w") as file:
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            file.addfile(header, io.BytesIO(content))
    return root


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", SIZE[::-1]).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("about", "what"),
    [
        (b"[1]", "names no instances"),
        (b"{}", "names no instances"),
        (b'{"instances": 3}', "names no instances"),
        (b"nonsense", "JSON"),
        (b"[" * 100_000, "JSON"),
        (b'{"instances": [null]}', "class"),
        (b'{"instances": [{"class": "pit"}]}', "size"),
        (b'{"instances": [{"class": "pit", "rle": {"size": [9, 14], "counts": "1"}}]}', "runs of"),
        (b'{"instances": [{"class": "pit", "rle": {"size": [1e9, 14], "counts": "1"}}]}', "size"),
        (b'{"instances": [{"class": "a/b", "rle": {"size": [9, 14], "counts": "1"}}]}', "class name"),
    ],
)
def test_samples_that_are_wrong(tmp_path: Path, about: bytes, what: str) -> None:
    root = shard_of(tmp_path, {"a.png": png(), "a.json": about})
    problems = scan(root, find(root), Reading()).problems
    assert [one.level for one in problems] == ["error"]
    assert problems[0].file.startswith("images-000000.tar") and what in problems[0].what


def test_samples_without_an_image_and_keys_of_several(tmp_path: Path) -> None:
    root = shard_of(tmp_path, {"a.json": b'{"instances": []}', "b/c.json": b'{"instances": []}', "b/c.png": png()})
    with tarfile.open(root / "images-000001.tar", "w") as file:
        for name, content in {"c.json": b'{"instances": []}', "c.png": png()}.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            file.addfile(header, io.BytesIO(content))
    listing = scan(root, find(root), Reading())
    assert [(one.file, one.level) for one in listing.problems] == [
        ("images-000000.tar: a", "error"),
        ("images-000001.tar: c", "error"),
    ]
    assert [row.name for row in listing.rows] == ["c.png"]


def test_a_damaged_shard(tmp_path: Path) -> None:
    (tmp_path / "images-000000.tar").write_bytes(b"nonsense")
    problems = scan(tmp_path, find(tmp_path), Reading()).problems
    assert [(one.file, one.level) for one in problems] == [("images-000000.tar", "error")]


def test_other_archives_are_not_taken_for_shards(tmp_path: Path) -> None:
    for name in ("backup.tar", "images-000000.tar.gz", "images-000000.zip", "old-000000.tar"):
        (tmp_path / name).touch()
    assert find(tmp_path) == []
