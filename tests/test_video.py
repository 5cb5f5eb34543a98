"""Video in and out: every frame once and in order, files cut short, pictures back as they went in."""

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from videos import SIZE, cut, pictures, write_video

from flawsmith.data.errors import UserError
from flawsmith.segment import video as module
from flawsmith.segment.places import Video
from flawsmith.segment.video import Facts, Frame, VideoWriter, facts, frames

av: Any = pytest.importorskip("av")


def _read(path: Path) -> list[Frame]:
    return list(frames(Video(str(path), False), 1.0))


@pytest.mark.parametrize("name", ["a.mkv", "a.avi"])
def test_every_frame_comes_once_in_order_with_its_time(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name)
    found = _read(path)
    assert [one.index for one in found] == list(range(10))
    np.testing.assert_allclose([one.time for one in found], np.arange(10) / 10, atol=1e-3)
    for one, picture in zip(found, pictures(10), strict=True):
        assert one.pixels.dtype == np.uint8 and abs(one.pixels.astype(int) - picture).max() <= 3
    assert facts(Video(str(path), False), 1.0) == Facts(Fraction(10), 10)


def test_grey_video_stays_grey(tmp_path: Path) -> None:
    found = _read(write_video(tmp_path / "a.mkv", form="gray"))
    assert {one.pixels.shape for one in found} == {(*SIZE, 1)}


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mkv", "ffv1"), ("a.avi", "ffv1"), ("a.avi", "mjpeg"), ("a.mkv", "mjpeg")]
)
@pytest.mark.parametrize("share", [0.6, 0.85])
def test_a_video_that_ends_within_a_frame_gives_those_before_it(
    tmp_path: Path, name: str, codec: str, share: float
) -> None:
    path = write_video(tmp_path / name, 10, codec, "yuvj420p" if codec == "mjpeg" else "yuv420p")
    whole, found = _read(path), []
    with pytest.raises(UserError, match=rf"cut-{name}: is damaged or breaks off: \d frames? could be read; found"):
        for one in frames(Video(str(cut(path, share)), False), 1.0):
            found.append(one)
    assert 0 < len(found) < 10
    for one, other in zip(found[:-1], whole, strict=False):  # of the last, a decoder may show what there is
        assert np.array_equal(one.pixels, other.pixels)


def test_a_video_that_lacks_its_index_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be read as video|has no frame;|has no picture; found nothing"):
        _read(cut(write_video(tmp_path / "a.mp4", codec="mpeg4"), 0.6))


def test_frames_that_were_never_there_are_no_damage(tmp_path: Path) -> None:
    assert len(_read(write_video(tmp_path / "a.mkv", gap=(3, 4)))) == 8


@pytest.mark.parametrize("content", [b"", b"no video at all"])
def test_what_is_no_video_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.mp4: cannot be read as video"):
        _read(path)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    import wave

    with wave.open(str(tmp_path / "a.mkv"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(1600))
    with pytest.raises(UserError, match="has no picture; found sound alone"):
        _read(tmp_path / "a.mkv")


def test_a_written_video_has_the_pictures_and_times_that_went_in(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", Fraction(10)) as writer:
        for index, picture in enumerate(pictures(6)):
            writer.add(picture, 5 + index * (0.1 if index < 3 else 0.2))  # some have been dropped
    found = _read(tmp_path / "out.mp4")
    np.testing.assert_allclose([one.time for one in found], [0, 0.1, 0.2, 0.6, 0.8, 1.0], atol=2e-3)
    for one, picture in zip(found, pictures(6), strict=True):
        assert abs(one.pixels.astype(int) - picture).mean() < 3


def test_odd_sides_are_made_even(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", Fraction(10)) as writer:
        writer.add(np.full((33, 47, 3), 90, np.uint8), 0.0)
    assert _read(tmp_path / "out.mp4")[0].pixels.shape == (34, 48, 3)


def test_a_video_whose_writing_fails_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), VideoWriter(tmp_path / "out.mp4", Fraction(10)) as writer:
        writer.add(np.zeros((32, 32, 3), np.uint8), 0.0)
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_damage_in_the_middle_costs_the_frames_that_it_hits_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def __init__(self, packet: Any) -> None:
            self.is_corrupt = packet.is_corrupt

        def decode(self) -> list[Any]:
            raise av.error.InvalidDataError(1, "Invalid data")

    count, decoded, found = itertools.count(), module._decoded, []
    monkeypatch.setattr(module, "_decoded", lambda one: decoded(Broken(one) if next(count) == 4 else one))
    with pytest.raises(UserError, match="is damaged or breaks off: 9 frames could be read; found Invalid data"):
        for one in frames(Video(str(write_video(tmp_path / "a.avi")), False), 1.0):
            found.append(one)
    np.testing.assert_allclose([one.time for one in found], [0, 0.1, 0.2, 0.3, *np.arange(5, 10) / 10], atol=1e-3)
