"""Every figure of integrity lets a decent painter pass, and catches the one that cheats in its own way."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from flawsmith.data.record import Record
from flawsmith.data.select import Selection, select
from flawsmith.gan.bank import Bank, build
from flawsmith.gan.blend import composite
from flawsmith.gan.canvas import ShapeParams
from flawsmith.gan.control import Control
from flawsmith.gan.integrity import rim as rim_module
from flawsmith.gan.integrity.change import change, contrast
from flawsmith.gan.integrity.copies import ALIKE, Gallery, copies, correlation, portrait
from flawsmith.gan.integrity.figure import Figure, plain
from flawsmith.gan.integrity.fill import LEAST_FILL, fill, strength, unseen_tries
from flawsmith.gan.integrity.halo import halo
from flawsmith.gan.integrity.latent import latent, looks
from flawsmith.gan.integrity.painted import Spot
from flawsmith.gan.integrity.rim import Rims, auc, interval, rim, rims, scores
from flawsmith.gan.painter import BankPainter, Job, Paint
from flawsmith.gan.paste import Paste
from flawsmith.gan.region import bounding_box, grow
from flawsmith.gan.scene import SceneConfig, begin, propose

MakeParts = Callable[..., Path]
Random = np.random.Generator
SHAPE = ShapeParams(0, 0, 0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0, False, False)


@pytest.fixture(scope="module")
def chosen(make_parts: MakeParts, tmp_path_factory: pytest.TempPathFactory) -> Selection:
    return select(make_parts(tmp_path_factory.mktemp("many") / "parts", defects=12, good=12))


@pytest.fixture(scope="module")
def many(chosen: Selection) -> Bank:
    """Twelve defects of each kind: enough to compare with."""
    return build(chosen, seed=0)


class Decent(BankPainter):
    """Paints what the fixture's defects are, with a grain of its own: no copy, no seam."""

    name = "decent"
    strength, grain = 70 / 255, 0.02

    def paint_one(self, job: Job) -> Paint:
        random = np.random.default_rng(job.seed)
        level = (-1 if job.defect == 0 else 1) * self.strength
        noise = random.normal(0, self.grain, job.clean.shape).astype(np.float32)
        return Paint(job.clean + np.float32(level) + noise, job.mask.astype(np.float32))


class Memoriser(Decent):
    """Paints one texture a class, learned by heart, whatever shape it is asked for; and its usual noise."""

    name = "memoriser"
    grain = 0.005

    def paint_one(self, job: Job) -> Paint:
        texture = ndimage.gaussian_filter(np.random.default_rng(job.defect).normal(size=(65, 65)), 1.5)
        rows, columns = np.nonzero(job.mask)
        way = np.indices(job.mask.shape) - np.array([rows.mean(), columns.mean()])[:, None, None]
        detail = 0.5 * ndimage.map_coordinates(texture, way + 32, order=1, mode="nearest")[..., None]
        paint = super().paint_one(job)
        return replace(paint, painted=(paint.painted + detail).astype(np.float32))


class Exact(Decent):
    """Leaves the part's own grain, as the fixture does."""

    grain = 0.0


class Faint(Decent):
    strength, grain = 0.08, 0.0


class Blind(Decent):
    strength, grain = 0.0, 0.0005


class Half(Decent):
    """Leaves a good half of the mask bare."""

    def paint_one(self, job: Job) -> Paint:
        paint, rows = super().paint_one(job), np.nonzero(job.mask)[0]
        bare = np.arange(len(job.mask)) < np.quantile(rows, 0.7)
        return replace(paint, alpha=np.where(bare[:, None], 0, paint.alpha).astype(np.float32))


class Healer(Decent):
    """Knows the healed places by heart, and paints nowhere else."""

    def paint_one(self, job: Job) -> Paint:
        known = any(np.array_equal(one.healed, job.clean) for one in self.bank.instances)
        paint = super().paint_one(job)
        return paint if known else replace(paint, alpha=0.05 * paint.alpha)


