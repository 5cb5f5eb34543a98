"""What predict says of bad input, on the command line: a clear line each, the rest is done, and an honest exit code."""

import json
import os
import resource
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest
from click.testing import CliRunner, Result
from PIL import Image
from videos import cut, pictures, write_video

from flawsmith.cli import main
from flawsmith.data.checkpoint import save
from flawsmith.segment.models.margins import Base
from flawsmith.segment.models.threshold import SETTINGS, Setting, Threshold
from flawsmith.segment.segmenter import MODEL

pytest.importorskip("av")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model that is loaded in no time: bright is a spot."""
    folder = tmp_path / "model"
    folder.mkdir()
    Threshold(("spot",), (Setting(Base("otsu"), "bright", 1.0),)).save(folder / SETTINGS, {})
    return folder


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out"


def predict(model: object, *arguments: object) -> Result:
    return CliRunner().invoke(main, ["predict", *map(str, (model, *arguments)), "--device", "cpu"])


def told(result: Result, code: int, *words: str) -> None:
    """Asserts the exit code, no traceback, one last line that begins with Error, and all words in what was said."""
    assert result.exit_code == code, (result.exit_code, result.exception, result.output)
    assert "Traceback" not in result.output and result.stderr.splitlines()[-1].startswith("Error: ")
    assert sum(line.startswith("Error: ") for line in result.stderr.splitlines()) == 1
    assert [word for word in words if word not in result.stderr] == []


def found(output: Path) -> list[str]:
    """The names of the images and frames that were predicted."""
    return [json.loads(line)["image"] for line in (output / "predictions.jsonl").read_text().splitlines()]


def image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pictures(1)[0]).save(path)
    return path


def test_a_folder_with_a_broken_image_and_a_video_cut_within_a_frame(model: Path, output: Path, tmp_path: Path) -> None:
    image(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").write_bytes(image(tmp_path / "c.png").read_bytes()[:900])
    short = cut(write_video(tmp_path / "line.mkv"), 0.7)
    short.rename(tmp_path / "in" / "line.mkv")
    result = predict(model, tmp_path / "in", "-o", output)
    told(
        result,
        3,
        "b.png",
        "line.mkv: is damaged or breaks off",
        "2 of 3 images and videos could not be read to the end",
    )
    names = found(output)
    assert names[0] == "a" and names[1:] == [f"line/{index:06d}" for index in range(len(names) - 1)] and len(names) > 4
    assert json.loads((output / "summary.json").read_text())["videos"]["line"]["end"] == "broken off"


def test_a_pipe_that_stalls(model: Path, output: Path, tmp_path: Path) -> None:
    over = Event()

    def send() -> None:
        with (tmp_path / "camera").open("wb") as pipe:
            pipe.write(content[: int(len(content) * 0.8)])
            pipe.flush()
            over.wait(60)

    os.mkfifo(tmp_path / "camera")
    content = write_video(tmp_path / "line.mkv", 30).read_bytes()
    Thread(target=send, daemon=True).start()
    result = predict(model, image(tmp_path / "a.png"), tmp_path / "camera", "-o", output, "--timeout", "2")
    over.set()
    told(result, 3, "camera: the stream has stalled; found no frame for 2 s", "raise --timeout")
    assert found(output)[0] == "a" and len(found(output)) > 3


class Stalling(BaseHTTPRequestHandler):
    """Sends most of a video, and then nothing more until the test is over."""

    content, over = b"", Event()

    def do_GET(self) -> None:
        if self.path != "/camera":
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.content[: int(len(self.content) * 0.8)])
        self.wfile.flush()
        self.over.wait(60)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server whose /camera stalls."""
    Stalling.content, Stalling.over = write_video(tmp_path / "sent.mkv", 30).read_bytes(), Event()
    server = HTTPServer(("127.0.0.1", 0), Stalling)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    Stalling.over.set()
    server.shutdown()
    server.server_close()


def test_an_address_that_stalls_and_one_that_is_not_there(model: Path, output: Path, server: str) -> None:
    result = predict(model, f"{server}/nothing", f"{server}/camera", "-o", output, "--timeout", "2")
    told(result, 3, "/nothing: cannot be read as video", "check the address", "2 of 2 images and videos")
    assert "/camera: " in result.stderr and len(found(output)) > 3


def test_an_address_that_refuses(model: Path, output: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    result = predict(model, image(tmp_path / "a.png"), f"http://127.0.0.1:{port}/1", "-o", output)
    told(result, 3, f"127.0.0.1:{port}/1: cannot be read as video", "refused", "check the address")
    assert found(output) == ["a"]


def test_a_camera_that_is_not_there(model: Path, output: Path) -> None:
    told(predict(model, "/dev/video987", "-o", output), 1, "/dev/video987", "no such camera")
    assert not output.exists()


def test_places_that_name_nothing(model: Path, output: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place, said in (
        (tmp_path / "empty", "holds no image and no video; .png"),
        (tmp_path / "*.jpg", "matches none"),
        (tmp_path / "nowhere.mp4", "does not exist"),
    ):
        told(predict(model, place, "-o", output), 1, str(place), said)
    assert not output.exists()


def test_options_that_make_no_sense(model: Path, output: Path, tmp_path: Path) -> None:
    place = image(tmp_path / "a.png")
    for option, value in (("--frames", "0"), ("--timeout", "0"), ("--tile", "1000"), ("--threshold", "1")):
        result = predict(model, place, "-o", output, option, value)
        assert result.exit_code == 2 and option in result.stderr and "Traceback" not in result.output
    assert not output.exists()


def test_what_is_no_model(output: Path, tmp_path: Path) -> None:
    place = image(tmp_path / "a.png")
    (tmp_path / "foreign.onnx").write_bytes(b"no onnx")
    save(tmp_path / "five" / MODEL, {}, {"kind": "segmenter", "classes": ["a"], "channels": 5, "network": "small"})
    pytest.importorskip("onnxruntime")
    told(
        predict(tmp_path / "foreign.onnx", place, "-o", output),
        1,
        "foreign.onnx: cannot be run as ONNX",
        "export wrote",
    )
    told(predict(tmp_path / "five", place, "-o", output), 1, MODEL, "a model sees 1 channel or 3; found 5")
    assert not output.exists()


def test_an_onnx_file_of_another_program(output: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 1, "h", "w"]) for name in ("x", "y")]
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "g", ends[:1], ends[1:])
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(made, tmp_path / "a.onnx")
    result = predict(tmp_path / "a.onnx", image(tmp_path / "a.png"), "-o", output)
    told(result, 1, "a.onnx: must be a model that flawsmith has exported; found no such note in its metadata")
    assert not output.exists()


@pytest.mark.parametrize("to", ["jsonl", "coco", "cvat", "png", "overlay", "maps"])
def test_a_full_disk_is_one_line_and_leaves_no_half_file(model: Path, output: Path, tmp_path: Path, to: str) -> None:
    """A limit on the size of files: like a disk, it is full in the middle of one."""
    options = ["--overlay", "--to", "jsonl"] if to in ("overlay", "maps") else ["--to", to]
    place = image(tmp_path / "a.png") if to == "maps" else write_video(tmp_path / "line.mkv", 60)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = {"maps": 100, "overlay": 16_000, "jsonl": 4000}.get(to, 2000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        result = predict(model, place, "-o", output, *options)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    told(result, 1, "cannot be written; found File too large", "ulimit -f")
    assert not list(output.rglob(".*")) and not list(output.rglob("*.mp4")) and not (output / "summary.json").exists()
