import json

import numpy as np
import pytest
from pycocotools import mask as rle
from pycocotools.coco import COCO

from flawsmith.data.formats.coco import CocoImage, document, encode


def ring() -> np.ndarray:
    y, x = np.ogrid[:47, :61]
    far = (y - 20) ** 2 + (x - 30) ** 2
    return (far < 200) & (far > 60)


def test_a_mask_with_a_hole_survives_to_the_pixel() -> None:
    entry = encode("pit", ring())
    assert np.array_equal(rle.decode(entry["segmentation"]).astype(bool), ring())
    assert entry["area"] == ring().sum()


def test_the_box_is_the_tightest_one() -> None:
    left, top, width, height = encode("pit", ring())["bbox"]
    outside = ring()
    outside[top : top + height, left : left + width] = False
    assert not outside.any() and ring()[top].any() and ring()[:, left + width - 1].any()


def test_the_reference_library_reads_the_file(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    images = [
        CocoImage("b.png", 61, 47, (encode("pit", ring()), encode("dent", ~ring()))),
        CocoImage("a.png", 61, 47, ()),
    ]
    (tmp_path / "a.json").write_text(json.dumps(document(images, ("dent", "pit"))))
    coco = COCO(tmp_path / "a.json")
    assert [image["file_name"] for image in coco.loadImgs(coco.getImgIds())] == ["a.png", "b.png"]
    pit = coco.loadAnns(coco.getAnnIds(catIds=coco.getCatIds(catNms=["pit"])))
    assert len(pit) == 1 and pit[0]["image_id"] == 2 and pit[0]["iscrowd"] == 0
    assert np.array_equal(coco.annToMask(pit[0]).astype(bool), ring())
