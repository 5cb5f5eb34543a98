"""What others read in flawsmith's files, and flawsmith in theirs: `make interop` measures it for docs/interop.md.

Runs in an environment of its own with those libraries. Exit code 1 where a lossless format is not exact to the pixel,
or a YOLO outline of 20 px or more keeps less than 0.98.
"""

from __future__ import annotations

import ast
import contextlib
import io
import itertools
import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from unittest.mock import MagicMock

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flawsmith.data.convert import convert
from flawsmith.data.read import read
from flawsmith.data.sample import instances

Mask = NDArray[np.bool_]
Objects = list[tuple[str, Mask]]  # class and pixels (H, W)
Found = dict[str, Objects]  # by image

DOCS = Path(__file__).resolve().parent.parent / "docs"
PIT, SCRATCH, DENT = "pit", "Kratzer ä", "deep dent"
CLASSES = (DENT, SCRATCH, PIT)  # sorted, as flawsmith writes them
SUFFIXES = (".png", ".bmp")
LIBRARIES = ("pycocotools", "datumaro", "supervision", "label-studio-sdk", "labelme", "ultralytics", "webdataset")
LIBRARIES += ("datasets", "pillow")
YOLO, FAIR = 0.98, 20  # the least intersection over union, of objects of at least so many pixels
warnings.simplefilter("ignore")


@dataclass(frozen=True)
class Result:
    """One row of a table: how much of what was written was found again."""

    format: str
    library: str
    images: str  # "found of all"
    scores: tuple[tuple[float, int], ...]  # of each object the intersection over union and the pixels
    extra: int  # objects that there should not be
    least: float  # score that objects must have, those of fewer than 20 px only where it is 1
    note: str

    @property
    def right(self) -> bool:
        """True where nothing is lost that should not be."""
        found, _, every = self.images.partition(" of ")
        fair = min(score for score, area in self.scores if area >= FAIR or self.least == 1)
        return found == every and fair >= self.least and not (self.extra and self.least)

    @property
    def exact(self) -> int:
        """The objects that are the same to the pixel."""
        return sum(score == 1 for score, _ in self.scores)

    @property
    def mean(self) -> float:
        """The mean score."""
        return float(np.mean([score for score, _ in self.scores]))

    @property
    def worst(self) -> str:
        """The least score as it is printed."""
        worst = min(score for score, _ in self.scores)
        return f"{worst:.3f}" if worst < 1 else "1"

    def cells(self) -> tuple[str, ...]:
        """As it is printed."""
        more = f"{self.extra} objects too many. " if self.extra and self.least else ""
        return (
            self.format,
            self.library,
            self.images,
            str(len(self.scores)),
            str(self.exact),
            self.worst,
            (more + self.note).strip(),
        )


# The set: everything about masks and names that has ever gone wrong.


def truth() -> Found:
    """Images with their objects; the later of two that overlap lies above."""
    height, width = 47, 61
    y, x = np.mgrid[:height, :width]

    def disc(row: float, column: float, radius: float) -> Mask:
        return (y - row) ** 2 + (x - column) ** 2 <= radius**2

    def pixels(*places: tuple[int, int]) -> Mask:
        mask = np.zeros((height, width), bool)
        mask[tuple(np.transpose(places))] = True
        return mask

    frame = np.pad(np.zeros((height - 2, width - 2), bool), 1, constant_values=True)
    blobs = np.random.default_rng(1).normal(size=(200, 300))
    for axis in (0, 1):  # a moving mean makes blobs of noise, with holes and with pixels that touch at corners
        blobs = np.apply_along_axis(lambda one: np.convolve(one, np.ones(9) / 9, "same"), axis, blobs)
    columns = np.arange(300)
    return {
        "holes.png": [
            (PIT, disc(20, 20, 14) & ~disc(20, 20, 9) | disc(20, 20, 4)),
            (SCRATCH, disc(30, 48, 9) & ~pixels((30, 48), (27, 45), (28, 46))),
        ],
        "parts.png": [
            (PIT, disc(10, 10, 6) | disc(30, 40, 8) | disc(10, 50, 3)),
            (SCRATCH, pixels((40, 3))),
            (DENT, pixels((40, 10), (40, 12), (43, 20))),
        ],
        "border.png": [
            (DENT, frame),
            (PIT, disc(23, 0, 8)),
            (SCRATCH, pixels((0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1))),
            (PIT, disc(46, 60, 7)),
        ],
        "line 2/full.image.png": [(PIT, np.ones((height, width), bool))],
        "line 2/overlap.png": [
            (PIT, disc(20, 20, 12)),
            (SCRATCH, disc(24, 26, 10)),
            (PIT, disc(20, 30, 6)),
            (DENT, np.abs(y - 23) <= 2),
        ],
        "diagonal ü.png": [
            (SCRATCH, (x == y + 2) & (y < 40)),
            (SCRATCH, (x + y == 60) & (y > 4) & (y < 20)),
            (DENT, ((x + y) % 2 == 0) & (abs(x - 50) < 5) & (abs(y - 35) < 5)),
            (PIT, (y == 44) & (x > 2) & (x < 40)),
        ],
        "Stück ä/Übersicht.01.bmp": [
            (PIT, (blobs > 0.1) & (columns < 140)),
            (DENT, (blobs < -0.12) & (columns > 150)),
            (SCRATCH, np.abs(np.arange(200)[:, None] - 100 - 30 * np.sin(columns / 9)) < 1.5),
        ],
        "good.png": [],
        "line 2/good 2.png": [],
        "line 2/b/good.c.png": [],
    }