class Seam(Exact):
    """Draws a bright line along the rim."""

    def paint_one(self, job: Job) -> Paint:
        paint = super().paint_one(job)
        line = grow(job.mask, 1) & ~job.mask
        painted = np.where(line[..., None], job.clean + np.float32(0.15), paint.painted)
        return Paint(painted, np.maximum(paint.alpha, line).astype(np.float32))


def spots(bank: Bank, good: Sequence[Record], painter: BankPainter, count: int = 40) -> list[Spot]:
    found = []
    for index in range(count):
        scene = begin(bank, good[index % len(good)], index % 2, Control(), 0, (index, 0))
        proposal = propose(scene, bank, SceneConfig(), 0)
        if proposal is not None:
            job = proposal.job
            (paint,) = painter.paint([job])
            after = composite(job.clean, paint.painted, paint.alpha)
            box = bounding_box(job.mask)
            found.append(
                Spot(f"{index}.png", box, job.defect, job.shape, job.clean, after, job.mask, job.top, job.left)
            )
    return found


def matched(bank: Bank, good: Sequence[Record], painter: BankPainter) -> Figure:
    gallery = Gallery(bank)
    return copies([gallery.nearest(spot) for spot in spots(bank, good, painter, 16)], gallery)


def test_a_decent_painter_copies_nothing(many: Bank, chosen: Selection) -> None:
    figure = matched(many, chosen.good, Decent(many))
    assert figure.passed and figure.detail["median similarity"] < 0.7


def test_copy_paste_is_a_near_copy_throughout(many: Bank, chosen: Selection) -> None:
    figure = matched(many, chosen.good, Paste(many))
    assert not figure.passed and figure.value is not None and figure.value > 0.8


def test_a_memoriser_is_caught_by_its_detail_and_not_by_its_shape(many: Bank, chosen: Selection) -> None:
    """One pit has the texture that it paints; the other pits do not hide that, and other shapes do not either."""
    painter, first, *others = Memoriser(many), *many.instances
    (paint,) = painter.paint([Job(first.healed, first.mask, 0, SHAPE, 0, 0, (5,))])
    seen = replace(first, image=composite(first.healed, paint.painted, paint.alpha))
    trained = Bank((seen, *others), many.classes, many.channels, many.depth)
    gallery, pits = Gallery(trained), [spot for spot in spots(trained, chosen.good, painter, 30) if spot.defect == 0]
    matches = [gallery.nearest(spot) for spot in pits]
    figure = copies(matches, gallery)
    assert not figure.passed and figure.value is not None and figure.value > 0.3
    assert {match.instance for match in matches if match.similarity > ALIKE} == {0}
    assert matched(trained, chosen.good, Decent(trained)).passed


@pytest.mark.parametrize("flip", [np.s_[::1, ::-1], np.s_[::-1, ::1], np.s_[::-1, ::-1]])
def test_copies_are_found_flipped_shifted_larger_and_brighter(flip: Any) -> None:
    random = np.random.default_rng(0)
    texture = ndimage.gaussian_filter(random.normal(size=(60, 60)), 2).astype(np.float32)
    mask = np.hypot(*(np.mgrid[:60, :60] - 29.5)) < 18
    own = portrait(texture, mask)
    large = np.asarray(ndimage.zoom(3 * texture[flip] + 7, 1.5, order=1), np.float32)
    other = portrait(np.roll(large, 2, 1), np.roll(ndimage.zoom(mask[flip].astype(np.uint8), 1.5, order=0) > 0, 1, 1))
    assert correlation(other, own) > 0.9
    assert correlation(portrait(ndimage.gaussian_filter(random.normal(size=(60, 60)), 2), mask), own) < 0.7


def test_what_the_shape_forces_is_no_likeness() -> None:
    """Two dents, darker in the middle, each with a grain of its own, look alike only before that is taken away."""
    random, mask = np.random.default_rng(0), np.hypot(*(np.mgrid[:41, :41] - 20)) < 12
    bevel = 0.5 - 0.03 * ndimage.distance_transform_edt(mask)
    dents = [(bevel + random.normal(0, 0.02, mask.shape)).astype(np.float32) for _ in range(2)]
    assert np.corrcoef(dents[0][mask], dents[1][mask])[0, 1] > 0.9
    assert correlation(*(portrait(dent, mask) for dent in dents)) < 0.5


