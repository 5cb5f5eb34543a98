"""Small sound data sets in every format that is read: fuzz.py damages them, test_hostile.py makes them evil.

All show the same two parts of 61×47 px: part_001 with a scratch, a polygon, and a pit, a mask with a hole; part_002 is
good.
"""

from __future__ import annotations

import base64
import csv
import json
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as rle

from flawsmith.data.formats.brush import encode
from flawsmith.data.formats.reading import Reading, Source

HEIGHT, WIDTH = 47, 61
CORNERS = [[5.5, 6.0], [20.25, 8.0], [18.0, 15.5], [7.0, 14.0]]
LEFT, TOP = 10, 20  # of the pit
FOLDERS = ("images", "labelbox_masks")  # options of Reading that are paths
IMAGES = ("part_001.png", "part_002.png")


@dataclass(frozen=True)
class Seed:
    """One data set: its files by their path, those among them that say what is labelled, and how it is read."""

    name: str
    files: Mapping[str, bytes]
    labels: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)  # of Reading
    packed: str = ""  # ending of the archive that holds all files; "": none

    def write(self, folder: Path, files: Iterable[tuple[str, bytes]] | None = None) -> Source:
        """Writes the files, or others in their place, into a new folder: what to give to check() and read()."""
        folder.mkdir(parents=True)
        found = list(self.files.items() if files is None else files)
        if not self.packed:
            for name, content in found:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)
            return source(folder, self.options)
        archive = folder / f"parts{self.packed}"
        archive.write_bytes(pack(found, self.packed))
        return Source(archive, source(folder, self.options).reading)


def source(folder: Path, options: Mapping[str, Any]) -> Source:
    """The folder with options of reading, of which paths are below it."""
    return Source(folder, Reading(**{key: folder / one if key in FOLDERS else one for key, one in options.items()}))


def pack(files: Iterable[tuple[str, bytes]], ending: str) -> bytes:
    """An archive of the files, the names as they are."""
    buffer = BytesIO()
    if ending == ".zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
            for name, content in files:
                zipped.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        return buffer.getvalue()
    with tarfile.open(fileobj=buffer, mode="w:gz" if ending == ".tar.gz" else "w") as tarred:
        for name, content in files:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tarred.addfile(header, BytesIO(content))
    return buffer.getvalue()


def png(values: np.ndarray, palette: bool = False) -> bytes:
    """The pixels as a PNG; with a palette as VOC has one, where asked for."""
    image, buffer = Image.fromarray(values), BytesIO()
    if palette:
        image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [0] * 759)
    image.save(buffer, "PNG")
    return buffer.getvalue()


def photo(number: int) -> bytes:
    """A part, another one for each number."""
    return png(np.random.default_rng(number).integers(90, 150, (HEIGHT, WIDTH), dtype=np.uint8))