def size(name: str) -> tuple[int, int]:
    """Height and width of an image of the set."""
    return (200, 300) if name.startswith("Stück") else (47, 61)


def classes(found: Found) -> Found:
    """One mask a class: objects of a class joined."""
    return {
        name: [(kind, _any(objects, kind)) for kind in sorted({kind for kind, _ in objects})]
        for name, objects in found.items()
    }


def _any(objects: Objects, kind: str) -> Mask:
    return np.any([mask for one, mask in objects if one == kind], axis=0)


def flat(found: Found) -> Found:
    """Each pixel to the last object that has it; objects of which nothing is left are gone."""
    kept: Found = {}
    for name, objects in found.items():
        above = [
            np.any([later for _, later in objects[place + 1 :]] or [mask & False], axis=0)
            for place, (_, mask) in enumerate(objects)
        ]
        rest = [(kind, mask & ~cover) for (kind, mask), cover in zip(objects, above, strict=True)]
        kept[name] = [(kind, mask) for kind, mask in rest if mask.any()]
    return kept


def product(found: Found) -> Found:
    """One mask an image, as MVTec AD has it: of its class, or of "combined" classes."""
    return {
        name: [
            (
                objects[0][0] if len({kind for kind, _ in objects}) == 1 else "combined",
                np.any([mask for _, mask in objects], axis=0),
            )
        ]
        if objects
        else []
        for name, objects in found.items()
    }


def key(path: str) -> str:
    """The image of the set that a path names, whatever folder it was put into and however it was flattened."""

    def plain(name: str) -> str:
        stem = name if PurePosixPath(name).suffix.lower() not in SUFFIXES else name[: -len(PurePosixPath(name).suffix)]
        return stem.replace("/", "_").replace(".", "_")

    said, last = plain(path), plain(PurePosixPath(path).name)
    whole = [name for name in truth() if f"_{said}".endswith(f"_{plain(name)}")]
    alone = [name for name in truth() if plain(PurePosixPath(name).name) == last]  # its folders have been dropped
    return max(whole, key=len, default=alone[0] if alone else f"unknown image {path}")


def paint(folder: Path) -> None:
    """Writes the images, each of a grey of its own."""
    for number, name in enumerate(truth(), 1):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full(size(name), 20 * number, np.uint8)).save(path)


# What others read in what flawsmith writes.


def by_pycocotools(root: Path) -> Found:
    """COCO's own loader."""
    from pycocotools.coco import COCO

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(next(root.rglob("*.json"))))
    return {
        key(image["file_name"]): [
            (coco.cats[one["category_id"]]["name"], coco.annToMask(one).astype(bool))
            for one in coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]]))
            if one["segmentation"]
        ]
        for image in coco.dataset["images"]
    }


