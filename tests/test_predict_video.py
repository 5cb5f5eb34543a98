"""Prediction over video: every frame accounted for, results of a stream kept, bad sources told and the rest done."""

import json
import os
from fractions import Fraction
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from videos import SPOT, corner, cut, write_video

from flawsmith.data.errors import PartlyDone, UserError
from flawsmith.data.image import write_image
from flawsmith.data.read import read
from flawsmith.data.sample import load
from flawsmith.segment import predict as module
from flawsmith.segment.places import Sources, Video
from flawsmith.segment.predict import PredictConfig, predict
from flawsmith.segment.video import Facts, Frame, frames

pytest.importorskip("av")


class Bright:
    """A model for which bright is a spot."""

    classes = ("spot",)
    channels = 1

    def predict(self, image: np.ndarray) -> np.ndarray:
        return image[None, ..., 0].astype(np.float32) / 255


def run(places: list[Any], output: Path, **options: Any) -> dict[str, Any]:
    events = list(predict(Bright(), Sources.of(places), output, PredictConfig(**options)))
    summary: dict[str, Any] = events[-1]["summary"]
    assert summary == json.loads((output / "summary.json").read_text())
    return summary


def lines(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "predictions.jsonl").read_text().splitlines()]


def test_every_frame_of_a_file_is_predicted_in_order(tmp_path: Path) -> None:
    summary = run([write_video(tmp_path / "line.mkv")], tmp_path / "out")
    found = lines(tmp_path / "out")
    assert [one["frame"] for one in found] == list(range(10)) and found[3]["time"] == 0.3
    for index, one in enumerate(found):
        (row, column), (spot,) = corner(index), one["instances"]
        assert spot["bbox"] == [column, row, SPOT, SPOT] and spot["score"] > 0.9
    told = summary["videos"]["line"]
    assert (told["done"], told["dropped"], told["drop"], told["end"]) == (10, 0, "none", "whole")
    assert told["latency_ms"]["p99"] >= told["latency_ms"]["p50"] > 0


def test_the_overlay_is_a_video_of_the_same_length_with_the_defects_drawn(tmp_path: Path) -> None:
    run([write_video(tmp_path / "line.mkv")], tmp_path / "out", overlay=True)
    (file,) = (tmp_path / "out" / "overlays").iterdir()
    drawn = list(frames(Video(str(file), False), 1.0))
    plain = list(frames(Video(str(tmp_path / "line.mkv"), False), 1.0))
    assert file.name == "line.mp4" and len(drawn) == 10
    for one, other in zip(drawn, plain, strict=True):
        changed = abs(one.pixels.astype(int) - other.pixels).max(2) > 60
        row, column = corner(one.index)
        assert changed.sum() > 40 and not changed[row + 1 : row + SPOT - 1, column + 2 : column + SPOT - 2].any()


def test_tracks_for_cvat_read_back_with_the_frames(tmp_path: Path) -> None:
    run([write_video(tmp_path / "line.mkv")], tmp_path / "out", to=("cvat",))
    task = tmp_path / "out" / "cvat" / "line"
    for one in frames(Video(str(tmp_path / "line.mkv"), False), 1.0):
        write_image(task / "images" / f"frame_{one.index:06d}.png", one.pixels)
    dataset = read(task)
    assert len(dataset.defective) == 10 and dataset.classes == ("spot",)
    for index, record in enumerate(sorted(dataset.records, key=lambda one: one.name)):
        row, column = corner(index)
        rows, columns = np.nonzero(load(record, ("spot",)).masks[0])
        assert (rows.min(), columns.min(), len(rows)) == (row, column, SPOT**2)


@pytest.mark.parametrize("to", ["coco", "png"])
def test_frames_become_the_images_of_other_formats(tmp_path: Path, to: str) -> None:
    run([write_video(tmp_path / "line.mkv", 3)], tmp_path / "out", to=(to,))
    dataset = read(tmp_path / "out" / to)
    assert len(dataset.records) == len(dataset.defective) == 3
    assert {load(record, ("spot",)).masks.sum() for record in dataset.records} == {SPOT**2}


def test_frames_can_be_limited(tmp_path: Path) -> None:
    summary = run([write_video(tmp_path / "line.mkv")], tmp_path / "out", frames=4)
    assert summary["videos"]["line"]["end"] == "as many as were asked for" and len(lines(tmp_path / "out")) == 4


