"""Defects of parts with structure go where it looks as it did around the real ones."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flawsmith.data.image import write_image
from flawsmith.data.record import Record
from flawsmith.gan.bank import Bank
from flawsmith.gan.context import survey
from flawsmith.gan.instance import Healed
from flawsmith.gan.integrity.copies import unforced
from flawsmith.gan.match import LIGHT, Surroundings, search
from flawsmith.gan.placement import Place, matches, place_on
from flawsmith.gan.scene import Scene, SceneConfig, propose
from flawsmith.gan.shapes import draw_shape, sample_shape
from flawsmith.gan.structure import has_structure

SIZE = (192, 224)
TRACK = 8  # px wide


def plain(seed: int, tone: tuple[float, float, float] = (0.2, 0.5, 0.3)) -> np.ndarray:
    """A board (H, W, 3) without tracks."""
    grain = np.random.default_rng(seed).normal(0, 0.01, (*SIZE, 1))
    return np.clip(np.array(tone) + grain, 0, 1).astype(np.float32)


def board(seed: int, rows: tuple[int, ...] = (40, 100, 150)) -> np.ndarray:
    """A board with horizontal tracks."""
    image = plain(seed)
    for row in rows:
        image[row : row + TRACK] = plain(seed, (0.8, 0.6, 0.3))[row : row + TRACK]
    return image


def bank_of(image: np.ndarray, *boxes: tuple[int, int, int, int], structured: bool = True) -> Bank:
    """Defects in boxes of top, left, height, width of a part that looks as it did before."""
    found = []
    for top, left, height, width in boxes:
        mask = np.zeros(SIZE, bool)
        mask[top : top + height, left : left + width] = True
        found += Healed(image, image, "a.png", "a").instances(mask, 0)
    return Bank(tuple(found), ("open",), 3, 255, structured=structured)


OPEN = bank_of(board(0), (98, 90, 12, 10))  # across a track
BURR = bank_of(board(0), (108, 60, 8, 8))  # on the lower edge of one


def placed(bank: Bank, clean: Any, seed: int, strict: bool = True) -> Place | None:
    random = np.random.default_rng(seed)
    shape = draw_shape(sample_shape(bank, 0, random), bank)
    return place_on(survey(clean, whole=True), shape, bank, random, pixels=clean, strict=strict)


def middle(place: Place) -> float:
    return place.top + (place.shape.mask.shape[0] - 1) / 2


@pytest.mark.parametrize("seed", range(8))
def test_an_open_lies_across_a_track_of_another_board(seed: int) -> None:
    rows = (30, 77, 121)
    place = placed(OPEN, board(1, rows), seed)
    assert place is not None
    assert min(abs(middle(place) - (row + 3.5)) for row in rows) <= 2


@pytest.mark.parametrize("seed", range(8))
def test_a_burr_lies_at_an_edge_and_on_its_own_side(seed: int) -> None:
    place = placed(BURR, board(1, (60,)), seed)
    assert place is not None
    flipped = place.shape.params.flip_rows
    expected = 60 - 4.5 if flipped else 60 + TRACK + 3.5  # the upper edge for one that is upside down
    assert abs(middle(place) - expected) <= 2


def test_all_tracks_and_all_of_their_length_are_taken() -> None:
    rows = (30, 77, 121)
    found = [placed(OPEN, board(seed, rows), seed) for seed in range(60)]
    assert all(found)
    nearest = [int(np.argmin([abs(middle(one) - row - 3.5) for row in rows])) for one in found if one]
    assert min(np.bincount(nearest, minlength=3)) >= 8
    assert np.std([one.left for one in found if one]) > 35  # px; evenly over the part: 60


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_bytes_and_floats_give_the_same_place(kind: Any) -> None:
    clean = np.rint(board(1) * 255) / 255
    top = np.iinfo(kind).max if kind is not np.float32 else 1
    same = placed(OPEN, clean.astype(np.float32), 3)
    other = placed(OPEN, (clean * top).round().astype(kind) if top != 1 else clean.astype(kind), 3)
    assert same is not None and other is not None
    assert (same.top, same.left) == (other.top, other.left)


def test_without_such_a_place_there_is_none_unless_any_will_do() -> None:
    nowhere = plain(1)
    assert placed(OPEN, nowhere, 0) is None
    assert placed(OPEN, nowhere, 0, strict=False) is not None


def test_without_structure_matching_has_no_say() -> None:
    loose = replace(OPEN, structured=False)
    random = np.random.default_rng(5)
    shape = draw_shape(sample_shape(loose, 0, random), loose)
    state = random.bit_generator.state
    first = place_on(survey(board(1), whole=True), shape, loose, random, pixels=board(1))
    random.bit_generator.state = state
    second = place_on(survey(board(1), whole=True), shape, loose, random)
    assert first is not None and second is not None and (first.top, first.left) == (second.top, second.left)


def test_who_asks_for_anywhere_has_it() -> None:
    random = np.random.default_rng(0)
    rows = []
    for _ in range(20):
        shape = draw_shape(sample_shape(OPEN, 0, random), OPEN)
        place = place_on(survey(board(1), whole=True), shape, OPEN, random, anywhere=True, pixels=board(1))
        assert place is not None
        rows.append(min(abs(middle(place) - row - 3.5) for row in (40, 100, 150)))
    assert np.median(rows) > 5


def test_the_same_generator_gives_the_same_place() -> None:
    first, second = placed(OPEN, board(1), 7), placed(OPEN, board(1), 7)
    assert first is not None and second is not None and (first.top, first.left) == (second.top, second.left)


def test_where_the_defect_was_nothing_differs_whatever_the_light() -> None:
    random = np.random.default_rng(0)
    params = replace(sample_shape(OPEN, 0, random), scale=1.0, stretch=1.0, turn=0.0, shear=0.0, bend=0.0, weight=0.0)
    shape = draw_shape(replace(params, second=params.first, flip_rows=False, flip_columns=False), OPEN)
    one = OPEN.instances[0]
    row, column = np.argwhere(one.mask)[0]
    around = Surroundings.of(shape, OPEN)
    here = np.array([[row, column]])
    assert around.misfit(one.healed, here)[0] < 1e-9
    assert around.misfit(one.healed * np.float32(1 / 1.8), here)[0] < 1e-5
    assert around.misfit(one.healed * np.float32(1 / (2 * LIGHT)), here)[0] > 1e-4  # no light explains it
    assert around.misfit(one.healed, here + np.array([12, 0]))[0] > 1e-2


def test_searching_finds_the_least_of_a_bowl() -> None:
    found = search(lambda at: np.square((at[:, :2] - [0.3, 0.8]) * 200).sum(1), (200, 200), np.random.default_rng(0))
    assert found.misfit.min() == 1 and found.gain > 1000
    assert np.abs(found.random[np.argmin(found.misfit), :2] - [0.3, 0.8]).max() < 2 / 200


@pytest.fixture
def saved(tmp_path: Path) -> Any:
    def write(images: list[np.ndarray]) -> list[Record]:
        records = []
        for number, image in enumerate(images):
            path = tmp_path / f"{number}.png"
            write_image(path, np.rint(image * 255).astype(np.uint8))
            records.append(Record(path.name, path, path.stem))
        return records

    return write


def test_boards_have_structure_and_plain_ones_have_not(saved: Any) -> None:
    assert has_structure(OPEN, saved([board(seed, (30 + seed, 90, 140)) for seed in range(6)]), 0)
    flat = bank_of(plain(0), (98, 90, 12, 10))
    assert not has_structure(flat, saved([plain(seed) for seed in range(6)]), 0)
    assert not has_structure(flat, [], 0)


def test_texture_is_no_structure(saved: Any) -> None:
    def texture(seed: int) -> np.ndarray:
        coarse = np.random.default_rng(seed).normal(0.5, 0.15, (SIZE[0] // 4, SIZE[1] // 4, 1))
        return np.clip(np.repeat(np.repeat(coarse, 4, 0), 4, 1).repeat(3, 2), 0, 1).astype(np.float32)

    assert not has_structure(bank_of(texture(0), (98, 90, 12, 10)), saved([texture(s) for s in range(1, 7)]), 0)


def test_a_part_without_room_has_no_places() -> None:
    shape = draw_shape(sample_shape(OPEN, 0, np.random.default_rng(0)), OPEN)
    tiny = board(1)[:8, :8]
    assert matches(survey(tiny), shape, OPEN, np.random.default_rng(0), tiny) is None


def test_a_file_keeps_it(tmp_path: Path) -> None:
    for bank in (OPEN, replace(OPEN, structured=False)):
        bank.save(tmp_path / "bank.safetensors")
        assert Bank.load(tmp_path / "bank.safetensors").structured == bank.structured


def test_what_was_there_before_makes_no_copy() -> None:
    random = np.random.default_rng(0)
    before = board(0)[..., 0]
    mask = np.zeros(SIZE, bool)
    mask[96:112, 80:110] = True
    own, other = random.normal(0, 0.02, (2, *SIZE)).astype(np.float32)
    changes = [unforced(noise - 0.9 * before, before, mask)[mask] for noise in (own, own, other)]
    assert np.corrcoef(changes[0], changes[1])[0, 1] > 0.999  # a copy is one still
    assert abs(np.corrcoef(changes[0], changes[2])[0, 1]) < 0.2
    assert np.corrcoef((own - 0.9 * before)[mask], (other - 0.9 * before)[mask])[0, 1] > 0.9  # as it would seem
    assert np.isfinite(unforced(own, np.full(SIZE, 0.5, np.float32), mask)).all()


def scene_on(pixels: np.ndarray, stream: tuple[int, ...]) -> Scene:
    shapes = (draw_shape(sample_shape(OPEN, 0, np.random.default_rng(0)), OPEN),)
    return Scene(stream, Record("x.png", Path("x.png"), "x"), 0, 1, pixels, survey(pixels, whole=True), shapes)


def tries(scene: Scene) -> list[bool]:
    """Whether each of the tries finds a place."""
    found = []
    for scene.attempt in range(SceneConfig().tries):
        found.append(propose(scene, OPEN, SceneConfig(), 0) is not None)
    return found


def test_an_odd_place_is_the_last_resort_of_a_second_part() -> None:
    bare = np.rint(plain(1) * 255).astype(np.uint8)
    assert tries(scene_on(bare, (0,))) == [False] * 12
    assert tries(scene_on(bare, (0, 1))) == [False] * 6 + [True] * 6


def test_what_failed_for_another_reason_gets_no_odd_place() -> None:
    scene = scene_on(np.rint(plain(1) * 255).astype(np.uint8), (0, 1))
    scene.reasons["near-copy of a training defect"] += 1
    assert tries(scene) == [False] * 12
