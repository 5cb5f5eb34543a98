from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.image import read_image, to_float, write_mask
from flawsmith.data.select import Selection
from flawsmith.gan.bank import Bank
from flawsmith.gan.control import Control
from flawsmith.gan.gate import Gate, GateConfig
from flawsmith.gan.instance import Instance
from flawsmith.gan.painter import Job, Paint
from flawsmith.gan.region import grow
from flawsmith.gan.scene import GRAIN, Scene, SceneConfig, accept, begin, mixed, next_shape, propose, span


def darkened(job: Job, by: float) -> Paint:
    return Paint(job.clean - np.float32(by), job.mask.astype(np.float32))


def blank(bank: Bank, selection: Selection, index: int = 0, defect: int = 0, control: Control | None = None) -> Scene:
    part = selection.good[index % len(selection.good)]
    return begin(bank, part, defect, control or Control(), 1, (index, 0))


def paint(scene: Scene, bank: Bank, by: float, config: SceneConfig | None = None) -> None:
    config, gate = config or SceneConfig(), Gate(bank, "paste", GateConfig())
    while not scene.done and scene.attempt < config.tries:
        proposal = propose(scene, bank, config, seed=1)
        if proposal is None or not accept(scene, proposal, darkened(proposal.job, by), config, gate):
            scene.attempt += 1


def test_the_label_is_what_changed_and_the_rest_keeps_its_bits(bank: Bank, selection: Selection) -> None:
    for index in range(6):
        scene = blank(bank, selection, index, index % 2)
        clean = scene.pixels.copy()
        paint(scene, bank, 0.3)
        changed = (scene.pixels != clean).any(2)
        assert scene.done and not (scene.mask & ~changed).any()
        assert (changed & ~scene.mask).sum() < 0.05 * changed.sum()  # the tip of a corner, lost in the grain


def test_invisible_paint_is_never_labelled(bank: Bank, selection: Selection) -> None:
    scene = blank(bank, selection)
    paint(scene, bank, 0.001)
    assert not scene.labels and scene.reasons["not visible"] + scene.reasons["no place for the shape"] == 12


def test_what_is_fainter_than_the_real_defects_is_painted_again_and_no_image_is_lost_for_it(
    bank: Bank, selection: Selection
) -> None:
    faint = 0.05  # seen, but not half as well as a real one
    scene, anew = blank(bank, selection), blank(bank, selection)
    scene.wanted = anew.wanted = 1
    limit = propose(scene, bank, SceneConfig(), seed=1)
    assert limit is not None and limit.least > bank.standouts[0][0]
    paint(scene, bank, faint)
    assert not scene.done and scene.reasons["fainter than the real ones"] > 6
    anew.stream = (*anew.stream[:1], 1)
    paint(anew, bank, faint)
    assert anew.done and anew.reasons["fainter than the real ones"] > 0
    assert anew.defects[0]["standout"] < limit.least / 2
    strong = blank(bank, selection)
    strong.wanted = 1
    paint(strong, bank, 0.4)
    assert strong.done and not strong.reasons["fainter than the real ones"]


