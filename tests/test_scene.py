import numpy as np
import pytest

from flawsmith.data.image import read_image, to_float
from flawsmith.data.select import Selection
from flawsmith.gan.bank import Bank
from flawsmith.gan.painter import Job, Paint
from flawsmith.gan.scene import GRAIN, Scene, SceneConfig, accept, begin, mixed, propose, span


def darkened(job: Job, by: float) -> Paint:
    return Paint(job.clean - np.float32(by), job.mask.astype(np.float32))


def paint(scene: Scene, bank: Bank, by: float) -> None:
    config = SceneConfig()
    while not scene.done and scene.attempt < config.tries:
        proposal = propose(scene, bank, config, seed=1)
        if proposal is None or not accept(scene, proposal, darkened(proposal.job, by), config):
            scene.attempt += 1


def test_the_label_is_what_changed_and_the_rest_keeps_its_bits(bank: Bank, selection: Selection) -> None:
    for index in range(6):
        scene = begin(bank, selection.good, (0, 1), 1, index)
        clean = scene.pixels
        paint(scene, bank, 0.3)
        changed = (scene.pixels != clean).any(2)
        assert scene.done and not (scene.mask & ~changed).any()
        assert (changed & ~scene.mask).sum() < 0.05 * changed.sum()  # the tip of a corner, lost in the grain


def test_invisible_paint_is_never_labelled(bank: Bank, selection: Selection) -> None:
    scene = begin(bank, selection.good, (0,), 1, 0)
    paint(scene, bank, 0.001)
    assert not scene.masks and scene.reasons["not visible"] + scene.reasons["no place for the shape"] == 12


def test_what_is_fainter_than_the_real_defects_is_painted_again_and_no_image_is_lost_for_it(
    bank: Bank, selection: Selection
) -> None:
    scene = begin(bank, selection.good, (0,), 1, 0)
    scene.wanted = 1
    limit = propose(scene, bank, SceneConfig(), seed=1)
    assert limit is not None and limit.least > bank.standouts[0][0]
    paint(scene, bank, 0.1)  # seen, but not as well as a real one
    assert scene.done and scene.reasons["fainter than the real ones"] > 0
    assert scene.defects[0]["standout"] < limit.least
    strong = begin(bank, selection.good, (0,), 1, 0)
    strong.wanted = 1
    paint(strong, bank, 0.4)
    assert strong.done and not strong.reasons["fainter than the real ones"]


def test_a_scene_depends_on_seed_and_index_alone(bank: Bank, selection: Selection) -> None:
    first, again, other = (begin(bank, selection.good, (0, 1), 1, index) for index in (3, 3, 4))
    for scene in (first, again, other):
        paint(scene, bank, 0.3)
    assert np.array_equal(first.pixels, again.pixels) and first.defects == again.defects
    assert first.defects != other.defects


def test_every_clean_part_is_used_once_a_round(bank: Bank, selection: Selection) -> None:
    used = [begin(bank, selection.good, (0,), 5, index).record.name for index in range(2 * len(selection.good))]
    half = len(selection.good)
    assert sorted(used[:half]) == sorted(used[half:]) == sorted(record.name for record in selection.good)


def test_defects_of_one_image_keep_apart(bank: Bank, selection: Selection) -> None:
    scene = begin(bank, selection.good, (0,), 1, 0)
    scene.wanted = 3
    paint(scene, bank, 0.3)
    assert sum(mask.sum() for mask in scene.masks) == scene.mask.sum()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_unchanged_paint_gives_back_the_same_bits_in_any_format(dtype: type, channels: int) -> None:
    before = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (9, 7, channels)).astype(dtype)
    clean = to_float(before, 1).transpose(1, 2, 0)
    assert np.array_equal(mixed(before, clean, clean), before)


def test_grey_paint_shades_all_colours_and_leaves_alpha() -> None:
    before = np.full((4, 4, 4), 100, np.uint8)
    after = mixed(before, np.full((4, 4, 1), 0.5, np.float32), np.full((4, 4, 1), 0.4, np.float32))
    assert (after[..., :3] < 80).all() and (after[..., 3] == 100).all()


@pytest.mark.parametrize("case", [(0, 5, 300), (290, 10, 300), (40, 250, 300), (3, 10, 40)])
def test_the_window_holds_the_defect_and_stays_on_the_image(case: tuple[int, int, int]) -> None:
    start, extent, length = case
    low, high = span(start, extent, length)
    assert 0 <= low <= start and start + extent <= high <= length
    assert (high - low) % GRAIN == 0 or high - low == length


def test_reading_again_gives_the_clean_part(bank: Bank, selection: Selection) -> None:
    scene = begin(bank, selection.good, (0,), 1, 0)
    before = scene.pixels.copy()
    paint(scene, bank, 0.3)
    assert np.array_equal(read_image(scene.record.image), before)