def _of_datumaro(dataset: Iterable[object]) -> Found:
    """The masks of a data set of datumaro."""
    from datumaro.components.annotation import AnnotationType

    names = [label.name for label in dataset.categories()[AnnotationType.label]]  # type: ignore[attr-defined]
    return {
        key(f"{item.id}.png"): [  # type: ignore[attr-defined]
            (names[one.label], np.asarray(one.image) > 0)
            for one in item.annotations  # type: ignore[attr-defined]
            if one.type == AnnotationType.mask and names[one.label] != "background"
        ]
        for item in dataset
    }


def datumaro_coco(root: Path) -> Found:
    """Datumaro wants the file in a folder annotations/, under a name of its own."""
    import datumaro

    (root / "annotations").mkdir()
    (root / "annotations" / "instances_default.json").write_bytes((root / "annotations.json").read_bytes())
    return _of_datumaro(datumaro.Dataset.import_from(str(root), "coco_instances"))


def datumaro_cvat(root: Path) -> Found:
    """The XML as CVAT exports it."""
    import datumaro

    return _of_datumaro(datumaro.Dataset.import_from(str(root), "cvat"))


def datumaro_voc(root: Path) -> Found:
    """Class and object masks with labelmap.txt."""
    import datumaro

    return _of_datumaro(datumaro.Dataset.import_from(str(root), "voc_segmentation"))


def _of_supervision(dataset: object) -> Found:
    found: Found = {}
    for path, one in dataset.annotations.items():  # type: ignore[attr-defined]
        masks = one.mask if one.mask is not None else []
        names = [dataset.classes[number] for number in one.class_id]  # type: ignore[attr-defined]
        found[key(str(path))] = [(name, np.asarray(mask, bool)) for name, mask in zip(names, masks, strict=True)]
    return found


def supervision_coco(root: Path) -> Found:
    """Masks decoded from RLE."""
    import supervision

    return _of_supervision(
        supervision.DetectionDataset.from_coco(str(root), str(root / "annotations.json"), force_masks=True)
    )


def supervision_yolo(root: Path) -> Found:
    """Folder by folder: it looks into none below."""
    import supervision

    found: Found = {}
    images = root / "images/train"
    for folder in sorted({path.parent for path in images.rglob("*") if path.is_file()}):
        labels = root / "labels/train" / folder.relative_to(images)
        found |= _of_supervision(
            supervision.DetectionDataset.from_yolo(str(folder), str(labels), str(root / "data.yaml"), force_masks=True)
        )
    return found


def ultralytics_yolo(root: Path) -> Found:
    """Each line filled by Ultralytics' own function, taken out of its file: the package itself needs PyTorch."""
    import cv2
    import yaml

    names = yaml.safe_load((root / "data.yaml").read_text())["names"]
    source = Path(str(metadata.distribution("ultralytics").locate_file("ultralytics/data/utils.py"))).read_text()
    wanted = next(one for one in ast.parse(source).body if getattr(one, "name", "") == "polygon2mask")
    space: dict[str, object] = {"np": np, "cv2": cv2}
    exec(ast.unparse(wanted), space)
    fill: Callable[..., Mask] = space["polygon2mask"]  # type: ignore[assignment]
    found: Found = {}
    labels = root / "labels/train" if (root / "labels/train").is_dir() else root / "labels"
    for path in sorted(labels.rglob("*.txt")):
        name = key(f"{path.relative_to(labels).as_posix()[:-4]}.png")
        height, width = size(name)
        found[name] = []
        for line in path.read_text().splitlines():
            numbers = np.array(line.split()[1:], np.float32).reshape(-1, 2) * (width, height)
            found[name].append((names[int(line.split()[0])], fill((height, width), [numbers.ravel()]) > 0))
    return found


def labelme_loader() -> type:
    """LabelMe's own loader of files; its window toolkit and its networks need not be there."""
    for name in ("onnxruntime", "PyQt5"):
        sys.modules.setdefault(name, MagicMock())
    from labelme import LabelFile
    from loguru import logger

    logger.disable("labelme")
    found: type = LabelFile
    return found