def pit() -> np.ndarray:
    """The mask (H, W) bool of the pit: two parts, one of them with a hole."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[TOP : TOP + 12, LEFT : LEFT + 16] = True
    mask[TOP + 4 : TOP + 8, LEFT + 4 : LEFT + 9] = False
    mask[TOP + 15 : TOP + 20, LEFT + 25 : LEFT + 40] = True
    return mask


def runs(flat: np.ndarray) -> list[int]:
    """Lengths of runs of zeros and ones in turn."""
    turns = np.flatnonzero(np.diff(flat)) + 1
    found = np.diff(np.concatenate([[0], turns, [flat.size]])).tolist()
    return [0, *found] if flat[0] else found


def parts(folder: str = "") -> dict[str, bytes]:
    """The two images."""
    return {f"{folder}{name}": photo(number) for number, name in enumerate(IMAGES)}


def text(content: Any) -> bytes:
    """JSON."""
    return json.dumps(content, indent=1).encode()


def coco() -> dict[str, Any]:
    """All that annotations may have."""
    mask, flat = pit(), [value for corner in CORNERS for value in corner]
    packed = rle.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    one = {"image_id": 1, "iscrowd": 0}
    return {
        "info": {},
        "images": [
            {"id": 1, "file_name": "part_001.png", "width": WIDTH, "height": HEIGHT},
            {"id": 2, "file_name": "part_002.png", "width": WIDTH, "height": HEIGHT, "group": "b"},
        ],
        "categories": [{"id": 1, "name": "scratch"}, {"id": 2, "name": "pit"}],
        "annotations": [
            {"id": 1, **one, "category_id": 1, "segmentation": [flat], "bbox": [5.5, 6, 14.75, 9.5], "area": 100.4},
            {"id": 2, **one, "category_id": 2, "segmentation": {"size": [HEIGHT, WIDTH], "counts": packed}},
            {
                "id": 3,
                **one,
                "category_id": 1,
                "segmentation": {"size": [HEIGHT, WIDTH], "counts": runs(mask.T.ravel())},
            },
            {"id": 4, **one, "category_id": 2, "segmentation": [], "bbox": [30, 2, 12.5, 8]},
        ],
    }


def cvat_images() -> str:
    """CVAT for images: each kind of object."""
    points = ";".join(f"{x:.2f},{y:.2f}" for x, y in CORNERS)
    box = pit()[TOP : TOP + 20, LEFT : LEFT + 40]
    counts = ", ".join(map(str, runs(box.ravel())))
    return f"""<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><id>4</id><name>parts</name><mode>annotation</mode></task></meta>
 <image id="0" name="part_001.png" width="{WIDTH}" height="{HEIGHT}">
  <polygon label="scratch" occluded="0" points="{points}" z_order="0"><attribute name="severity">3</attribute></polygon>
  <mask label="pit" rle="{counts}" left="{LEFT}" top="{TOP}" width="40" height="20" z_order="1"></mask>
  <ellipse label="pit" cx="15.00" cy="38.00" rx="8.00" ry="4.00" rotation="28.65"></ellipse>
  <box label="pit" xtl="31.00" ytl="2.00" xbr="48.00" ybr="9.00" rotation="30.00"></box>
  <polyline label="scratch" points="30.00,12.00;50.00,14.50"></polyline>
 </image>
 <image id="1" name="part_002.png" width="{WIDTH}" height="{HEIGHT}"><tag label="good" source="manual"></tag></image>
</annotations>
"""


def cvat_video() -> str:
    """CVAT for video: a track through two frames."""
    points = ";".join(f"{x},{y}" for x, y in CORNERS)
    return f"""<?xml version="1.0" encoding="utf-8"?>
<annotations><meta><task><mode>interpolation</mode><start_frame>0</start_frame><stop_frame>1</stop_frame>
 <original_size><width>{WIDTH}</width><height>{HEIGHT}</height></original_size></task></meta>
 <track id="0" label="scratch">
  <polygon frame="0" keyframe="1" outside="0" occluded="0" points="{points}" z_order="0"></polygon>
  <polygon frame="1" keyframe="1" outside="1" occluded="0" points="{points}" z_order="0"></polygon>
 </track>
 <track id="1" label="pit"><box frame="1" outside="0" xtl="1" ytl="2" xbr="8" ybr="9"></box></track>
</annotations>
"""


def labelbox() -> list[dict[str, Any]]:
    """Rows of Labelbox's export v2."""
    ring = [{"x": x, "y": y} for x, y in [*CORNERS, CORNERS[0]]]
    box = {"top": 2.0, "left": 30.0, "height": 8.0, "width": 12.5}
    objects: list[dict[str, Any]] = [
        {"feature_id": "f1", "name": "scratch", "annotation_kind": "ImagePolygon", "polygon": ring},
        {"feature_id": "f2", "name": "pit", "annotation_kind": "ImageSegmentationMask", "mask": {"url": "https://x/m"}},
        {
            "feature_id": "f3",
            "name": "scratch",
            "annotation_kind": "ImageSegmentationMask",
            "composite_mask": {"url": "https://x/tasks/t/masks/m1/index/1", "color_rgb": [123, 103, 152]},
        },
        {"feature_id": "f4", "name": "pit", "annotation_kind": "ImageBoundingBox", "bounding_box": box},
    ]
    return [_labelbox_row("part_001.png", objects), _labelbox_row("part_002.png", [])]