@pytest.mark.parametrize(("painter", "passes"), [(Decent, True), (Half, False), (Blind, False)])
def test_fill_wants_the_whole_shape(painter: type[Decent], passes: bool, many: Bank, chosen: Selection) -> None:
    assert fill(spots(many, chosen.good, painter(many)), many).passed is passes


def test_fill_is_measured_by_that_of_real_masks(many: Bank, chosen: Selection) -> None:
    painted = [replace(one, mask=grow(one.mask, 9)) for one in spots(many, chosen.good, Decent(many))]
    wide = replace(many, instances=tuple(replace(one, mask=grow(one.mask, 9)) for one in many.instances))
    outlined, strict = fill(painted, wide), fill(painted, many)
    assert outlined.passed and max(outlined.detail["painted"].values()) < LEAST_FILL
    assert not strict.passed and strict.detail["painted"] == outlined.detail["painted"]


def test_tries_that_did_not_show_count_as_unfilled(many: Bank, chosen: Selection) -> None:
    seen = spots(many, chosen.good, Decent(many))
    entries, given_up = [{"failed_tries": {"not visible": 3}}], [{"rejected": {"not visible": 12, "other": 4}}]
    assert unseen_tries(entries, given_up) == 15
    whole, rare = fill(seen, many), fill(seen, many, unseen=3)
    assert whole.value is not None and rare.value == pytest.approx(whole.value / 4) and not rare.passed


@pytest.mark.parametrize(("painter", "passes"), [(Decent, True), (Faint, False)])
def test_contrast_is_that_of_real_defects(painter: type[Decent], passes: bool, many: Bank, chosen: Selection) -> None:
    assert strength(spots(many, chosen.good, painter(many)), many).passed is passes


def test_change_is_the_step_inside_and_nothing_outside() -> None:
    clean = np.full((20, 20, 3), 0.5, np.float32)
    mask = np.zeros((20, 20), bool)
    mask[5:9, 5:15] = True
    after = clean.copy()
    after[..., 1] += 0.1  # also outside: that is not the mask's
    assert np.allclose(change(clean, after, mask)[mask], 0.1, atol=1e-6) and not change(clean, after, mask)[~mask].any()
    assert contrast(clean, after, mask) == pytest.approx(0.2, abs=1e-5)


class Looks:
    """Stands in for a learned painter's latents."""

    def draw(self, defect: int, random: Random) -> np.ndarray:
        return random.standard_normal(2).astype(np.float32)


class Hearing(Decent):
    """Level and grain follow the latent, so little that nothing is clipped."""

    def __init__(self, bank: Bank) -> None:
        super().__init__(bank)
        self.latents: Any = Looks()

    def paint_one(self, job: Job) -> Paint:
        random = np.random.default_rng(job.seed)
        first, second = self.heard(self.latents.draw(job.defect, random))
        noise = random.standard_normal(job.clean.shape) * 0.04 * (1 + 0.5 * np.tanh(second))
        return Paint((job.clean - 0.2 - 0.03 * first + noise).astype(np.float32), job.mask.astype(np.float32))

    def heard(self, latent: np.ndarray) -> np.ndarray:
        return latent


class Deaf(Hearing):
    def heard(self, latent: np.ndarray) -> np.ndarray:
        return 0 * latent


class OneEar(Hearing):
    """The level follows, the texture never does."""

    def heard(self, latent: np.ndarray) -> np.ndarray:
        return latent * np.array([1, 0])


@pytest.mark.parametrize(("painter", "passes"), [(Hearing, True), (Deaf, False), (OneEar, False)])
def test_a_latent_that_is_ignored_is_noticed(
    painter: type[Hearing], passes: bool, many: Bank, chosen: Selection
) -> None:
    hand: Any = painter(many)
    assert latent(hand, spots(many, chosen.good, hand, 12), many).passed is passes


