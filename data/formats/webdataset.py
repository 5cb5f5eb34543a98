"""WebDataset: shards images-000000.tar, …, whose samples are an image, a mask of class ids, and JSON with the objects.

The masks of the objects are in the JSON as COCO's compressed RLE, so nothing is lost; <key>.mask.png is for loaders.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from flawsmith.data.errors import UserError
from flawsmith.data.files import atomic
from flawsmith.data.formats.archive import opened
from flawsmith.data.formats.classmask import Stems, class_mask, object_mask
from flawsmith.data.formats.collect import Collector
from flawsmith.data.formats.document import field, listed, load_json
from flawsmith.data.formats.palette import grey_png
from flawsmith.data.formats.picture import Instance, Picture
from flawsmith.data.formats.reading import Reading
from flawsmith.data.geometry.runs import coco_counts, coco_runs
from flawsmith.data.image import SUFFIXES
from flawsmith.data.listing import Listing

NAME = "webdataset"
_SHARD = re.compile(r"images-\d{6}\.tar")
_BLOCKS = 1024  # bytes of a member's header, and the most of its padding
_BYTES, _SAMPLES = 10**9, 1000  # the most of one shard


def find(root: Path) -> list[Path]:
    """The shards of a folder, by the names that the writer gives: those of others have no objects to read."""
    return sorted(path for path in root.glob("*.tar") if _SHARD.fullmatch(path.name))


class WebDatasetWriter:
    """Writes shards of at most 1000 samples and 1 GB, the same bytes for the same pictures."""

    lossless = True

    def __init__(self, output: Path, classes: Sequence[str]) -> None:
        self.output, self.classes = output, tuple(classes)
        self.images: dict[str, str] = {}  # what each picture is called in the shards
        self._stems = Stems()
        self._open = ExitStack()
        self._shard: tarfile.TarFile | None = None
        self._shards = self._samples = 0

    def add(self, picture: Picture) -> list[float]:
        """Appends one sample; all of its objects are kept."""
        key = self._stems.flat(picture.name)
        try:
            image = picture.source.read_bytes()
        except OSError as reason:
            raise UserError(picture.source, "cannot be read", reason.strerror or str(reason)) from reason
        mask = grey_png(class_mask(picture, object_mask(picture), self.classes))
        content = json.dumps(self._about(picture), sort_keys=True, ensure_ascii=False).encode()
        name = f"{key}{Path(picture.name).suffix.lower()}"
        shard = self._room(sum(_BLOCKS + len(data) for data in (image, mask, content)))
        for member, data in ((name, image), (f"{key}.mask.png", mask), (f"{key}.json", content)):
            header = tarfile.TarInfo(member)  # of time 0 and user 0
            header.size = len(data)
            shard.addfile(header, BytesIO(data))
        self._samples += 1
        self.images[picture.name] = name
        return [1.0] * len(picture.instances)

    def close(self) -> None:
        """Finishes the last shard; a set without pictures has an empty one."""
        self._room(0)
        self._open.close()

    def _about(self, picture: Picture) -> dict[str, Any]:
        return {
            "classes": list(self.classes),
            "height": picture.height,
            "width": picture.width,
            "instances": [self._object(picture, one) for one in picture.instances],
            "group": picture.group or None,
            "flawsmith_id": picture.origin,
        }

    def _object(self, picture: Picture, one: Instance) -> dict[str, Any]:
        full = one.patch.full(picture.height, picture.width)
        return {
            "class": one.defect,
            "class_id": self.classes.index(one.defect) + 1,
            "bbox": list(one.patch.box),
            "area": one.patch.area,
            "rle": {"size": [picture.height, picture.width], "counts": coco_counts(full)},
        }

    def _room(self, size: int) -> tarfile.TarFile:
        """The shard that has room for a sample of so many bytes, a new one where the last has none."""
        full = self._samples == _SAMPLES or (self._shard and self._samples and self._shard.offset + size > _BYTES)
        if self._shard is None or full:
            self._open.close()
            part = self._open.enter_context(atomic(self.output / f"images-{self._shards:06}.tar"))
            self._shard = self._open.enter_context(tarfile.open(part, "w", format=tarfile.PAX_FORMAT))  # noqa: SIM115
            self._shards, self._samples = self._shards + 1, 0
        return self._shard


def scan(root: Path, files: Sequence[Path], reading: Reading) -> Listing:
    """A row per sample of the shards, which are unpacked for as long as this runs."""
    collector = Collector(root, "WebDataset", reading)
    seen: set[str] = set()
    for shard in files:
        try:
            folder = opened(shard)
        except UserError as reason:
            collector.refuse(shard, "", reason.rule, reason.fix or "export it again")
            continue
        for path in sorted(folder.rglob("*.json")):
            _sample(collector, shard, path, seen)
    return collector.listing()


def _sample(collector: Collector, shard: Path, path: Path, seen: set[str]) -> None:
    """Adds one sample whose key has not been seen."""
    key = path.name.removesuffix(".json")
    if key in seen:
        collector.refuse(shard, key, "is a key that another sample has", "give each sample a key of its own")
        return
    seen.add(key)
    image = next((found for suffix in SUFFIXES if (found := path.with_name(key + suffix)).is_file()), None)
    try:
        about = load_json(path)
    except UserError as reason:
        collector.refuse(shard, path.name, reason.rule, "write the shard again")
        return
    if image is None or field(about, "instances", list) is None:
        what = "has no image" if image is None else "names no instances"
        collector.refuse(shard, key, what, "flawsmith reads the shards that it has written: label it in another format")
        return
    height, width = field(about, "height", int), field(about, "width", int)
    size = (height, width) if height is not None and width is not None else None
    row = collector.row(shard, image, size, field(about, "group", str), field(about, "flawsmith_id", str))
    for number, one in enumerate(listed(about, "instances"), 1):
        runs = field(one, "rle", dict) or {}
        make = partial(coco_runs, runs.get("size"), runs.get("counts"))
        collector.draw(row, shard, f"instance {number}", field(one, "class", str) or "", make)
