"""Running a model over images and video: masks, single defects with scores, labels for other tools, and how fast."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.errors import PartlyDone, UsageError, UserError
from flawsmith.data.files import new_folder, write_json
from flawsmith.data.image import read_image, to_uint, write_image, write_mask
from flawsmith.data.problem import counted, printable
from flawsmith.segment.look import look, marked
from flawsmith.segment.metrics import image_score
from flawsmith.segment.model import Model
from flawsmith.segment.places import Sources, Video
from flawsmith.segment.sinks import FORMATS, LINES, SINKS, Overlays, Shot, Sink
from flawsmith.segment.stream import POLICIES, Clock, Meter, Policy, Queue, flow
from flawsmith.segment.table import Cell, file_name, write_table
from flawsmith.segment.tiles import Tiling
from flawsmith.segment.video import Frame, facts, frames

TABLE, SUMMARY = "predictions.csv", "summary.json"
WHAT = ("probability", "px")  # per class: the highest smoothed probability, the pixels of its defects
_UNFINISHED = ("maps", "masks", "overlays", "coco", "cvat", "png", LINES)  # what an interrupted run may have left
_OFTEN = 2.0  # s between two words about a source that has no end

Item = TypeVar("Item")


@dataclass(frozen=True)
class PredictConfig:
    """How to predict, and what to write beside masks and table."""

    threshold: float = 0.5  # probability from which a pixel is a defect; of a model of objects, score of an object
    least: int = 1  # px: smaller defects are left out of the list, not of the mask
    tiling: Tiling = field(default_factory=Tiling)
    to: tuple[str, ...] = ("jsonl",)
    overlay: bool = False
    drop: Policy | None = None  # None: none of a file's frames, the oldest that wait of a live source's
    timeout: float = 10.0  # s without a frame after which a live source has stalled
    frames: int | None = None  # of each video; None: all

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise UsageError("--threshold", "lies between 0 and 1", self.threshold)
        if unknown := [name for name in self.to if name not in FORMATS]:
            raise UsageError("--to", f"a format is one of {', '.join(FORMATS)}", unknown[0])
        if self.drop not in (None, *POLICIES):
            raise UsageError("--drop", f"is one of {', '.join(POLICIES)}", self.drop)


def predict(
    model: Model, sources: Sources, output: Path, config: PredictConfig | None = None, clock: Clock = perf_counter
) -> Iterator[dict[str, Any]]:
    """Writes for images maps/CLASS/NAME.png (8 bit), masks/NAME.png (1 bit, all classes) and predictions.csv.

    Beside them what `config` names, and summary.json. An interrupted run over files can be given again; of a live
    source everything up to the interruption is kept. Yields {"task", "step", "steps", "text"}, and {"note"} with what
    could not be read; the last item has "summary". Raises PartlyDone at the end where there was any: the rest is there.
    """
    config = config or PredictConfig()
    new_folder(output, _UNFINISHED)
    job = _Job(model, output, config, clock)
    last: dict[str, Any] = {}
    stopped: BaseException | None = None
    with ExitStack() as stack:
        job.begin(stack)
        for last in job.images(sources):
            yield last
        for name, video in sources.videos.items():
            try:
                with closing(job.video(name, video)) as events:
                    for last in events:
                        yield last
            except (KeyboardInterrupt, GeneratorExit) as stop:
                if not video.live:
                    raise
                stopped = stop  # the usual end of a stream
                break
    summary = job.finish(sources)
    if stopped is not None:
        raise stopped
    yield {**{key: value for key, value in last.items() if key != "note"}, "summary": summary}
    if job.failed:
        count = len(sources.images) + len(sources.videos)
        what = "images and videos could not be read to the end" if sources.videos else "images could not be read"
        raise PartlyDone(output, f"{len(job.failed)} of {count} {what}", job.failed[0])


@dataclass
class _Job:
    """One run: what is written to, and what has been noted so far."""

    model: Model
    output: Path
    config: PredictConfig
    clock: Clock
    failed: list[UserError] = field(default_factory=list)
    rows: list[dict[str, Cell]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    greys: int = 0  # images without the colours that the model has learned from
    sinks: list[Sink] = field(default_factory=list)
    rates: dict[str, Fraction] = field(default_factory=dict)  # of the videos, frames a second

    def begin(self, stack: ExitStack) -> None:
        """Opens what is written to, until the stack ends."""
        for name in dict.fromkeys(self.config.to):
            self.sinks.append(stack.enter_context(SINKS[name](self.output, self.model.classes)))
        if self.config.overlay:
            self.sinks.append(stack.enter_context(Overlays(self.output, self.model.classes, self.rates)))

    def images(self, sources: Sources) -> Iterator[dict[str, Any]]:
        """Predicts on the images, one after the other."""
        meter, count = Meter(self.clock), len(sources.images)
        for step, (name, path) in enumerate(sources.images.items(), 1):
            came = self.clock()
            where = {"task": "images", "step": step, "steps": count}
            try:
                image = read_image(path)
            except UserError as error:
                yield {**where, "text": meter.text(), **self._fail(error)}
                continue
            maps, masks, peaks = self._predict(Shot(name.removesuffix(".png"), str(path), image, file=path))
            write_maps(self.output, name, maps, masks, self.model.classes)
            found = row(masks, peaks, self.model.classes)
            self.rows.append({"image": str(path), "mask": f"masks/{name}", **found})
            meter.add(came)
            yield {**where, "text": meter.text(), **self._grey(path, image)}
        if count:
            self.figures["images"] = meter.facts()

    def video(self, name: str, video: Video) -> Generator[dict[str, Any], None, None]:
        """Predicts on the frames of a video, in order, while a thread reads ahead."""
        meter, since, end = Meter(self.clock), float("-inf"), "interrupted"
        queue: Queue[Frame] = Queue(self.config.drop or ("oldest" if video.live else "none"), clock=self.clock)
        try:
            with closing(self._readable(self._frames(name, video, queue))) as items:
                for item in items:
                    if isinstance(item, dict):
                        end = "broken off"
                        yield {"task": name, **_progress(meter, queue, max(meter.done, 1)), **item}
                        break
                    frame, came, count = item
                    self._predict(_shot(name, video, frame))
                    meter.add(came)
                    if count is not None or self.clock() - since >= _OFTEN:
                        since = self.clock()
                        yield {"task": name, **_progress(meter, queue, count)}
                    if meter.done == self.config.frames:
                        end = "as many as were asked for"
                        break
                else:
                    end = "whole"
        finally:
            told = {**meter.facts(), "dropped": queue.dropped, "drop": queue.policy, "end": end}
            self.figures.setdefault("videos", {})[name] = {"source": video.place, **told}
        if queue.dropped:
            seen = f"{queue.dropped} of {counted(meter.done + queue.dropped, 'frame')} dropped ({queue.policy} first)"
            note = f"{printable(video.place)}: {seen}: the model is slower than the video"
            yield {"task": name, **_progress(meter, queue, max(meter.done, 1)), "note": note}

    def finish(self, sources: Sources) -> dict[str, Any]:
        """Writes the table of images and the summary."""
        header = ("image", "mask", "score", "defect", *(f"{one} {what}" for one in self.model.classes for what in WHAT))
        if sources.images:
            write_table(self.output / TABLE, self.rows, header)
        summary = {
            "classes": list(self.model.classes),
            "threshold": self.config.threshold,
            **self.figures,
            **({"grey images": self.greys} if self.greys else {}),
            "failed": [str(error) for error in self.failed],
        }
        write_json(self.output / SUMMARY, summary)
        return summary

    def _frames(self, name: str, video: Video, queue: Queue[Frame]) -> Iterator[tuple[Frame, float, int | None]]:
        """The frames of a video with the time at which each came, and how many there will be if that is known."""
        about, timeout = facts(video, self.config.timeout), self.config.timeout
        self.rates[name] = about.rate
        limits = [number for number in (about.count, self.config.frames) if number is not None]
        count = min(limits) if limits else None
        for frame, came in flow(frames(video, timeout), queue, video.place, timeout if video.live else None):
            yield frame, came, count

    def _readable(self, items: Iterator[Item]) -> Generator[Item | dict[str, Any], None, None]:
        """The items up to a UserError, which is noted instead of raised."""
        try:
            yield from items
        except UserError as error:
            yield self._fail(error)

    def _fail(self, error: UserError) -> dict[str, Any]:
        self.failed.append(error)
        return {"note": printable(str(error))}

    def _grey(self, path: Path, image: NDArray[Any]) -> dict[str, Any]:
        """A note with the first image that lacks the colours of the model."""
        if self.model.channels != 3 or image.shape[2] != 1:
            return {}
        self.greys += 1
        what = "is grey, and the model has learned from colours: its grey is taken for all three"
        return {"note": printable(f"{path}: {what}; {SUMMARY} counts such images")} if self.greys == 1 else {}

    def _predict(self, shot: Shot) -> tuple[NDArray[np.float32], NDArray[np.bool_], list[float]]:
        """The maps of an image, its masks and the score of each class; what is found goes to all that is written to."""
        config = self.config
        maps, found = look(self.model, shot.image, config.threshold, 1, config.tiling)
        peaks = [image_score(probability) for probability in maps]
        listed = tuple(one for one in found if one.patch.area >= config.least)
        complete = replace(shot, score=max(peaks), found=listed)
        for sink in self.sinks:
            sink.add(complete)
        return maps, marked(self.model, maps, found, config.threshold), peaks


def _shot(name: str, video: Video, frame: Frame) -> Shot:
    """A frame of the video whose results are called `name`."""
    return Shot(f"{name}/{frame.index:06d}", video.place, frame.pixels, frame=frame.index, time=frame.time)


def _progress(meter: Meter, queue: Queue[Frame], count: int | None) -> dict[str, Any]:
    """How far a video is; one without a known end says how many frames are done."""
    dropped = f", {queue.dropped} dropped" if queue.dropped else ""
    steps = {"step": meter.done, "steps": 1, "endless": True} if count is None else {"step": meter.done, "steps": count}
    return {**steps, "text": meter.text() + dropped}


def row(masks: NDArray[np.bool_], peaks: Sequence[float], classes: Sequence[str]) -> dict[str, Cell]:
    """One image's figures: its score, the most probable class that has pixels in masks (K, H, W), and per class."""
    areas = [int(np.count_nonzero(mask)) for mask in masks]
    best = max(range(len(classes)), key=lambda k: (areas[k] > 0, peaks[k]))
    cells: dict[str, Cell] = {"score": max(peaks), "defect": classes[best] if areas[best] else ""}
    for name, peak, area in zip(classes, peaks, areas, strict=True):
        cells |= {f"{name} probability": peak, f"{name} px": area}
    return cells


def write_maps(
    output: Path, name: str, maps: NDArray[np.float32], masks: NDArray[np.bool_], classes: Sequence[str]
) -> None:
    """Writes one image's maps and the mask of all classes together."""
    for defect, probability in zip(classes, maps, strict=True):
        write_image(output / "maps" / file_name(defect) / name, to_uint(probability[None], np.uint8))
    write_mask(output / "masks" / name, np.asarray(masks.any(0), bool))
