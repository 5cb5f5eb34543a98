import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from painted_sets import lines_of, make_painted_set
from PIL import Image

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.geometry.box import Box
from flawsmith.gan.review import LEAST, SIDE, crop, review, shares, spread, to_8_bit, windows


def values(page: Path) -> list[str]:
    return re.findall(r'class="hidden reject" value="(\w+)"', page.read_text())


@pytest.mark.parametrize(
    ("counts", "most", "wanted"),
    [
        ({"a": 100, "b": 100}, 10, {"a": 5, "b": 5}),
        ({"a": 2, "b": 100, "c": 100}, 10, {"a": 2, "b": 4, "c": 4}),
        ({"a": 1, "b": 2}, 10, {"a": 1, "b": 2}),
        ({"a": 5, "b": 5, "c": 5}, 2, {"a": 1, "b": 1, "c": 0}),
        ({}, 10, {}),
    ],
)
def test_shares_are_even_and_what_is_left_is_used(counts: dict[str, int], most: int, wanted: dict[str, int]) -> None:
    assert shares(counts, most) == wanted


@pytest.mark.parametrize("share", [0, 1, 3, 5, 6])
def test_images_are_spread_over_the_whole_of_a_class(tmp_path: Path, share: int) -> None:
    found = list(spread(make_painted_set(tmp_path), {"pit": share, "scratch": 1}))
    assert Counter(line["class"] for line in found) == Counter({"pit": share, "scratch": 1})
    places = [line["index"] // 2 for line in found if line["class"] == "pit"]
    assert len(places) < 2 or max(np.diff(places)) - min(np.diff(places)) <= 1


def test_the_sheet_shows_painted_images_alone_and_repeats(tmp_path: Path) -> None:
    out = make_painted_set(tmp_path / "out")
    told = list(review(out, tmp_path / "a.html"))
    list(review(out, tmp_path / "b.html"))
    painted = {line["id"] for line in lines_of(out / "provenance.jsonl") if line["mask"]}
    assert set(values(tmp_path / "a.html")) == painted and len(values(tmp_path / "a.html")) == 12
    assert told[-1] == {"done": 12, "count": 12} and len(told) == 12
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_no_more_are_shown_than_asked_for(tmp_path: Path) -> None:
    list(review(make_painted_set(tmp_path / "out"), tmp_path / "a.html", 5))
    assert len(values(tmp_path / "a.html")) == 5 and "5 of 12 painted images" in (tmp_path / "a.html").read_text()


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    list(review(make_painted_set(tmp_path / "out"), tmp_path / "a.html"))
    text = (tmp_path / "a.html").read_text()
    sources = re.findall(r'(?:src|href)="([^"]{0,20})', text)
    assert sources and all(one.startswith("data:image/") for one in sources) and str(tmp_path) not in text
    assert not re.search(r"https?://|url\(|@import", text)


@pytest.mark.parametrize(("boxes", "count"), [([[10, 10, 5, 5]], 1), ([[10, 10, 5, 5], [90, 40, 9, 9]], 1)])
def test_near_defects_share_a_window(boxes: list[list[int]], count: int) -> None:
    assert len(windows(boxes, (200, 300))) == count


def test_far_defects_get_a_window_each_but_not_without_end() -> None:
    boxes = [[1000 * number, 10, 8, 8] for number in range(7)]
    found = windows(boxes, (300, 8000))
    assert len(found) == 4
    for (left, top, width, height), one in zip(boxes, found, strict=False):
        assert one.left <= left and one.top <= top and one.right >= left + width and one.bottom >= top + height
        assert one.size == (LEAST, LEAST)


@pytest.mark.parametrize("size", [(40, 50), (40, 3000), (1, 1), (96, 96)])
def test_windows_lie_within_the_image(size: tuple[int, int]) -> None:
    (one,) = windows([[size[1] - 1, size[0] - 1, 1, 1]], size)
    assert 0 <= one.top < one.bottom == size[0] and 0 <= one.left < one.right == size[1]


def test_crops_are_small_even_of_noise() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1500, 3), np.uint8)
    mask = np.zeros((1500, 1500), bool)
    mask[700:800, 700] = True
    found = crop(noise, mask, Box(0, 0, 1500, 1500), 100_000)
    assert len(found.picture) + len(found.line) <= 100_000 and found.width <= SIDE
    assert crop(noise, mask, Box(600, 600, 900, 900), 10**6).width == 300


def test_dark_16_bit_images_can_be_seen() -> None:
    image = np.full((10, 10, 1), 1000, np.uint16)
    image[5, 5] = 4000
    shown = to_8_bit(image, Box(0, 0, 10, 10))
    assert shown[5, 5, 0] == 255 and shown[0, 0, 0] == 64 and shown.shape == (10, 10, 3)


def test_nothing_to_review_and_damage_are_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one image"):
        list(review(tmp_path, tmp_path / "a.html", 0))
    with pytest.raises(UserError, match="cannot be read"):
        list(review(tmp_path, tmp_path / "a.html"))
    with pytest.raises(UserError, match="no painted image to review"):
        list(review(make_painted_set(tmp_path / "good", 0), tmp_path / "a.html"))
    out = make_painted_set(tmp_path / "out")
    Image.fromarray(np.ones((5, 5), bool)).save(out / "masks" / "000003.png")
    with pytest.raises(UserError, match=r"000003\.png: has the size of images/000003\.png; found 5×5 px"):
        list(review(out, tmp_path / "a.html"))
    assert not (tmp_path / "a.html").exists()