def labelme(root: Path) -> Found:
    """Masks lie at the first of their two points."""
    load, found = labelme_loader(), {}
    for path in sorted(root.rglob("*.json")):
        file = load(str(path))
        name = key(str(path.parent / file.image_path))
        found[name] = []
        for shape in file.shapes:
            (left, top), (right, bottom) = np.array(shape["points"], int)
            mask = np.zeros(size(name), bool)
            mask[top : bottom + 1, left : right + 1] = shape["mask"]
            found[name].append((shape["label"], mask))
    return found


def label_studio(root: Path) -> Found:
    """The vendor's decoder: four bytes a pixel, of which the last is the mask."""
    from label_studio_sdk.converter.brush import decode_rle

    found: Found = {}
    for task in json.loads((root / "tasks.json").read_text()):
        name = key(_unquoted(task["data"]["image"].partition("?d=")[2]))
        found[name] = []
        for one in task["predictions"][0]["result"]:
            shape = one["original_height"], one["original_width"], 4
            found[name].append(
                (one["value"]["brushlabels"][0], decode_rle(one["value"]["rle"]).reshape(shape)[..., 3] > 0)
            )
    return found


def _unquoted(text: str) -> str:
    from urllib.parse import unquote

    return unquote(text)


def pillow_mvtec(root: Path) -> Found:
    """Pairs of test/<class> and ground_truth/<class>, as the data set's own scripts read them."""
    found: Found = {key(str(path)): [] for part in ("train/good", "test/good") for path in (root / part).glob("*")}
    for folder in (root / "ground_truth").iterdir():
        for path in folder.iterdir():
            (image,) = (root / "test" / folder.name).glob(f"{path.stem.removesuffix('_mask')}.*")
            found[key(str(image))] = [(folder.name, np.asarray(Image.open(path)) == 255)]
    return found


def pillow_voc(root: Path) -> Found:
    """Palette indices, which are class ids in the order of labelmap.txt."""
    lines = (root / "labelmap.txt").read_text().splitlines()
    names = [line.partition(":")[0] for line in lines if not line.startswith("#")]
    return {
        key(str(path.relative_to(root / "SegmentationClass"))): _by_value(np.asarray(Image.open(path)), names)
        for path in (root / "SegmentationClass").rglob("*.png")
    }


def _by_value(values: NDArray[np.uint8], names: Sequence[str]) -> Objects:
    return [(names[value], values == value) for value in np.unique(values) if value]


def pillow_manifest(root: Path) -> Found:
    """manifest.csv and its black and white masks."""
    import csv

    found: Found = {}
    with (root / "manifest.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            objects = found.setdefault(key(row["image"]), [])
            if row["mask"]:
                objects.append((row["class"], np.asarray(Image.open(root / row["mask"])) > 0))
    return found


def hugging_face(root: Path) -> Found:
    """load_dataset("imagefolder"): masks come decoded, class names from the card."""
    import datasets

    datasets.disable_progress_bars()
    cache = root.parent / "huggingface"
    dataset = datasets.load_dataset(str(root), split="train", cache_dir=str(cache))
    found: Found = {}
    lines = [json.loads(line) for line in (root / "train/metadata.jsonl").read_text().splitlines()]
    names = dataset.features["objects"]["category"].feature.names
    for line, row in zip(lines, dataset, strict=True):
        number = 1 + list(truth()).index(key(line["file_name"]))
        assert np.asarray(row["image"])[0, 0] == 20 * number, "an image is not where its line says"
        found[key(line["file_name"])] = _by_value(np.asarray(row["mask"]), names)
    return found


def web_dataset(root: Path) -> Found:
    """Samples by key; the class mask as decoded by the loader."""
    return {
        name: _by_value(np.asarray(sample["mask.png"])[..., 0], [""] + sample["json"]["classes"])
        for name, sample in _samples(root)
    }


def web_dataset_objects(root: Path) -> Found:
    """The objects in the JSON, decoded by pycocotools."""
    from pycocotools import mask as rle

    return {
        name: [(one["class"], rle.decode(one["rle"]).astype(bool)) for one in sample["json"]["instances"]]
        for name, sample in _samples(root)
    }


def _samples(root: Path) -> Iterator[tuple[str, dict[str, object]]]:
    import webdataset

    shards = [str(path) for path in sorted(root.glob("*.tar"))]
    for sample in webdataset.WebDataset(shards, shardshuffle=False).decode("rgb8"):
        yield key(f"{sample['__key__']}.png"), sample


# What others write and flawsmith reads.


def pycocotools_writes(root: Path) -> Path:
    """RLE of COCO's own encoder; what all the other tests start from."""
    from pycocotools import mask as rle

    paint(root / "images")
    images, annotations = [], []
    for number, (name, objects) in enumerate(truth().items(), 1):
        height, width = size(name)
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        for kind, mask in objects:
            packed = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": CLASSES.index(kind) + 1,
                    "segmentation": {"size": [height, width], "counts": packed["counts"].decode()},
                    "area": int(rle.area(packed)),
                    "bbox": rle.toBbox(packed).tolist(),
                    "iscrowd": 0,
                }
            )
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES, 1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "annotations.json").write_text(json.dumps(content))
    return root


