"""Objects of a model that tells them apart, through everything that predict writes: touching ones stay two."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle
from videos import write_video

from flawsmith.data.image import read_image, read_mask
from flawsmith.data.read import read
from flawsmith.data.sample import instances
from flawsmith.segment.models.joined import find_by_tiles
from flawsmith.segment.models.objects import Object, drawn
from flawsmith.segment.places import Sources
from flawsmith.segment.predict import PredictConfig, predict
from flawsmith.segment.tiles import Tiling

TOP, LEFT, SIDE = 60, 150, 20  # px: two squares side by side, in an image of two tiles
WIDTH = 300


class Two:
    """Knows two pits by their greys, however close they lie; hardly sure of its pixels, and of a third not at all."""

    classes, channels = ("dent", "pit"), 1

    def find(self, image: np.ndarray, tiling: Tiling | None = None) -> tuple[Object, ...]:
        return find_by_tiles(self._find, image, tiling or Tiling())

    def _find(self, image: np.ndarray) -> tuple[Object, ...]:
        found = []
        for grey, score in ((250, 0.9), (200, 0.6), (150, 0.2)):
            rows, columns = np.nonzero(abs(image[..., 0].astype(int) - grey) < 20)
            if rows.size:
                ends = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
                top, left, bottom, right = map(int, ends)
                found.append(Object(1, score, top, left, np.full((bottom - top, right - left), 0.7, np.float32)))
        return tuple(found)

    def predict(self, image: np.ndarray) -> np.ndarray:
        return drawn(self.find(image), 2, *image.shape[:2])


@pytest.fixture
def image(tmp_path: Path) -> Path:
    values = np.full((100, WIDTH), 50, np.uint8)
    for number, grey in enumerate((250, 200)):
        values[TOP : TOP + SIDE, LEFT + number * SIDE : LEFT + (number + 1) * SIDE] = grey
    values[10:15, 10:15] = 150
    Image.fromarray(values).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def run(place: Path, output: Path, **options: Any) -> Path:
    for _ in predict(Two(), Sources.of([place]), output, PredictConfig(**options)):
        pass
    return output


def lines(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "predictions.jsonl").read_text().splitlines()]


BOXES = [[LEFT, TOP, SIDE, SIDE], [LEFT + SIDE, TOP, SIDE, SIDE]]


@pytest.mark.parametrize("tile", [Tiling(), Tiling(size=160, margin=24, ramp=16)])
def test_two_that_touch_are_two_lines_also_across_a_seam_of_tiles(image: Path, tmp_path: Path, tile: Tiling) -> None:
    (line,) = lines(run(image, tmp_path / "out", tiling=tile))
    assert [(one["class"], one["bbox"], one["score"]) for one in line["instances"]] == [
        ("pit", BOXES[0], 0.9),
        ("pit", BOXES[1], 0.6),
    ]


def test_masks_and_table_show_what_is_listed_however_unsure_its_pixels(image: Path, tmp_path: Path) -> None:
    output = run(image, tmp_path / "out")  # 0.6 × 0.7 is less than the threshold
    mask = read_mask(output / "masks" / "a.png") > 0
    (line,) = lines(output)
    union = np.any([rle.decode(one["segmentation"]) > 0 for one in line["instances"]], axis=0)
    assert np.array_equal(mask, union) and mask.sum() == 2 * SIDE**2
    header, values = (row.split(",") for row in (output / "predictions.csv").read_text().splitlines())
    cells = dict(zip(header, values, strict=True))
    assert (cells["defect"], cells["pit px"], cells["dent px"]) == ("pit", str(2 * SIDE**2), "0")


def test_the_threshold_is_the_least_score_of_an_object(image: Path, tmp_path: Path) -> None:
    counts = [
        len(lines(run(image, tmp_path / str(threshold), threshold=threshold))[0]["instances"])
        for threshold in (0.1, 0.5, 0.8, 0.95)
    ]
    assert counts == [3, 2, 1, 0]
    assert not (read_mask(tmp_path / "0.95" / "masks" / "a.png") > 0).any()


def test_small_ones_are_left_out_of_the_list_and_not_of_the_mask(image: Path, tmp_path: Path) -> None:
    output = run(image, tmp_path / "out", threshold=0.1, least=30)
    assert len(lines(output)[0]["instances"]) == 2
    assert (read_mask(output / "masks" / "a.png") > 0).sum() == 2 * SIDE**2 + 25


@pytest.mark.parametrize("to", ["coco", "cvat", "png"])
def test_labels_of_other_tools_have_both(image: Path, tmp_path: Path, to: str) -> None:
    output = run(image, tmp_path / "out", to=(to,))
    (record,) = read(output / to).records
    found = list(instances(record, 100, WIDTH))
    assert len(found) == 2 and {name for name, _ in found} == {"pit"}
    assert sum(patch.mask.sum() for _, patch in found) == 2 * SIDE**2


def test_the_overlay_names_both(image: Path, tmp_path: Path) -> None:
    drawn = read_image(run(image, tmp_path / "out", overlay=True) / "overlays" / "a.png").astype(int)
    plain = np.repeat(read_image(image), 3, 2)
    changed = (drawn != plain).any(2)
    assert changed[TOP - 3, LEFT - 3 : LEFT + 2 * SIDE].all()  # the upper edges of two boxes
    assert changed[TOP + 1 : TOP + SIDE - 1, LEFT + SIDE - 1].all()  # a line between the two


def test_of_a_video_both_are_tracks(tmp_path: Path) -> None:
    class Split(Two):
        """Takes the moving spot for two pits."""

        def _find(self, image: np.ndarray) -> tuple[Object, ...]:
            rows, columns = np.nonzero(image[..., 0] > 200)
            half = np.ones((12, 6), np.float32)
            return tuple(Object(1, 0.9, int(rows.min()), int(columns.min()) + shift, half) for shift in (0, 6))

    config = PredictConfig(to=("cvat", "jsonl"), overlay=True)
    for _ in predict(Split(), Sources.of([write_video(tmp_path / "line.mkv", 3)]), tmp_path / "out", config):
        pass
    assert [len(line["instances"]) for line in lines(tmp_path / "out")] == [2, 2, 2]
    text = (tmp_path / "out" / "cvat" / "line" / "annotations.xml").read_text()
    assert text.count("<track ") == 6