def _labelbox_row(name: str, objects: list[dict[str, Any]]) -> dict[str, Any]:
    details = {"updated_at": "2026-01-02T03:04:05.678+00:00"}
    label = {"label_kind": "Default", "id": f"l-{name}", "label_details": details, "annotations": {"objects": objects}}
    return {
        "data_row": {"id": f"d-{name}", "global_key": name, "external_id": name, "row_data": f"https://x/{name}?s=1"},
        "media_attributes": {"height": HEIGHT, "width": WIDTH, "mime_type": "image/png"},
        "projects": {"p1": {"name": "Parts", "labels": [label]}},
    }


def _composite() -> bytes:
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[3:9, 40:50] = 123, 103, 152
    picture[30:40, 1:9] = 1, 2, 3
    return png(picture)


def lines(rows: Iterable[Any]) -> bytes:
    """NDJSON."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _via_regions() -> list[dict[str, Any]]:
    x, y = ([round(corner[axis]) for corner in CORNERS] for axis in (0, 1))
    shapes: list[tuple[str, dict[str, Any]]] = [
        ("scratch", {"name": "polygon", "all_points_x": x, "all_points_y": y}),
        ("pit", {"name": "ellipse", "cx": 15, "cy": 38, "rx": 8.5, "ry": 4, "theta": 0.5}),
        ("pit", {"name": "rect", "x": 31, "y": 2, "width": 12, "height": 8}),
        ("pit", {"name": "circle", "cx": 40, "cy": 30, "r": 5}),
        ("scratch", {"name": "polyline", "all_points_x": [30, 50], "all_points_y": [12, 14]}),
    ]
    return [{"shape_attributes": shape, "region_attributes": {"defect": name}} for name, shape in shapes]


def via_two() -> dict[str, Any]:
    """The JSON that VIA 2 exports."""
    sizes = [len(content) for content in parts().values()]
    return {
        f"{name}{size}": {"filename": name, "size": size, "regions": regions, "file_attributes": {}}
        for name, size, regions in zip(IMAGES, sizes, (_via_regions(), []), strict=True)
    }


def via_one() -> dict[str, Any]:
    """That of VIA 1: regions are an object."""
    found = via_two()
    for entry in found.values():
        entry["regions"] = {str(number): region for number, region in enumerate(entry["regions"])}
        entry["fileref"], entry["base64_img_data"] = "", ""
    return found


def via_project() -> dict[str, Any]:
    """A project of VIA 2."""
    found = via_two()
    return {
        "_via_settings": {"ui": {}, "core": {}, "project": {"name": "parts"}},
        "_via_img_metadata": found,
        "_via_attributes": {"region": {"defect": {"type": "text"}}, "file": {}},
        "_via_data_format_version": "2.0.10",
        "_via_image_id_list": list(found),
    }


def via_csv() -> bytes:
    """The CSV that VIA 2 exports, whose file names are not quoted."""
    rows = ["filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"]
    for entry in via_two().values():
        regions = entry["regions"] or [{"shape_attributes": {}, "region_attributes": {}}]
        for number, region in enumerate(regions):
            cells = ('"' + json.dumps(region[key]).replace('"', '""') + '"' for key in region)
            head = f'{entry["filename"]},{entry["size"]},"{{}}",{len(entry["regions"])},{number}'
            rows.append(f"{head},{','.join(cells)}")
    return "\n".join(rows).encode()


def labelme(
    name: str, shapes: list[dict[str, Any]], data: bytes | None = None, size: tuple[int, ...] = (HEIGHT, WIDTH)
) -> bytes:
    """One file of LabelMe."""
    head = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": name}
    held = None if data is None else base64.b64encode(data).decode()
    return text(head | {"imageData": held, "imageHeight": size[0], "imageWidth": size[1]})


def labelme_shapes() -> list[dict[str, Any]]:
    """Each kind of shape."""
    box = pit()[TOP : TOP + 20, LEFT : LEFT + 40]
    mask = base64.b64encode(png(box.astype(np.uint8))).decode()
    shapes: list[tuple[str, str, Any, Any]] = [
        ("scratch", "polygon", CORNERS, 1),
        ("scratch", "rectangle", [[30, 2], [42.5, 10]], 1),
        ("pit", "circle", [[15, 38], [18, 40]], None),
        ("scratch", "linestrip", [[30, 12], [50, 14.5]], None),
        ("pit", "mask", [[LEFT, TOP], [LEFT + 39, TOP + 19]], None),
    ]
    common = {"flags": {}, "description": ""}
    return [
        {"label": label, "points": points, "group_id": group, "shape_type": kind, "mask": None, **common}
        | ({"mask": mask} if kind == "mask" else {})
        for label, kind, points, group in shapes
    ]


def labelstudio() -> list[dict[str, Any]]:
    """Tasks of Label Studio: each kind of region."""
    scale = np.array([WIDTH, HEIGHT]) / 100
    regions: list[tuple[str, str, dict[str, Any]]] = [
        ("polygon", "scratch", {"points": (np.array(CORNERS) / scale).round(3).tolist(), "closed": True}),
        ("rectangle", "pit", {"x": 50.0, "y": 4.0, "width": 20.0, "height": 17.0, "rotation": 5}),
        ("ellipse", "pit", {"x": 25.0, "y": 80.0, "radiusX": 13.0, "radiusY": 8.5, "rotation": 28}),
        ("brush", "pit", {"format": "rle", "rle": list(encode(pit()))}),
    ]
    results = [
        {
            "id": f"r{number}",
            "type": f"{kind}labels",
            "from_name": "label",
            "to_name": "image",
            "original_width": WIDTH,
            "original_height": HEIGHT,
            "image_rotation": 0,
            "value": value | {f"{kind}labels": [label]},
        }
        for number, (kind, label, value) in enumerate(regions)
    ]
    return [
        {
            "id": number,
            "data": {"image": f"/data/upload/1/ab12cd34-{name}"},
            "annotations": [
                {"id": 9 + number, "was_cancelled": False, "updated_at": "2026-01-02T03:04:05Z", "result": own}
            ],
        }
        for number, (name, own) in enumerate(zip(IMAGES, (results, []), strict=True), 1)
    ]


def _yolo() -> dict[str, bytes]:
    ring = " ".join(f"{value:.6f}" for value in (np.array(CORNERS) / (WIDTH, HEIGHT)).ravel())
    return {
        "data.yaml": b"path: .\ntrain: images/train\nval: images/train\nnames:\n  0: scratch\n  1: pit\n",
        "labels/train/part_001.txt": f"0 {ring}\n1 0.5 0.5 0.25 0.25\n".encode(),
        "labels/train/part_002.txt": b"",
        **parts("images/train/"),
    }


def _class_png() -> dict[str, bytes]:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[5:15, 5:20], mask[pit()] = 1, 2
    objects = np.where(mask == 1, 1, 0).astype(np.uint8)
    objects[pit()] = 2
    empty = np.zeros_like(mask)
    return {
        "labelmap.txt": b"# label:color_rgb:parts:actions\nbackground:0,0,0::\nscratch:128,0,0::\npit:0,128,0::\n",
        "ImageSets/Segmentation/default.txt": b"part_001\npart_002\n",
        **parts("JPEGImages/"),
        "SegmentationClass/part_001.png": png(mask, palette=True),
        "SegmentationClass/part_002.png": png(empty, palette=True),
        "SegmentationObject/part_001.png": png(objects, palette=True),
    }


def _shard() -> bytes:
    counts = rle.encode(np.asfortranarray(pit().astype(np.uint8)))["counts"].decode()
    one = {"class": "pit", "class_id": 1, "rle": {"size": [HEIGHT, WIDTH], "counts": counts}}
    about = {"classes": ["pit"], "height": HEIGHT, "width": WIDTH, "group": "a", "flawsmith_id": None}
    found = [("part_001.png", photo(0)), ("part_001.json", text(about | {"instances": [one]}))]
    found += [("part_002.png", photo(1)), ("part_002.json", text(about | {"instances": []}))]
    return pack(found, ".tar")


def table(rows: Iterable[Iterable[Any]]) -> bytes:
    """CSV."""
    content = StringIO()
    csv.writer(content, lineterminator="\n").writerows(rows)
    return content.getvalue().encode()


def _mvtec() -> dict[str, bytes]:
    return {
        "train/good/000.png": photo(1),
        "test/good/000.png": photo(2),
        "test/pit/000.png": photo(0),
        "ground_truth/pit/000_mask.png": png(pit() * np.uint8(255)),
    }


def _pairs() -> dict[str, bytes]:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[5:15, 5:20], mask[pit()] = 1, 2
    return {"classes.json": text({"1": "scratch", "2": "pit"}), "masks/part_001.png": png(mask), **parts("images/")}


def _manifest() -> dict[str, bytes]:
    rows = [
        ("image", "mask", "class", "group", "roi"),
        ("images/part_001.png", "masks/part_001.png", "pit", "a", "masks/roi.png"),
        ("images/part_002.png", "", "good", "b", ""),
    ]
    roi = png(np.full((HEIGHT, WIDTH), 255, np.uint8))
    masks = {"masks/part_001.png": png(pit()), "masks/roi.png": roi}
    return {"manifest.csv": table(rows), **masks, **parts("images/")}


@cache
def seeds() -> dict[str, Seed]:
    """All of them by name."""
    coco_files = {"annotations.json": text(coco()), **parts("images/")}
    cvat_files = {"annotations.xml": cvat_images().encode(), **parts("images/")}
    origins = table([("image", "group", "origin"), ("part_001.png", "a", "fs-1"), ("part_002.png", "b", "")])
    frames = {f"frame_{number:06}.png": photo(number) for number in (0, 1)}
    masks = {"m/f2.png": png(pit() * np.uint8(255)), "m/m1.png": _composite()}
    files = {
        "part_001.json": labelme("part_001.png", labelme_shapes()),
        "part_002.json": labelme("part_002.png", []),
        "part_003.json": labelme("part_003.png", [], photo(3)),
    }
    line, boxes = {"line_width": 3.0}, {"labelbox_masks": "m"}
    found = [
        Seed("coco", coco_files, ("annotations.json",)),
        Seed("cvat", cvat_files, ("annotations.xml",), line),
        Seed("cvat-video", {"annotations.xml": cvat_video().encode(), **frames}, ("annotations.xml",)),
        Seed("labelbox", {"export.ndjson": lines(labelbox()), **masks, **parts()}, ("export.ndjson",), boxes),
        Seed("labelbox-array", {"export.json": text(labelbox()), **masks, **parts()}, ("export.json",), boxes),
        Seed("via1", {"via.json": text(via_one()), **parts()}, ("via.json",), line),
        Seed("via2", {"via.json": text(via_two()), **parts("images/")}, ("via.json",), line),
        Seed("via-project", {"via.json": text(via_project()), **parts()}, ("via.json",), line),
        Seed("via-csv", {"via.csv": via_csv(), **parts()}, ("via.csv",), line),
        Seed("labelme", files | parts(), tuple(files), line),
        Seed("labelstudio", {"tasks.json": text(labelstudio()), **parts("images/")}, ("tasks.json",)),
        Seed("yolo", _yolo(), ("data.yaml", "labels/train/part_001.txt", "labels/train/part_002.txt")),
        Seed("png", _class_png(), tuple(name for name in _class_png() if not name.startswith("JPEG"))),
        Seed("webdataset", {"images-000000.tar": _shard()}, ("images-000000.tar",)),
        Seed("mvtec", _mvtec(), ("ground_truth/pit/000_mask.png", "test/pit/000.png")),
        Seed("manifest", _manifest(), ("manifest.csv", "masks/part_001.png", "masks/roi.png")),
        Seed("pairs", _pairs(), ("classes.json", "masks/part_001.png", "images/part_001.png")),
        Seed("origins", coco_files | {"flawsmith.csv": origins}, ("flawsmith.csv",)),
        Seed("zip", coco_files, ("annotations.json",), packed=".zip"),
        Seed("tar", _yolo(), ("labels/train/part_001.txt",), packed=".tar"),
        Seed("tar.gz", cvat_files, ("annotations.xml",), line, packed=".tar.gz"),
    ]
    return {seed.name: seed for seed in found}
