"""What is predicted on: files, folders, patterns, cameras and addresses."""

import os
from pathlib import Path

import pytest

from flawsmith.data.errors import UserError
from flawsmith.segment.places import Sources, Video


def _touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_a_folder_gives_its_images_and_videos_by_their_path_below_it(tmp_path: Path) -> None:
    _touch(tmp_path / "a.png", tmp_path / "b" / "c.JPG", tmp_path / "b" / "line.mp4", tmp_path / "notes.txt")
    found = Sources.of([tmp_path])
    assert found.images == {"a.png": tmp_path / "a.png", "b/c.png": tmp_path / "b" / "c.JPG"}
    assert found.videos == {"b/line": Video(str(tmp_path / "b" / "line.mp4"), False)}


def test_equal_names_get_numbers(tmp_path: Path) -> None:
    one, two = tmp_path / "x" / "a.png", tmp_path / "y" / "a.bmp"
    _touch(one, two)
    assert Sources.of([one, two, tmp_path / "x"]).images == {"a.png": one, "a-2.png": two, "a-3.png": one}


def test_a_pattern_is_matched_in_all_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _touch(tmp_path / "a1.png", tmp_path / "b" / "a2.png", tmp_path / "b" / "c.png", tmp_path / "a3.txt")
    assert list(Sources.of([f"{tmp_path}/**/a*"]).images) == ["a1.png", "a2.png"]
    monkeypatch.chdir(tmp_path)
    assert list(Sources.of(["b/?.png"]).images) == ["c.png"]
    assert list(Sources.of([f"{tmp_path}/[b]"]).images) == ["a2.png", "c.png"]


def test_a_file_whose_name_looks_like_a_pattern_is_itself(tmp_path: Path) -> None:
    _touch(tmp_path / "a[1].png")
    assert list(Sources.of([tmp_path / "a[1].png"]).images) == ["a[1].png"]


def test_cameras_pipes_and_addresses_are_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flawsmith.segment.places._is_there", lambda camera: camera == "/dev/video0")
    os.mkfifo(tmp_path / "pipe")
    found = Sources.of(["/dev/video0", "rtsp://user@camera/1", tmp_path / "pipe"]).videos
    assert list(found) == ["video0", "user_camera_1", "pipe"]
    assert all(video.live for video in found.values()) and found["user_camera_1"].place == "rtsp://user@camera/1"


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no image and no video"):
        Sources.of([tmp_path])
    with pytest.raises(UserError, match="does not exist"):
        Sources.of([tmp_path / "nowhere"])
    with pytest.raises(UserError, match="matches none"):
        Sources.of([tmp_path / "*.png"])


def test_a_camera_that_is_not_connected_is_refused_with_those_that_are() -> None:
    with pytest.raises(UserError, match=r"/dev/video987: there is no such camera; found (none|/dev/video)"):
        Sources.of(["/dev/video987"])