def test_bad_sources_are_told_and_the_rest_is_done(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mkv")
    (tmp_path / "none.mp4").write_bytes(b"no video")
    write_image(tmp_path / "a.png", np.zeros((20, 20, 1), np.uint8))
    (tmp_path / "b.png").write_bytes(b"no image")
    places = [tmp_path / "a.png", tmp_path / "b.png", cut(whole, 0.7), tmp_path / "none.mp4", whole]
    notes = []
    with pytest.raises(PartlyDone, match="3 of 5 images and videos could not be read") as caught:
        for event in predict(Bright(), Sources.of(places), tmp_path / "out"):
            notes += [event["note"]] if "note" in event else []
    assert caught.value.exit_code == 3
    assert [any(word in note for note in notes) for word in ("b.png", "breaks off", "none.mp4")] == [True] * 3
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["failed"] == notes and summary["images"]["done"] == 1
    assert [one["end"] for one in summary["videos"].values()] == ["broken off", "broken off", "whole"]
    found = [one["frame"] for one in lines(tmp_path / "out") if one["image"].startswith("cut-whole/")]
    assert found == list(range(summary["videos"]["cut-whole"]["done"])) and len(found) > 3


def test_a_named_pipe_is_a_stream_that_ends_when_its_writer_does(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "camera")
    content = write_video(tmp_path / "line.mkv").read_bytes()
    Thread(target=lambda: (tmp_path / "camera").write_bytes(content), daemon=True).start()
    told = run([tmp_path / "camera"], tmp_path / "out", drop="none")["videos"]["camera"]
    assert (told["done"], told["end"]) == (10, "whole")


def _live(monkeypatch: pytest.MonkeyPatch, source: Any) -> Sources:
    monkeypatch.setattr(module, "frames", lambda *_: source)
    monkeypatch.setattr(module, "facts", lambda *_: Facts(Fraction(10), None))
    return Sources(videos={"camera": Video("rtsp://camera", True)})


def _frames(count: int) -> list[Frame]:
    return [Frame(index, index / 10, np.full((20, 20, 1), 9, np.uint8)) for index in range(count)]


def test_frames_that_are_dropped_are_counted_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class All(module.Queue[Frame]):
        """The reader has read all before the first is taken: as slow as a consumer can be."""

        def get(self, timeout: float | None = None) -> tuple[Frame, float] | None:
            self._change.acquire()
            self._change.wait_for(lambda: self._ended, 30)
            self._change.release()
            return super().get(timeout)

    monkeypatch.setattr(module, "Queue", All)
    sources = _live(monkeypatch, iter(_frames(50)))
    events = list(predict(Bright(), sources, tmp_path / "out"))
    told = events[-1]["summary"]["videos"]["camera"]
    assert (told["done"], told["dropped"], told["drop"]) == (4, 46, "oldest")
    assert [one["frame"] for one in lines(tmp_path / "out")] == [46, 47, 48, 49]
    assert ["46 of 50 frames dropped (oldest first)" in event.get("note", "") for event in events].count(True) == 1


def test_what_came_before_a_stall_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stalling() -> Any:
        yield from _frames(3)
        raise UserError("rtsp://camera", "the stream has stalled")

    with pytest.raises(
        PartlyDone, match=r"1 of 1 images and videos could not be read to the end; found rtsp://camera: the stream"
    ):
        list(predict(Bright(), _live(monkeypatch, stalling()), tmp_path / "out"))
    assert len(lines(tmp_path / "out")) == 3


def test_a_stream_that_is_stopped_keeps_its_results_and_a_file_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = PredictConfig(to=("coco", "jsonl"), overlay=True, drop="none")
    stopped = predict(Bright(), Sources.of([write_video(tmp_path / "line.mkv")]), tmp_path / "file", config)
    next(stopped)
    stopped.close()
    assert not list((tmp_path / "file").rglob("*.mp4")) and not (tmp_path / "file" / "summary.json").exists()

    stopped = predict(
        Bright(), _live(monkeypatch, iter(_frames(9))), tmp_path / "live", config, clock=iter(range(999)).__next__
    )
    for _ in range(3):
        next(stopped)
    stopped.close()
    summary = json.loads((tmp_path / "live" / "summary.json").read_text())
    assert summary["videos"]["camera"]["end"] == "interrupted"
    annotations = json.loads((tmp_path / "live" / "coco" / "annotations.json").read_text())
    assert len(annotations["images"]) == summary["videos"]["camera"]["done"] >= 3
    assert len(list(frames(Video(str(tmp_path / "live" / "overlays" / "camera.mp4"), False), 1.0))) >= 3
