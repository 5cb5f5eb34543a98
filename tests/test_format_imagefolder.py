"""ImageFolder of Hugging Face: a line an image, masks of class ids, and a card whose names are the masks' values."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from flawsmith.data.formats.imagefolder import ImageFolderWriter
from flawsmith.data.formats.picture import Instance, Picture
from flawsmith.data.geometry.patch import Patch

SIZE = 9, 14  # H, W
CLASSES = ("pit", 'scr: "ä"')


def picture(
    root: Path, name: str, masks: list[tuple[str, np.ndarray]], group: str = "", origin: str | None = None
) -> Picture:
    """A picture whose image file is its own."""
    source = root / "source" / name
    source.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*SIZE, 3), len(name), np.uint8)).save(source)
    instances = tuple(Instance(defect, Patch.of(mask)) for defect, mask in masks)
    return Picture(name, source, *SIZE, instances, group, origin)


def blob(*box: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[box[0] : box[1], box[2] : box[3]] = True
    return mask


def test_what_is_written(tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    writer = ImageFolderWriter(output, CLASSES)
    masks = [(CLASSES[1], blob(1, 4, 2, 9)), ("pit", blob(3, 6, 4, 7))]
    one = picture(tmp_path, "masks/a.jpg", masks, "g1", "id7")
    assert writer.add(one) == [18 / 21, 1.0]
    assert writer.add(picture(tmp_path, "masks_a.png", [])) == []
    writer.close()
    assert writer.images == {"masks/a.jpg": "train/masks_a.jpg", "masks_a.png": "train/masks_a_2.png"}
    lines = [json.loads(line) for line in (output / "train/metadata.jsonl").read_text().splitlines()]
    assert lines == [
        {
            "file_name": "masks_a.jpg",
            "mask_file_name": "masks/masks_a.png",
            "objects": {"bbox": [[2, 1, 7, 3], [4, 3, 3, 3]], "category": [2, 1], "area": [21, 9]},
            "label": 'scr: "ä", pit',
            "group": "g1",
            "flawsmith_id": "id7",
        },
        {
            "file_name": "masks_a_2.png",
            "mask_file_name": "masks/masks_a_2.png",
            "objects": {"bbox": [], "category": [], "area": []},
            "label": "good",
            "group": None,
            "flawsmith_id": None,
        },
    ]
    assert (output / "train/masks_a.jpg").read_bytes() == one.source.read_bytes()
    want = np.zeros(SIZE, int)
    want[masks[0][1]], want[masks[1][1]] = 2, 1
    with Image.open(output / "train/masks/masks_a.png") as mask:
        assert mask.mode == "L" and (np.asarray(mask) == want).all()
    assert {path.relative_to(output).as_posix() for path in output.rglob("*.*")} == {
        "README.md",
        "train/metadata.jsonl",
        *(f"train/{line['file_name']}" for line in lines),
        *(f"train/{line['mask_file_name']}" for line in lines),
    }


def test_the_card_names_the_values_of_the_masks(tmp_path: Path) -> None:
    writer = ImageFolderWriter(tmp_path, CLASSES)
    writer.close()
    _, header, text = (tmp_path / "README.md").read_text().split("---\n")
    names = dict(line.strip().split(": ", 1) for line in header.splitlines() if line.strip().startswith("'"))
    assert {int(key.strip("'")): json.loads(name) for key, name in names.items()} == dict(
        enumerate(("background", *CLASSES))
    )
    columns = [line.removeprefix("  - name: ") for line in header.splitlines() if line.startswith("  - name: ")]
    assert columns == ["image", "mask", "objects", "label", "group", "flawsmith_id"]
    assert "path: train/**" in header and "1 pit" in text


def test_the_same_pictures_give_the_same_bytes(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        output = tmp_path / name
        output.mkdir()
        writer = ImageFolderWriter(output, CLASSES)
        writer.add(picture(tmp_path, "a.png", [("pit", blob(0, 3, 0, 3))]))
        writer.close()
        found.append({path.relative_to(output): path.read_bytes() for path in output.rglob("*.*")})
    assert found[0] == found[1]


def test_many_classes_need_16_bits(tmp_path: Path) -> None:
    classes = [f"c{number}" for number in range(300)]
    writer = ImageFolderWriter(tmp_path / "out", classes)
    writer.add(picture(tmp_path, "a.png", [("c299", blob(0, 3, 0, 3))]))
    with Image.open(tmp_path / "out/train/masks/a.png") as mask:
        assert np.asarray(mask).max() == 300
