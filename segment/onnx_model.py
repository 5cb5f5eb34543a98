"""A segmenter exported to ONNX, run by onnxruntime: no torch, and what it knows stands in the file itself."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.errors import UserError
from flawsmith.data.image import to_float
from flawsmith.segment.extras import extra

KEY = "flawsmith"  # of metadata_props: a JSON object
FORMAT = "1"
SEGMENTER = "segmenter"  # what a file is that does not say
INPUT, OUTPUT = "image", "probability"  # (N, C, H, W) float32 in [0, 1] → (N, K, H, W) float32 in [0, 1]
AGAIN = "give a file that flawsmith export wrote"


@dataclass(frozen=True, eq=False)
class OnnxModel:
    """An open session with the classes that it knows and the colour channels that it sees."""

    session: Any
    classes: tuple[str, ...]
    channels: int
    shrink: int = 1  # how many times smaller than they are the images are seen, which its graph does itself

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> OnnxModel:
        """Reads a file, to be run on "cpu" or "cuda"; raises UserError where it is none that flawsmith wrote."""
        if not path.is_file():
            raise UserError(path, "does not exist")
        session = open_session(path, device)
        return cls.of(path, session, about_of(path, session))

    @classmethod
    def of(cls, path: Path, session: Any, about: Mapping[str, Any]) -> OnnxModel:
        """The open session of a segmenter; raises UserError where it takes or gives anything but what it says."""
        (given,), (made,) = _ends(path, session.get_inputs()), _ends(path, session.get_outputs())
        wanted = {INPUT: about["channels"], OUTPUT: len(about["classes"])}
        found = {given.name: given.shape[1], made.name: made.shape[1]}
        if wanted != found:
            raise UserError(path, f"must take and give {wanted} channels, as it says itself", found, AGAIN)
        return cls(session, tuple(about["classes"]), about["channels"], about.get("shrink", 1))

    def predict(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """The probabilities (K, H, W) float32 of an image (H, W, C) uint8 or uint16 of any size."""
        maps: NDArray[np.float32] = self.session.run([OUTPUT], {INPUT: to_float(image, self.channels)[None]})[0][0]
        return maps


def open_session(path: Path | bytes, device: str = "cpu") -> Any:
    """An onnxruntime session on "cpu" or "cuda"; raises UserError where the content is no ONNX that runs."""
    runtime = extra("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # fatal: what is wrong is raised, and told once
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS") or 0)  # as torch does; 0: one a core
    # Threads that wait for the next image with full force take the cores from what is done between two images: a frame
    # of 512×512 px took 22 ms with it and 14 without, on two cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    wanted = ["CUDAExecutionProvider"] if device == "cuda" else []
    usable = [one for one in (*wanted, "CPUExecutionProvider") if one in runtime.get_available_providers()]
    try:
        return runtime.InferenceSession(path if isinstance(path, bytes) else str(path), options, providers=usable)
    except Exception as error:  # onnxruntime has a dozen of its own, without a common base
        where = "the exported model" if isinstance(path, bytes) else path
        raise UserError(where, "cannot be run as ONNX", str(error).splitlines()[0][:200], AGAIN) from error


def about_of(path: Path, session: Any) -> dict[str, Any]:
    """What flawsmith wrote into the file; raises UserError where it wrote nothing, or another version did."""
    try:
        about = {"kind": SEGMENTER, **json.loads(session.get_modelmeta().custom_metadata_map[KEY])}
        sound = about["format"] == FORMAT and isinstance(about["channels"], int) and about["classes"]
        sound = sound and isinstance(about.get("shrink", 1), int)
        if sound and all(isinstance(name, str) for name in about["classes"]):
            return dict(about)
        found = f"format {about['format']}"
    except (KeyError, ValueError, TypeError):
        found = "no such note in its metadata"
    raise UserError(path, "must be a model that flawsmith has exported", found, AGAIN)


def _ends(path: Path, ends: Any) -> Any:
    """The only input or output, of four axes."""
    if len(ends) != 1 or len(ends[0].shape) != 4:
        raise UserError(path, "must have one input and one output of four axes", len(ends), AGAIN)
    return ends