def _datumaro(root: Path, found: Found) -> object:
    """The set as datumaro holds it."""
    import datumaro
    from datumaro.components.annotation import Mask as Drawn
    from datumaro.components.dataset_base import DatasetItem
    from datumaro.components.media import Image as Picture

    paint(root / "source")
    items: list[DatasetItem] = []
    numbers = itertools.count(1)
    for name, objects in found.items():
        masks = [
            Drawn(mask.astype(np.uint8), label=1 + CLASSES.index(kind), id=number, group=number)
            for number, (kind, mask) in zip(numbers, objects, strict=False)
        ]
        stem = name[: -len(PurePosixPath(name).suffix)]
        items.append(
            DatasetItem(stem, subset="train", media=Picture.from_file(str(root / "source" / name)), annotations=masks)
        )
    kinds = datumaro.LabelCategories.from_iterable(["background", *CLASSES])
    colours = datumaro.MaskCategories({number: (40 * number, 0, 90 * (number > 1)) for number in range(4)})
    about = {datumaro.AnnotationType.label: kinds, datumaro.AnnotationType.mask: colours}
    return datumaro.Dataset.from_iterable(items, categories=about)


def _export(root: Path, format: str, found: Found, **options: object) -> Path:
    _datumaro(root, found).export(str(root / "out"), format, save_media=True, **options)  # type: ignore[attr-defined]
    return root / "out"


def datumaro_coco_polygons(root: Path) -> Path:
    """Its usual way for outlines."""
    return _export(root, "coco_instances", truth(), segmentation_mode="polygons")


def datumaro_coco_masks(root: Path) -> Path:
    """Its way for masks, which makes each a region to ignore (iscrowd 1)."""
    out = _export(root, "coco_instances", truth(), segmentation_mode="mask")
    count = _not_ignored(out / "annotations/instances_train.json")
    assert count, "no longer so: say that it can be read as it is"
    return out


def _not_ignored(file: Path) -> int:
    """Sets iscrowd to 0, as flawsmith's warning advises; of how many objects."""
    content = json.loads(file.read_text())
    crowds = [one for one in content["annotations"] if one["iscrowd"]]
    for one in crowds:
        one["iscrowd"] = 0
    file.write_text(json.dumps(content))
    return len(crowds)


def datumaro_cvat_writes(root: Path) -> Path:
    """Masks of the whole image."""
    return _export(root, "cvat", truth())


def datumaro_voc_writes(root: Path) -> Path:
    """Masks in colours, which stand in labelmap.txt."""
    return _export(root, "voc_segmentation", flat(truth()), label_map="source")


def _supervision(root: Path) -> object:
    import supervision

    paint(root / "source")
    annotations = {}
    for name, objects in truth().items():
        found = supervision.Detections.empty()
        if objects:
            masks = np.array([mask for _, mask in objects])
            numbers = np.array([CLASSES.index(kind) for kind, _ in objects])
            found = supervision.Detections(
                supervision.mask_to_xyxy(masks).astype(np.float32), mask=masks, class_id=numbers
            )
        annotations[str(root / "source" / name)] = found
    return supervision.DetectionDataset(list(CLASSES), list(annotations), annotations)