def test_a_shape_gives_way_to_others_only_after_half_of_the_tries(bank: Bank, selection: Selection) -> None:
    config, tried = SceneConfig(), []
    for index in range(8):
        scene = blank(bank, selection, index, control=Control(defects=(3, 3)))
        areas = [shape.mask.sum() for shape in scene.shapes]
        assert areas == sorted(areas, reverse=True)
        for scene.attempt in range(config.tries):
            shape = next_shape(scene, bank, config, np.random.default_rng((index, scene.attempt)))
            tried.append(shape.params.seed)
    halves = np.array(tried).reshape(8, 2, -1)
    assert all(len(set(kept.tolist())) == 1 for kept in halves[:, 0])
    assert all(len(set(others.tolist())) == config.tries // 2 for others in halves[:, 1])


def test_a_scene_depends_on_seed_and_index_alone(bank: Bank, selection: Selection) -> None:
    first, again, other = (blank(bank, selection, index, index % 2) for index in (3, 3, 4))
    for scene in (first, again, other):
        paint(scene, bank, 0.3)
    assert np.array_equal(first.pixels, again.pixels) and first.defects == again.defects
    assert first.defects != other.defects


@pytest.mark.parametrize("distance", [0, 6, 20])
def test_defects_of_one_image_keep_the_distance(bank: Bank, selection: Selection, distance: int) -> None:
    control = Control(defects=(3, 3), distance=distance, anywhere=True)
    scene = blank(bank, selection, control=control)
    paint(scene, bank, 0.3, SceneConfig(tries=60, control=control))
    whole = [label.full(*scene.survey.size) for label in scene.labels]
    assert len(whole) == 3 or distance == 20
    for one in range(len(whole)):
        for other in range(one):
            assert ndimage.distance_transform_edt(~whole[one])[whole[other]].min() > distance


@pytest.mark.parametrize("size", [(8.0, 12.0), (20.0, 26.0)])
def test_sizes_are_those_asked_for(bank: Bank, selection: Selection, size: tuple[float, float]) -> None:
    control = Control(defects=(1, 1), size=size)
    found = []
    for index in range(8):
        scene = blank(bank, selection, index, control=control)
        paint(scene, bank, 0.3, SceneConfig(tries=40, control=control))
        found += [max(label.mask.shape) for label in scene.labels]
    assert len(found) >= 6 and size[0] <= min(found) <= max(found) <= size[1]


def test_a_severity_of_a_half_changes_half_as_much(bank: Bank, selection: Selection) -> None:
    changes = []
    for severity in (1.0, 0.5):
        control = Control(defects=(1, 1), severity=(severity, severity))
        scene = blank(bank, selection, control=control)
        clean = scene.pixels.astype(float)
        paint(scene, bank, 0.3, SceneConfig(faintest=0.0, control=control))
        changes.append((clean - scene.pixels)[scene.mask].mean())
        assert scene.defects[0]["severity"] == severity
    assert changes[1] == pytest.approx(changes[0] / 2, rel=0.05)


def test_rotations_are_drawn_from_the_range(bank: Bank) -> None:
    control = Control(rotation=(80, 100))
    turns = [control.sample_shape(bank, 1, np.random.default_rng(seed)).params.turn for seed in range(20)]
    assert np.deg2rad(80) <= min(turns) < max(turns) <= np.deg2rad(100)


@pytest.mark.parametrize("painter", ["spill", "plain"])
def test_nothing_is_painted_outside_the_region(bank: Bank, selection: Selection, tmp_path: Path, painter: str) -> None:
    allowed = np.zeros((96, 112), bool)
    allowed[10:60, 30:100] = True
    write_mask(tmp_path / "roi.png", allowed)
    for index in range(6):
        part = replace(selection.good[index], roi=tmp_path / "roi.png")
        scene = begin(bank, part, index % 2, Control(defects=(2, 2)), 1, (index, 0))
        clean, config, gate = scene.pixels.copy(), SceneConfig(), Gate(bank, "paste", GateConfig())
        while not scene.done and scene.attempt < config.tries:
            proposal = propose(scene, bank, config, seed=1)
            if proposal is not None:
                beyond = grow(proposal.job.mask, 2).astype(np.float32)
                made = replace(darkened(proposal.job, 0.3), **({"alpha": beyond} if painter == "spill" else {}))
            if proposal is None or not accept(scene, proposal, made, config, gate):
                scene.attempt += 1
        assert scene.labels and not (scene.pixels != clean).any(2)[~allowed].any() and not scene.mask[~allowed].any()


def test_a_region_of_another_size_is_refused(bank: Bank, selection: Selection, tmp_path: Path) -> None:
    write_mask(tmp_path / "roi.png", np.ones((96, 100), bool))
    with pytest.raises(UserError, match="as large as its image, 112×96 px; found 100×96"):
        begin(bank, replace(selection.good[0], roi=tmp_path / "roi.png"), 0, Control(), 1, (0, 0))


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"defects": (0, 2)}, "--defects: a range LOW:HIGH from 1 on; found 0:2"),
        ({"size": (9, 3)}, "--size: a range LOW:HIGH from 1 on; found 9:3"),
        ({"severity": (-1, 1)}, "--severity"),
        ({"rotation": (float("nan"), 1)}, "--rotation"),
        ({"distance": -1}, "--distance: at least 0 px"),
    ],
)
def test_wishes_that_cannot_be_are_refused(wishes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Control(**wishes)


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
    scene = blank(bank, selection)
    before = scene.pixels.copy()
    paint(scene, bank, 0.3)
    assert np.array_equal(read_image(scene.record.image), before)


def test_where_real_masks_are_drawn_wide_no_more_has_to_show_than_of_them(bank: Bank, selection: Selection) -> None:
    def outlined(one: Instance) -> Instance:
        return replace(one, mask=grow(one.mask, 9), touches=(False,) * 4)

    wide = replace(bank, instances=tuple(outlined(one) for one in bank.instances))
    assert max(wide.shown) < 0.3 < min(bank.shown)
    scene, strict = blank(wide, selection), blank(wide, selection)
    strict_bank = replace(wide)
    vars(strict_bank)["shown"] = (1.0,) * len(bank.classes)
    for one, own in ((scene, wide), (strict, strict_bank)):
        config, gate = SceneConfig(faintest=0.0), Gate(own, "paste", GateConfig())
        while not one.done and one.attempt < config.tries:
            proposal = propose(one, own, config, seed=1)
            if proposal is not None:
                core = ndimage.distance_transform_edt(proposal.job.mask) > 9
                made = Paint(proposal.job.clean - np.float32(0.3), core.astype(np.float32))
            if proposal is None or not accept(one, proposal, made, config, gate):
                one.attempt += 1
    assert scene.done and not strict.done and strict.reasons["not visible"]


def test_the_label_is_as_wide_as_the_shape_was_drawn(bank: Bank, selection: Selection) -> None:
    scene, config, gate = blank(bank, selection), SceneConfig(faintest=0.0), Gate(bank, "paste", GateConfig())
    scene.wanted = 1
    while not scene.done:
        proposal = propose(scene, bank, config, seed=1)
        if proposal is not None:
            core = ndimage.distance_transform_edt(proposal.job.mask) > 1.5  # a rim that the eye cannot see
            content = proposal.job.clean - np.float32(0.3) * core[..., None]
            made = Paint(content, proposal.job.mask.astype(np.float32))
        if proposal is None or not accept(scene, proposal, made, config, gate):
            scene.attempt += 1
    drawn = np.zeros(scene.mask.shape, bool)
    drawn[proposal.top :, proposal.left :][: core.shape[0], : core.shape[1]] = proposal.job.mask & proposal.allowed
    assert np.array_equal(scene.mask, drawn) and scene.defects[0]["fill"] < 1
