"""Video in and out by PyAV: frames as arrays, and a file that ends in the middle of a frame told from one that ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.errors import UserError
from flawsmith.data.files import atomic
from flawsmith.data.problem import counted
from flawsmith.segment.extras import extra
from flawsmith.segment.places import Video

CODECS: tuple[tuple[str, dict[str, str]], ...] = (
    ("libx264", {"crf": "18", "preset": "veryfast"}),
    ("libopenh264", {}),
    ("mpeg4", {"q:v": "3"}),
)
RATE = Fraction(25)  # frames a second where a source does not say
_CUT = "copy it again; what could be read has been used"
_MISSING = 0.75  # of a frame's time: a file whose last frame ends earlier than it says lacks one


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame: its number from 0 on, its time in seconds, its pixels (H, W, C) uint8, grey or RGB."""

    index: int
    time: float
    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class Facts:
    """What a video says about itself: frames a second, and how many there are where it knows."""

    rate: Fraction
    count: int | None


def facts(video: Video, timeout: float) -> Facts:
    """The rate and length of a video; a live one is not opened, and has none. Raises UserError."""
    if video.live:
        return Facts(RATE, None)
    with _open(video, timeout) as container:
        stream = container.streams.video[0]
        rate = stream.average_rate or RATE
        length = _length(container, stream)
        count = stream.frames or (round(length * float(rate)) if length else 0)
        return Facts(Fraction(rate), count or None)


def frames(video: Video, timeout: float) -> Iterator[Frame]:
    """All frames of a video, in order; what is damaged is left out.

    Raises UserError where it is no video, and after the last frame of a file that is damaged or lacks some.
    """
    av = extra("av")
    with _open(video, timeout) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        rate, index, left_out, ends, damage = float(stream.average_rate or RATE), 0, 0, 0.0, ""
        try:
            for packet in container.demux(stream):
                decoded, wrong = _decoded(packet)
                damage = damage or wrong
                left_out += packet.is_discard
                for frame in decoded:
                    time = index / rate if frame.time is None else float(frame.time)
                    ends = time + 1 / rate
                    yield Frame(index, time, _pixels(frame))
                    index += 1
        except av.error.FFmpegError as error:
            fix = "check the camera or the line; what came has been used" if video.live else _CUT
            raise UserError(video.place, f"breaks off after {counted(index, 'frame')}", _said(error), fix) from error
        if video.live:
            return  # lines lose packets; the next frames are whole again
        damage = damage or _lacking(container, stream, index + left_out, ends, rate)
        if damage:
            what = f"is damaged or breaks off: {counted(index, 'frame')} could be read" if index else "has no frame"
            raise UserError(video.place, what, damage, _CUT)


def _decoded(packet: Any) -> tuple[list[Any], str]:
    """The frames of a packet, and what is wrong with it, "" if nothing."""
    av = extra("av")
    try:
        decoded = list(packet.decode())
    except av.error.InvalidDataError as error:
        return [], _said(error)
    wrong = packet.is_corrupt or any(frame.is_corrupt for frame in decoded)
    return decoded, "a damaged frame" if wrong else ""


def _open(video: Video, timeout: float) -> Any:
    """The open container; raises UserError where there is none, or no picture in it."""
    av = extra("av")
    camera = video.live and video.place.startswith("/dev/")
    options: dict[str, Any] = {"format": "v4l2"} if camera else {}
    try:
        container = av.open(video.place, timeout=timeout if video.live else None, **options)
        if container.streams.video:
            return container
        found = "sound alone" if container.streams else "nothing: it may have been cut short"
        container.close()
    except (av.error.FFmpegError, IndexError, ValueError) as error:  # IndexError: PyAV's own, of a file cut short
        fix = "check the address" if video.live else "copy it again, or save it as another format"
        raise UserError(video.place, "cannot be read as video", _said(error), fix) from error
    raise UserError(video.place, "has no picture", found)


def _said(error: Exception) -> str:
    """FFmpeg's own words."""
    return getattr(error, "strerror", None) or str(error)


def _length(container: Any, stream: Any) -> float | None:
    """Seconds of picture that a file says it has."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    alone = len(container.streams) == 1  # else it is that of the longest, which may be the sound
    return container.duration / 1e6 if container.duration and alone else None


def _lacking(container: Any, stream: Any, read: int, ends: float, rate: float) -> str:
    """What a file that was read without an error lacks by its own account, "" if nothing."""
    if stream.frames:
        return f"{read} of {stream.frames} frames" if read < stream.frames else ""
    length, first = _length(container, stream), float((stream.start_time or 0) * (stream.time_base or 0))
    if not read or (length is not None and ends - first < length - _MISSING / rate):
        return f"{max(ends - first, 0):.2f} of {length or 0:.2f} s"
    return ""


def _pixels(frame: Any) -> NDArray[np.uint8]:
    """A frame as (H, W, 1) or (H, W, 3) uint8; deeper ones are rounded."""
    if frame.format.name.startswith("gray"):
        return np.asarray(frame.to_ndarray(format="gray"))[..., None]
    return np.asarray(frame.to_ndarray(format="rgb24"))


class VideoWriter:
    """Writes pictures (H, W, 3) uint8 of one size as MP4: H.264 where PyAV has it, else MPEG-4; whole or not at all.

    Odd sides get one more row or column, as both codecs want; raises UserError where the disk refuses.
    """

    def __init__(self, path: Path, rate: Fraction) -> None:
        self._path, self._rate, self._stack = path, rate, ExitStack()
        self._container: Any = None
        self._stream: Any = None
        self._start, self._last = 0.0, -1  # of the first picture in seconds, of the one before in milliseconds

    def add(self, picture: NDArray[np.uint8], time: float) -> None:
        """Appends a picture, shown from `time` in seconds on."""
        av = extra("av")
        even = np.pad(picture, ((0, picture.shape[0] % 2), (0, picture.shape[1] % 2), (0, 0)), mode="edge")
        if self._stream is None:
            self._begin(even.shape[1], even.shape[0])
            self._start = time
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
        frame = frame.reformat(self._stream.width, self._stream.height, "yuv420p")  # a camera may change its size
        frame.time_base, frame.pts = self._stream.codec_context.time_base, self._tick(time)
        self._container.mux(self._stream.encode(frame))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._stream is not None:
            self._container.mux(self._stream.encode())
        self._stack.__exit__(kind, error, trace)

    def _begin(self, width: int, height: int) -> None:
        av = extra("av")
        part = self._stack.enter_context(atomic(self._path))
        self._container = self._stack.enter_context(av.open(str(part), "w", format="mp4"))
        codec, options = next(one for one in CODECS if one[0] in av.codecs_available)
        self._stream = self._container.add_stream(codec, rate=self._rate, options=options)
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, 1000)  # ms: dropped frames leave gaps, and streams have none

    def _tick(self, time: float) -> int:
        """The time in milliseconds, later than that of the frame before."""
        self._last = max(self._last + 1, round((time - self._start) * 1000))
        return self._last