def supervision_coco_writes(root: Path) -> Path:
    """Outlines through the centres of pixels for whole objects, RLE with iscrowd 1 for those with holes or parts."""
    _supervision(root).as_coco(  # type: ignore[attr-defined]
        str(root / "out/images"), str(root / "out/annotations.json"), approximation_percentage=0.0
    )
    assert _not_ignored(root / "out/annotations.json"), "no longer so: say that it can be read as it is"
    return root / "out"


def supervision_yolo_writes(root: Path) -> Path:
    """Outlines through the centres of pixels."""
    _supervision(root).as_yolo(  # type: ignore[attr-defined]
        str(root / "out/images"), str(root / "out/labels"), str(root / "out/data.yaml"), approximation_percentage=0.0
    )
    return root / "out"


def label_studio_writes(root: Path) -> Path:
    """Tasks around the vendor's encoder."""
    from label_studio_sdk.converter.brush import mask2rle

    paint(root / "out/images")
    tasks = []
    for number, (name, objects) in enumerate(truth().items(), 1):
        height, width = size(name)
        about = {"original_width": width, "original_height": height, "image_rotation": 0, "type": "brushlabels"}
        result = [
            about
            | {"id": f"r{place}", "from_name": "label", "to_name": "image"}
            | {"value": {"format": "rle", "rle": mask2rle(mask.astype(np.uint8) * 255), "brushlabels": [kind]}}
            for place, (kind, mask) in enumerate(objects)
        ]
        image = f"/data/local-files/?d=images/{name}"
        tasks.append({"id": number, "data": {"image": image}, "annotations": [{"id": number, "result": result}]})
    (root / "out/tasks.json").write_text(json.dumps(tasks))
    return root / "out"


def labelme_writes(root: Path) -> Path:
    """Files saved by LabelMe, with a mask an object."""
    from labelme.utils import img_arr_to_b64

    load = labelme_loader()
    paint(root / "out")
    for name, objects in truth().items():
        shapes = []
        for kind, mask in objects:
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            (top, bottom), (left, right) = ((int(found[0]), int(found[-1])) for found in (rows, columns))
            cut = img_arr_to_b64(mask[top : bottom + 1, left : right + 1].astype(np.uint8))
            shapes.append({"label": kind, "points": [[left, top], [right, bottom]], "shape_type": "mask", "mask": cut})
        path, (height, width) = root / "out" / name, size(name)
        load().save(str(path.with_suffix(".json")), shapes, path.name, height, width)
    return root / "out"


def pillow_mvtec_writes(root: Path) -> Path:
    """The layout by hand."""
    paint(root / "source")
    for number, (name, objects) in enumerate(product(truth()).items()):
        stem = name[: -len(PurePosixPath(name).suffix)].replace("/", "_").replace(".", "_")
        kind = objects[0][0] if objects else "good"
        part = "test" if objects or number % 2 else "train"
        image = root / "out" / part / kind / f"{number:03}_{stem}{PurePosixPath(name).suffix}"
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes((root / "source" / name).read_bytes())
        for _, mask in objects:
            path = root / "out/ground_truth" / kind / f"{image.stem}_mask.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask.astype(np.uint8) * 255).save(path)
    return root / "out"


def by_flawsmith(root: Path, joined: bool) -> Found:
    """The objects, or a mask a class where a file holds no more."""
    found = {
        key(record.name): [
            (kind, patch.full(*size(key(record.name)))) for kind, patch in instances(record, *size(key(record.name)))
        ]
        for record in read(root).records
    }
    return classes(found) if joined else found


# Comparing


def iou(one: Mask, other: Mask) -> float:
    """Intersection over union."""
    if one.shape != other.shape:
        return 0.0
    return float((one & other).sum() / max((one | other).sum(), 1))


def compare(format: str, library: str, wanted: Found, found: Found, least: float = 1, note: str = "") -> Result:
    """The best match of each object; in YOLO all lines that lie in it for the most part count as one."""
    pieces = format == "yolo"
    scores: list[tuple[float, int]] = []
    for name, objects in wanted.items():
        for kind, mask in objects:
            same = [other for one, other in found.get(name, []) if one == kind]
            within = [other for other in same if pieces and (other & mask).sum() > 0.5 * other.sum()]
            same += [np.any(within, axis=0)] if within else []
            scores.append((max((iou(mask, other) for other in same), default=0.0), int(mask.sum())))
    if pieces:
        extra = sum(_astray(found.get(name, []), objects) for name, objects in wanted.items())
    else:
        extra = sum(max(len(found.get(name, [])) - len(objects), 0) for name, objects in wanted.items())
    extra += sum(len(objects) for name, objects in found.items() if name not in wanted)
    images = f"{len(found.keys() & wanted.keys())} of {len(wanted)}"
    return Result(format, library, images, tuple(scores), extra, least, note)


