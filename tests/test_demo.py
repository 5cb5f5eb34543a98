"""The demo parts: reproducible, grouped, honestly labelled, visible, and not to be solved by a threshold."""

import csv
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score

from flawsmith.data import demo
from flawsmith.data.demo import FAINTEST, LEAST_AREA, Photo, photograph, write_demo
from flawsmith.data.demo_defect import DEFECTS
from flawsmith.data.errors import UsageError, UserError

SMALL = {"parts": 2, "good": 3, "photos": 2, "size": 112}


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_demo(tmp_path_factory.mktemp("demo") / "parts", **SMALL)


@pytest.fixture(scope="module")
def defective() -> dict[str, list[Photo]]:
    return {defect: [photograph(defect, part, photos=1)[0] for part in range(12)] for defect in DEFECTS}


def rows(root: Path) -> list[dict[str, str]]:
    with (root / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_same_seed_same_bytes(small: Path, tmp_path: Path) -> None:
    assert tree(write_demo(tmp_path / "again", **SMALL)) == tree(small)


def test_another_seed_gives_other_parts(small: Path, tmp_path: Path) -> None:
    other, first = tree(write_demo(tmp_path / "other", seed=1, **SMALL)), tree(small)
    pictures = [name for name in first if name.startswith("images")]
    assert not any(other[name] == first[name] for name in pictures)


def test_a_part_does_not_depend_on_how_many_there_are(small: Path, tmp_path: Path) -> None:
    fewer = tree(write_demo(tmp_path / "fewer", **(SMALL | {"parts": 1, "good": 1})))
    first = tree(small)
    assert all(first[name] == content for name, content in fewer.items() if name.endswith(".png"))


def test_classes_and_groups_are_balanced(small: Path) -> None:
    table = rows(small)
    for defect, count in {"good": 3, **dict.fromkeys(DEFECTS, 2)}.items():
        groups = [row["group"] for row in table if row["class"] == defect]
        assert len(set(groups)) == count
        assert all(groups.count(group) == 2 for group in groups)
    assert len({row["image"] for row in table}) == len(table) == len(list((small / "images").iterdir()))


def test_files_fit_each_other(small: Path) -> None:
    for row in rows(small):
        with Image.open(small / row["image"]) as image:
            assert image.mode == "RGB"
            assert all(abs(side - 112) <= 112 // 20 + 1 for side in image.size)
        assert bool(row["mask"]) == (row["class"] != "good")
        if row["mask"]:
            with Image.open(small / row["mask"]) as mask:
                assert mask.mode == "1"
                assert mask.size == image.size
                assert LEAST_AREA <= np.asarray(mask).sum() < 0.5 * mask.width * mask.height


def test_the_readme_says_what_they_are_and_whose(small: Path) -> None:
    text = (small / "README.txt").read_text()
    assert all(word in text for word in ("MADE BY A COMPUTER", "CC0", "Gravel04", "Grass-01", "18 pictures", "seed 0"))


def test_outside_the_mask_nothing_changed(defective: dict[str, list[Photo]]) -> None:
    for photo in chain.from_iterable(defective.values()):
        assert np.array_equal(photo.image[~photo.mask], photo.clean[~photo.mask])


def test_good_parts_have_no_mask() -> None:
    for photo in photograph("good", 0, size=112):
        assert not photo.mask.any()
        assert np.array_equal(photo.image, photo.clean)


def test_every_defect_is_seen_above_the_noise(defective: dict[str, list[Photo]]) -> None:
    contrasts = {defect: [photo.contrast for photo in photos] for defect, photos in defective.items()}
    for values in contrasts.values():
        assert min(values) >= FAINTEST
        assert max(values) > 2 * min(values)  # from faint to plain


def test_defects_come_in_several_sizes(defective: dict[str, list[Photo]]) -> None:
    for photos in defective.values():
        areas = [photo.mask.sum() for photo in photos]
        assert max(areas) > 3 * min(areas)


def test_photographs_of_one_part_show_the_same_part_and_defect() -> None:
    first, second = photograph("stain", 1, photos=2, size=128)
    assert not np.array_equal(first.image, second.image)

    def overlap(down: int, right: int) -> float:
        moved = np.roll(second.mask, (down, right), (0, 1))
        return float(2 * (moved & first.mask).sum() / (moved.sum() + first.mask.sum()))

    reach = range(-2 * demo.SHIFT, 2 * demo.SHIFT + 1)
    assert max(overlap(down, right) for down in reach for right in reach) > 0.7


def threshold_scores(photos: list[Photo]) -> tuple[float, float]:
    """Average precision and best Dice of the best global grey threshold, chosen on these very photos."""
    grey = np.concatenate([photo.image.mean(-1).ravel() for photo in photos])
    truth = np.concatenate([photo.mask.ravel() for photo in photos])
    scores = []
    for values in (grey, 255 - grey):
        hits, area = np.zeros(256), np.zeros(256)
        np.add.at(hits, values.astype(int), truth)
        np.add.at(area, values.astype(int), 1)
        found = np.cumsum(hits[::-1])
        dice = 2 * found / (np.cumsum(area[::-1]) + truth.sum())
        scores.append((float(average_precision_score(truth, values)), float(dice.max())))
    return max(score[0] for score in scores), max(score[1] for score in scores)


@pytest.mark.parametrize("defect", DEFECTS)
def test_no_grey_threshold_finds_them(defective: dict[str, list[Photo]], defect: str) -> None:
    precision, dice = threshold_scores(defective[defect])
    assert precision < 0.3
    assert dice < 0.3


def test_a_threshold_would_find_black_holes(defective: dict[str, list[Photo]]) -> None:
    holes = [Photo(p.image * ~p.mask[..., None], p.clean, p.mask, p.noise) for p in defective["pit"]]
    precision, dice = threshold_scores(holes)
    assert precision > 0.9
    assert dice > 0.9


@pytest.mark.parametrize("wrong", [{"parts": 0}, {"good": 0}, {"photos": 0}, {"size": 40}])
def test_numbers_that_make_no_data_set_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        write_demo(tmp_path / "parts", **(SMALL | wrong))
    assert not list(tmp_path.iterdir())


def test_a_folder_in_use_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError):
        write_demo(tmp_path, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    assert (write_demo(tmp_path / "parts", parts=1, good=1, photos=1, size=96) / "manifest.csv").is_file()


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, mask: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(demo, "write_mask", full)
    with pytest.raises(UserError, match="No space left"):
        write_demo(tmp_path / "parts", **SMALL)
    assert not list(tmp_path.iterdir())
