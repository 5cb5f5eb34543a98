"""The gate lets decent paint through, and stops what it is there for."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from flawsmith.data.select import Selection, select
from flawsmith.gan.bank import Bank, build
from flawsmith.gan.blend import composite
from flawsmith.gan.control import Control
from flawsmith.gan.critic import Critic
from flawsmith.gan.gate import NEAR_COPY, STRANGE, Gate, GateConfig
from flawsmith.gan.integrity.copies import Gallery
from flawsmith.gan.integrity.painted import Spot
from flawsmith.gan.nearness import Nearness
from flawsmith.gan.painter import Job, Painter
from flawsmith.gan.paste import Paste
from flawsmith.gan.poisson import Poisson
from flawsmith.gan.region import Pixels, bounding_box
from flawsmith.gan.scene import SceneConfig, begin, propose

Sight = tuple[Job, Pixels]  # a job, and the window after painting


@pytest.fixture(scope="module")
def chosen(make_parts: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Selection:
    return select(make_parts(tmp_path_factory.mktemp("many") / "parts", defects=10, good=10))


@pytest.fixture(scope="module")
def many(chosen: Selection) -> Bank:
    return build(chosen, seed=0)


@pytest.fixture(scope="module")
def jobs(many: Bank, chosen: Selection) -> list[Job]:
    found = []
    for index in range(40):
        part = chosen.good[index % len(chosen.good)]
        proposal = propose(begin(many, part, index % 2, Control(), 0, (index, 0)), many, SceneConfig(), 0)
        found += [proposal.job] if proposal is not None else []
    assert len(found) > 30
    return found


def by(painter: Painter, jobs: list[Job]) -> list[Sight]:
    paints = painter.paint(jobs)
    return [(job, composite(job.clean, one.painted, one.alpha)) for job, one in zip(jobs, paints, strict=True)]


def decent(job: Job, level: float = 70 / 255, grain: float = 0.02) -> Sight:
    """What the fixture's defects are, with a grain of its own."""
    noise = np.random.default_rng(job.seed).normal(0, grain, job.clean.shape)
    change = (level * (-1 if job.defect == 0 else 1) + noise) * job.mask[..., None]
    return job, (job.clean + change).clip(0, 1).astype(np.float32)


def refused(gate: Gate, sights: list[Sight]) -> dict[str | None, float]:
    reasons = [gate.judge(job.clean, after, job.mask, job.shape).reason for job, after in sights]
    return {reason: reasons.count(reason) / len(reasons) for reason in set(reasons)}


def test_decent_paint_passes(many: Bank, jobs: list[Job]) -> None:
    assert refused(Gate(many, "gan", GateConfig()), [decent(job) for job in jobs]).get(None, 0) >= 0.9


def test_pasted_defects_are_near_copies_of_what_they_were_taken_from(many: Bank, jobs: list[Job]) -> None:
    gate = Gate(many, "gan", GateConfig(critic=False))
    assert refused(gate, by(Paste(many), jobs)).get(NEAR_COPY, 0) >= 0.95


@pytest.mark.parametrize("painter", ["paste", "poisson"])
def test_painters_that_copy_by_design_are_let_through(painter: str, many: Bank, jobs: list[Job]) -> None:
    assert refused(Gate(many, painter, GateConfig()), by(Paste(many), jobs)) == {None: 1.0}


@pytest.mark.parametrize(("level", "grain"), [(-70 / 255, 0.02), (0.02, 0.0), (0.27, 0.3)])
def test_paint_of_the_wrong_brightness_or_grain_is_strange(
    many: Bank, jobs: list[Job], level: float, grain: float
) -> None:
    gate = Gate(many, "gan", GateConfig(copies=False))
    assert refused(gate, [decent(job, level, grain) for job in jobs]).get(STRANGE, 0) >= 0.8


def test_no_real_defect_is_strange_to_the_others(many: Bank) -> None:
    critic = Critic(many)
    for one in many.instances:
        assert critic.strangeness(one.healed, one.image, one.mask, one.defect) < 1


def test_the_quick_comparison_comes_to_what_the_exact_one_says(many: Bank, jobs: list[Job]) -> None:
    """Where it stops early, the exact one finds no copy; but a few pixels may be alike by chance."""
    near, gallery = Nearness(many), Gallery(many)
    missed, copies = 0, 0
    sights = [*by(Paste(many), jobs), *by(Poisson(many), jobs), *(decent(job) for job in jobs)]
    for number, (job, after) in enumerate(sights):
        box = bounding_box(job.mask)
        spot = Spot("", box, job.defect, job.shape, job.clean, after, job.mask, box.top, box.left)
        exact, quick = gallery.nearest(spot).similarity, near.of(job.clean, after, job.mask, job.shape)
        assert quick > near.limit or exact <= near.limit or (exact < near.limit + 0.05 and number >= 2 * len(jobs))
        assert quick <= near.limit or quick == pytest.approx(exact)
        missed += (exact > near.limit) - (quick > near.limit)
        copies += exact > near.limit
    assert missed <= 2 and 40 <= copies < len(sights)


def test_what_is_switched_off_judges_nothing(many: Bank, jobs: list[Job]) -> None:
    gate = Gate(many, "gan", GateConfig(copies=False, critic=False))
    verdicts = [gate.judge(job.clean, after, job.mask, job.shape) for job, after in by(Paste(many), jobs)]
    assert {(one.reason, one.likeness, one.strangeness) for one in verdicts} == {(None, None, None)}