def _astray(found: Objects, wanted: Objects) -> int:
    """How many lie for the most part in no object of their class, though they have pixels."""
    homes = [np.any([mask for one, mask in wanted if one == kind] or [other & False], axis=0) for kind, other in found]
    return sum(int((other & home).sum() < 0.5 * other.sum()) for (_, other), home in zip(found, homes, strict=True))


def grown(found: Found) -> str:
    """What supervision makes of outlines, measured."""
    wide = {name: [(kind, _wider(mask)) for kind, mask in objects] for name, objects in truth().items()}
    beyond = sum(
        int((mask & ~np.any([other for one, other in wide[name] if one == kind], axis=0)).sum())
        for name, objects in found.items()
        for kind, mask in objects
    )
    return (
        "supervision rounds coordinates and fills the edge too, Ultralytics cuts them off: objects grow by one pixel "
        f"to the right and below ({beyond} pixels further out). An outline that suits both would have its right edge "
        "before the middle of the last pixel, and the middle outside"
    )


def _wider(mask: Mask) -> Mask:
    """The mask and its neighbours to the right, below, and between."""
    wide = mask.copy()
    wide[1:] |= mask[:-1]
    wide[:, 1:] |= wide[:, :-1].copy()
    return wide


def plain(_: Found) -> str:
    """Nothing needs to be said."""
    return ""


@dataclass(frozen=True)
class Reader:
    """A library that reads what flawsmith writes; `kept` is what the format has room for."""

    format: str
    library: str
    read: Callable[[Path], Found]
    kept: Callable[[Found], Found] = dict
    least: float = 1
    note: Callable[[Found], str] = plain


@dataclass(frozen=True)
class Writer:
    """A library that writes what flawsmith reads; where it loses something itself, `other` reads the same file."""

    format: str
    library: str
    write: Callable[[Path], Path]
    kept: Callable[[Found], Found] = dict
    other: Callable[[Path], Found] | None = None
    note: str = ""


def _joined(found: Found) -> Found:
    return classes(flat(found))


READERS = (
    Reader("coco", "pycocotools", by_pycocotools),
    Reader("coco", "datumaro", datumaro_coco),
    Reader("coco", "supervision", supervision_coco),
    Reader("cvat", "datumaro", datumaro_cvat),
    Reader("labelme", "labelme", labelme),
    Reader("labelstudio", "label-studio-sdk", label_studio),
    Reader("yolo", "ultralytics", ultralytics_yolo, least=YOLO),
    Reader("yolo", "supervision", supervision_yolo, least=0, note=grown),
    Reader("mvtec", "pillow", pillow_mvtec, product),
    Reader("png", "pillow", pillow_voc, _joined),
    Reader("png", "datumaro", datumaro_voc, flat),
    Reader("imagefolder", "datasets", hugging_face, _joined),
    Reader("webdataset", "webdataset", web_dataset, _joined),
    Reader("webdataset", "webdataset, pycocotools", web_dataset_objects),
    Reader("manifest", "pillow", pillow_manifest, classes),
)
CENTRES = "Its outlines run through the middles of the outermost pixels, half a pixel short of the object on each side"
CROWD = "iscrowd was set to 0 before, as flawsmith advises: the library marks these masks as regions to ignore. "
WRITERS = (
    Writer("coco", "pycocotools", pycocotools_writes),
    Writer("coco", "datumaro, masks", datumaro_coco_masks, note=CROWD),
    Writer(
        "coco", "datumaro, polygons", datumaro_coco_polygons, other=by_pycocotools, note=f"{CENTRES}; holes are filled"
    ),
    Writer("coco", "supervision", supervision_coco_writes, other=by_pycocotools, note=f"{CROWD}{CENTRES}"),
    Writer("cvat", "datumaro", datumaro_cvat_writes),
    Writer("labelme", "labelme", labelme_writes),
    Writer("labelstudio", "label-studio-sdk", label_studio_writes),
    Writer(
        "yolo", "supervision", supervision_yolo_writes, other=ultralytics_yolo, note=f"{CENTRES}; holes are objects"
    ),
    Writer("mvtec", "pillow", pillow_mvtec_writes, product),
    Writer("png", "datumaro", datumaro_voc_writes, flat),
)