def test_only_the_latent_changes_between_looks(many: Bank, chosen: Selection) -> None:
    """The noise stays as it was: a painter that hears no latent gives the same pixels every time."""
    deaf: Any = Deaf(many)
    assert looks(deaf, spots(many, chosen.good, deaf, 4)).std(1).max() == 0
    assert isinstance(deaf.latents, Looks)


def test_two_real_defects_tell_no_spread(bank: Bank, selection: Selection) -> None:
    hand: Any = Hearing(bank)
    few = Bank(tuple(bank.instances[i] for i in (bank.members[0][:2] + bank.members[1][:2])), bank.classes, 1, 255)
    figure = latent(hand, spots(bank, selection.good, hand, 4), few)
    assert figure.value is None and figure.passed is None and figure.row()["value"] is None


@pytest.mark.parametrize(("painter", "passes"), [(Decent, True), (Paste, True), (Healer, False)])
def test_paint_that_needs_a_healed_place_is_noticed(
    painter: type[BankPainter], passes: bool, many: Bank, chosen: Selection
) -> None:
    assert halo(painter(many), many, chosen.good, 0).passed is passes


@pytest.mark.parametrize(("painter", "passes"), [(Exact, True), (Seam, False)])
def test_a_seam_gives_a_painter_away(painter: type[Decent], passes: bool, many: Bank, chosen: Selection) -> None:
    figure = rim(spots(many, chosen.good, painter(many), 80), many, 0)
    assert figure.passed is passes
    assert figure.detail["low"] <= figure.value <= figure.detail["high"]


def test_rims_are_balanced_within_each_class(many: Bank, chosen: Selection) -> None:
    found = spots(many, chosen.good, Decent(many), 60)
    data = rims([spot for spot in found if spot.defect == 0 or spot.box.top % 2], many)
    assert data.features.shape == (len(data.painted), 6 * rim_module.RING) and np.isfinite(data.features).all()
    assert (~data.painted).sum() == len(many.instances)


def test_no_rim_is_judged_by_one_of_its_own_group() -> None:
    """With one feature that names the group, and groups of one kind each, nothing can be learned for a group unseen."""
    random = np.random.default_rng(0)
    group = np.repeat(np.arange(40), 5)
    painted = random.random(40)[group] < 0.5
    data = Rims(random.normal(size=(40, 12))[group], painted, group.astype(str))
    assert abs(auc(scores(data, 0), painted) - 0.5) < 0.25
    single = Rims(data.features, painted, np.arange(200).astype(str))
    assert auc(scores(single, 0), painted) > 0.8  # the same data with groups torn apart look easy


def test_the_area_agrees_with_another_library_and_lies_in_its_interval() -> None:
    random = np.random.default_rng(1)
    painted = random.random(120) < 0.3
    found = np.round(random.normal(size=120) + painted, 1)  # rounded: ties
    assert auc(found, painted) == pytest.approx(roc_auc_score(painted, found))
    data = Rims(np.zeros((120, 1)), painted, np.arange(120).astype(str))
    low, high = interval(found, data, 0)
    assert 0.5 < low < auc(found, painted) < high < 1


def test_limits_hold_on_their_side_and_what_is_undefined_is_null() -> None:
    most, least = Figure("a", 0.1, 0.1, "max", ""), Figure("a", 0.1, 0.2, "min", "")
    assert most.passed and not least.passed and Figure("a", None, 0, "max", "").passed is None
    assert plain({"x": float("nan"), 1: [np.float64(0.123456), None, True, "s"]}) == {
        "x": None,
        "1": [0.1235, None, True, "s"],
    }


def test_few_rims_give_no_figure(bank: Bank) -> None:
    assert rim([], bank, 0).value is None and copies([], Gallery(bank)).value is None and fill([], bank).value is None


def test_a_stand_in_for_latents_passes_on_what_it_does_not_know() -> None:
    from flawsmith.gan.integrity.latent import Redrawn

    assert Redrawn(SimpleNamespace(mean=3, draw=None), 0).mean == 3
