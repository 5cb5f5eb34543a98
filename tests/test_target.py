"""Two products are kept apart: which class is which, what may be learned from, how grey paint meets colour."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawsmith.data.apart import refuse_overlap
from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.image import to_float
from flawsmith.data.read import read
from flawsmith.data.record import DataSet, Label, Record
from flawsmith.data.split import POOL, TEST, Split, make_split
from flawsmith.gan.scene import mixed
from flawsmith.segment.across import renamed
from flawsmith.segment.target import Target, match_classes, target_of, title

MakeParts = Callable[..., Path]


def dataset(*classes: str) -> DataSet:
    return DataSet(Path("of-" + "-".join(classes)), (), classes, True)


def record(*classes: str) -> Record:
    return Record("x", Path("x"), "x", tuple(Label(name, Path(name)) for name in classes))


# classes


def test_the_same_name_matches_itself_and_what_is_asked_for_comes_first() -> None:
    match = match_classes(dataset("a", "b", "c"), dataset("a", "b", "d"), None, (("c", "d"), ("b", "a")))
    assert match.names == {"a": "a", "b": "a", "c": "d"} and match.learned == ("a", "b", "c")
    assert match.scored == ("a", "d") and (match.lost, match.unseen) == ((), ("b",))


def test_one_class_on_each_side_needs_no_words() -> None:
    assert match_classes(dataset("crack"), dataset("pit"), None, ()).names == {"crack": "pit"}
    assert match_classes(dataset("crack", "hole"), dataset("pit"), ("hole",), ()).names == {"hole": "pit"}


def test_what_has_no_counterpart_is_left_out_unless_it_was_asked_for() -> None:
    first, target = dataset("crack", "hole"), dataset("dent", "pit")
    match = match_classes(first, target, None, (("hole", "pit"),))
    assert (match.learned, match.lost, match.unseen) == (("hole",), ("crack",), ("dent",))
    with pytest.raises(UsageError, match=r"--match.*found crack; --match crack=NAME"):
        match_classes(first, target, ("crack", "hole"), (("hole", "pit"),))


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ((), "found crack, hole"),
        ((("crak", "pit"),), "holds crack, hole; found crak"),
        ((("crack", "pits"),), "holds dent, pit; found pits"),
        ((("crack", "pit"), ("crack", "dent")), "one counterpart"),
    ],
)
def test_classes_that_cannot_be_matched_are_refused(pairs: tuple[tuple[str, str], ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        match_classes(dataset("crack", "hole"), dataset("dent", "pit"), None, pairs)


def test_a_target_without_defects_cannot_judge() -> None:
    with pytest.raises(UserError, match="no image with a defect"):
        match_classes(dataset("crack"), dataset(), None, ())


def test_a_match_without_a_target_is_refused_and_the_title_names_both() -> None:
    with pytest.raises(UsageError, match="no --target"):
        target_of(None, (("a", "b"),))
    assert target_of(None, ()) is None and title(Path("a"), None) == "a"
    assert title(Path("x/a"), Target(Path("y/b"))) == "a → b"


def test_records_get_the_other_names_and_show_nothing_else() -> None:
    both, other, good = record("crack", "hole"), record("hole"), record()
    first, second = renamed([both, other, good], {"crack": "hole"})
    assert [label.defect for label in first.labels] == ["hole"] and first.labels[0].mask == Path("crack")
    assert second == good and both.defects == ("crack", "hole")


# images


@pytest.fixture
def two(make_parts: MakeParts, tmp_path: Path) -> tuple[Path, Path]:
    """Two products that share no image."""
    return make_parts(tmp_path / "a"), make_parts(tmp_path / "b", size=(104, 96))


def check(first: Path, target: Path) -> None:
    splits = make_split(read(first), 0.5, 0), make_split(read(target), 0.5, 0)
    refuse_overlap(read(first), splits[0], read(target), splits[1])


def an_image(root: Path, part: str, good: bool) -> Path:
    split = make_split(read(root), 0.5, 0)
    known = {entry.name: entry.part for entry in split.images}
    return next(one.image for one in read(root).records if known[one.name] == part and one.good == good)


def test_two_products_that_share_nothing_pass(two: tuple[Path, Path]) -> None:
    check(*two)


@pytest.mark.parametrize(("part", "good"), [(TEST, True), (TEST, False), (POOL, False)])
@pytest.mark.parametrize("turned", [False, True])
def test_a_planted_test_image_or_defect_is_refused(two: tuple[Path, Path], part: str, good: bool, turned: bool) -> None:
    first, target = two
    planted = an_image(first, POOL, True)
    source = an_image(target, part, good)
    if turned:
        Image.open(source).transpose(Image.Transpose.ROTATE_90).save(planted)
    else:
        planted.write_bytes(source.read_bytes())
    with pytest.raises(UserError, match=f"{planted.name}.*{'copy' if turned else 'same file'} as images/{source.name}"):
        check(first, target)


def test_a_shared_good_part_of_both_pools_may_stay(two: tuple[Path, Path]) -> None:
    first, target = two
    an_image(first, POOL, True).write_bytes(an_image(target, POOL, True).read_bytes())
    check(first, target)


def test_what_is_not_in_the_pool_is_not_learned_from(two: tuple[Path, Path]) -> None:
    first, target = two
    an_image(first, TEST, True).write_bytes(an_image(target, TEST, True).read_bytes())
    check(first, target)


def test_the_split_alone_is_asked(two: tuple[Path, Path]) -> None:
    """No image is opened: a split whose fingerprints say so is believed."""
    first, target = (read(root) for root in two)
    own, other = (make_split(one, 0.5, 0) for one in (first, target))
    entry = next(entry for entry in own.images if entry.part == POOL)
    held = next(entry for entry in other.images if entry.part == TEST)
    forged = tuple(replace(one, fingerprint=held.fingerprint) if one == entry else one for one in own.images)
    with pytest.raises(UserError, match="copy"):
        refuse_overlap(first, Split(0, 0.5, "", forged), target, other)


# colours


def _warm(random: np.random.Generator) -> np.ndarray:
    """A warm part (12, 14, 3) uint8."""
    return (np.array([150, 110, 70]) + random.integers(-15, 16, (12, 14, 1))).astype(np.uint8)


@pytest.mark.parametrize("by", [-0.3, 0.1])
def test_grey_paint_on_colour_gives_its_brightness_and_keeps_the_hue(by: float) -> None:
    before = _warm(np.random.default_rng(0))
    clean = to_float(before, 1).transpose(1, 2, 0)
    after = mixed(before, clean, clean + np.float32(by))
    assert to_float(after, 1) == pytest.approx(to_float(before, 1) + by, abs=1.5 / 255)
    ratio = after / after.sum(2, keepdims=True) - before / before.sum(2, keepdims=True)
    assert np.abs(ratio).max() < 0.02


def test_grey_paint_on_grey_in_three_channels_is_what_it_is_on_one() -> None:
    grey = np.random.default_rng(0).integers(40, 200, (12, 14, 1)).astype(np.uint8)
    clean = to_float(grey, 1).transpose(1, 2, 0)
    painted = clean + np.float32(0.12)
    assert np.array_equal(mixed(grey.repeat(3, 2), clean, painted), mixed(grey, clean, painted).repeat(3, 2))


def test_black_in_colour_is_brightened_without_a_division_by_nothing() -> None:
    before = np.zeros((4, 4, 3), np.uint8)
    before[0, 0] = (9, 0, 0)
    clean = np.zeros((4, 4, 1), np.float32)
    assert np.isfinite(mixed(before, clean, clean + np.float32(0.5))).all()


def test_coloured_paint_on_a_grey_part_is_as_bright_and_grey() -> None:
    grey = np.full((4, 4, 1), 100, np.uint8)
    clean = to_float(grey, 3).transpose(1, 2, 0)
    after = mixed(grey, clean, clean * np.array([0.4, 0.5, 0.6], np.float32))
    assert after.shape == grey.shape and (after == 50).all()
