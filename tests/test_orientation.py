"""Which classes may be turned: those whose defects lie, and are lit, any way round."""

from dataclasses import replace

import numpy as np
import pytest

from flawsmith.gan.bank import Bank
from flawsmith.gan.instance import Healed, Instance
from flawsmith.gan.orientation import FEWEST, FEWEST_LOOSE, shading, turn_freely
from flawsmith.gan.patches import RealPatches
from flawsmith.gan.shapes import sample_shape

SIZE = (160, 160)


def line(angle: float, part: str, light: float | None = None, border: bool = False, wide: float = 3) -> Instance:
    """A scratch (20 × `wide` px in half axes) at `angle`, dark, or bright towards `light`; on part `part`."""
    rows, columns = np.indices(SIZE) - 80.0
    rows = rows + 80 if border else rows
    along, across = columns * np.cos(angle) + rows * np.sin(angle), rows * np.cos(angle) - columns * np.sin(angle)
    mask = (along / 20) ** 2 + (across / wide) ** 2 < 1
    healed = np.full((*SIZE, 1), 0.5, np.float32)
    shade = np.full(SIZE, -0.2) if light is None else 0.03 * (columns * np.cos(light) + rows * np.sin(light))
    image = healed + (shade * mask)[..., None].astype(np.float32)
    return Healed(image, healed, f"{part}.png", part).instances(mask, 0)[0]


def bank(*found: Instance, loose: bool = True) -> Bank:
    return Bank(found, ("scratch",), 1, 255, loose)


@pytest.mark.parametrize("angle", [0.0, 0.5, 1.5, 2.8])
def test_the_axis_is_twice_the_angle(angle: float) -> None:
    across, down = line(angle, "a").axis
    assert np.hypot(across, down) > 0.9
    assert abs(np.angle(np.exp(1j * (np.arctan2(down, across) - 2 * angle)))) < 0.05


@pytest.mark.parametrize("light", [0.0, 2.0, 4.0])
def test_shading_points_to_the_bright_side(light: float) -> None:
    round_one = line(0.0, "a", light)
    down, across = shading(round_one)
    assert np.sign(across) == np.sign(np.cos(light)) and (
        abs(np.sin(light)) < 0.1 or np.sign(down) == np.sign(np.sin(light))
    )
    assert np.abs(shading(line(0.0, "a"))).max() < 0.01  # as dark everywhere


ANY = (0.1, 0.9, 1.6, 2.2, 2.9)


def test_scratches_at_all_angles_are_turned_by_any() -> None:
    own = bank(*(line(angle, f"part {i}") for i, angle in enumerate(ANY)))
    assert own.free == (True,)
    turns = [sample_shape(own, 0, np.random.default_rng(seed)).turn for seed in range(60)]
    assert max(turns) > 1.2 and min(turns) < -1.2
    views = RealPatches(own, 64, 0)
    assert max(abs(views.sample(step, 0).turn) for step in range(60)) > 2.5


def test_scratches_along_the_grain_are_not() -> None:
    own = bank(*(line(1.5 + angle / 20, f"part {i}") for i, angle in enumerate(ANY * 2)), loose=False)
    assert own.free == (False,) and replace(own, loose=True).free == (True,)
    assert max(abs(sample_shape(own, 0, np.random.default_rng(seed)).turn) for seed in range(60)) < 0.31
    assert max(abs(RealPatches(own, 64, 0).sample(step, 0).turn) for step in range(60)) <= 0.12


def test_defects_lit_from_one_side_are_not() -> None:
    assert not turn_freely([line(angle, f"part {i}", light=1.0, wide=14) for i, angle in enumerate(ANY)], True)
    assert turn_freely([line(angle, f"part {i}", light=2 * angle, wide=14) for i, angle in enumerate(ANY)], True)


def test_one_part_is_one_witness() -> None:
    """Photographed nine times, a scratch lies nine times alike; two parts are too few to say anything."""
    many = [line(angle, "the same") for angle in (0.3,) * 9]
    assert turn_freely([*many, *(line(angle, f"part {i}") for i, angle in enumerate(ANY))], True)
    assert not turn_freely([line(angle, f"part {i}") for i, angle in enumerate(ANY[: FEWEST_LOOSE - 1])], True)


def test_at_the_border_none_is_turned() -> None:
    own = bank(*(line(angle, f"part {i}", border=True) for i, angle in enumerate(ANY)))
    assert all(any(one.touches) for one in own.instances)
    assert max(abs(sample_shape(own, 0, np.random.default_rng(seed)).turn) for seed in range(60)) <= 0.12


def test_on_straight_parts_more_of_them_must_show_it() -> None:
    few = [line(angle, f"part {i}") for i, angle in enumerate(ANY)]
    many = [*few, *(line(angle + 0.3, f"other {i}") for i, angle in enumerate(ANY))]
    assert turn_freely(few, True) and not turn_freely(few, False)
    assert len(few) < FEWEST <= len(many) and turn_freely(many, False)


def test_no_class_leans_on_parts_that_lie_any_way() -> None:
    """Three scratches that lean one way do so by chance there, and are mirrored all the same."""
    leaning = [line(0.7, f"part {i}") for i in range(4)]
    assert any(bank(*leaning, loose=False).aligned[0]) and bank(*leaning).aligned == ((False, False),)