def read_by_others(work: Path) -> Iterator[Result]:
    """flawsmith writes."""
    source = work / "source"
    source.mkdir(parents=True)
    pycocotools_writes(source)
    for number, one in enumerate(READERS):
        output = work / f"{number}-{one.format}"
        list(convert(source, output, one.format))
        found = one.read(output)
        yield compare(one.format, one.library, one.kept(truth()), found, one.least, one.note(found))


def read_by_us(work: Path) -> Iterator[Result]:
    """flawsmith reads; of what the library lost in writing as much as another reader gets, or more."""
    for number, one in enumerate(WRITERS):
        root = work / f"{number}-{one.format}"
        root.mkdir(parents=True)
        output = one.write(root)
        wanted, found = one.kept(truth()), by_flawsmith(output, joined=one.format == "mvtec")
        result = compare(one.format, one.library, wanted, found, note=one.note)
        if one.other is not None:
            other = compare(one.format, one.library, wanted, one.other(output))
            name = OTHERS[one.other]
            said = f"{one.note}: mean {result.mean:.3f}; {name} reads the same file with {other.exact} exact, worst "
            result = replace(result, least=0, note=f"{said}{other.worst}, mean {other.mean:.3f}")
            assert result.mean > other.mean - LEEWAY[one.format], result
        yield result


OTHERS: dict[object, str] = {by_pycocotools: "pycocotools", ultralytics_yolo: "Ultralytics"}
LEEWAY = {"coco": 0.01, "yolo": 0.1}  # of the mean; Ultralytics fills the edge of an outline too


def table(results: Iterable[Result]) -> str:
    """The rows in Markdown."""
    lines = [HEADER, tuple("---" for _ in HEADER), *(result.cells() for result in results)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def document(theirs: Sequence[Result], ours: Sequence[Result]) -> str:
    """docs/interop.md."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)
    return TEXT.format(
        versions=versions,
        theirs=table(theirs),
        ours=table(ours),
        images=len(truth()),
        objects=sum(map(len, truth().values())),
    )


HEADER = ("format", "library", "images", "objects", "exact", "worst IoU", "note")
TEXT = """# What other libraries make of it

Written by tests/interop.py; do not edit. `make interop` measures again, in an environment of its own.

{images} images with {objects} objects: with holes, of several parts, of single pixels and lines one pixel wide, at the
border, as large as the image, touching at corners, one over another; three classes, three good images, names with
folders, dots, spaces and umlauts. *exact* counts the objects that are the same to the pixel; *worst IoU* is the least
intersection over union of an object with what was read.

Where a format has no room for objects, they are class masks: of pixels that several objects have, the last one's
(`png`, `imagefolder`, `webdataset`), one mask an image (`mvtec`), one a class (`manifest`).

## flawsmith writes, others read

{theirs}

## Others write, flawsmith reads

{ours}

## With

{versions}.

Of LabelMe its loader of files, of Ultralytics the function that fills outlines (`polygon2mask`), of Label Studio's SDK
its codec of brush masks. Not in the tables: YOLO by datumaro, which reads and writes boxes alone; datumaro's "LabelMe",
which is another format, the XML of LabelMe's web version; readers that need PyTorch.
"""


def main() -> None:
    """Prints both tables and writes them down; exit code 1 where something is lost."""
    logging.disable(logging.WARNING)
    with TemporaryDirectory() as folder:
        theirs = list(read_by_others(Path(folder) / "theirs"))
        ours = list(read_by_us(Path(folder) / "ours"))
    print(table([*theirs, *ours]))
    wrong = [result for result in (*theirs, *ours) if not result.right]
    for result in wrong:
        print("LOST:", *result.cells())
    (DOCS / "interop.md").write_text(document(theirs, ours), encoding="utf-8")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
