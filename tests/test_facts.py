"""What opening a file shows, against skimage's labelling, and what cannot be opened."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.measure import label

from flawsmith.data.errors import UserError
from flawsmith.data.facts import image_facts, look, mask_facts


def save(path: Path, values: np.ndarray) -> Path:
    """Writes a picture and returns its path."""
    Image.fromarray(values).save(path)
    return path


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.5), st.integers(1, 3))
def test_areas_and_instances_equal_skimage(
    tmp_path_factory: pytest.TempPathFactory, seed: int, share: float, classes: int
) -> None:
    random = np.random.default_rng(seed)
    mask = (random.integers(1, classes + 1, (19, 27)) * (random.random((19, 27)) < share)).astype(np.uint8)
    facts = mask_facts(save(tmp_path_factory.mktemp("mask") / "m.png", mask))
    values = sorted(set(mask.ravel()) - {0})
    assert (facts.height, facts.width) == mask.shape
    assert facts.areas == {value: int((mask == value).sum()) for value in values}
    assert facts.instances == {value: label(mask == value, connectivity=2).max() for value in values}
    assert facts.covered == np.count_nonzero(mask)


def test_a_tall_mask_is_counted_whole(tmp_path: Path) -> None:
    mask = np.zeros((1300, 3), np.uint16)
    mask[[0, 511, 512, 1299], 0] = (7, 40_000, 40_000, 7)
    facts = mask_facts(save(tmp_path / "m.png", mask))
    assert facts.areas == {7: 2, 40_000: 2} and facts.instances == {7: 2, 40_000: 1}


@pytest.mark.parametrize(
    ("shape", "kind", "channels", "bits"),
    [((9, 7), "u1", 1, 8), ((9, 7), "u2", 1, 16), ((9, 7, 3), "u1", 3, 8), ((9, 7, 4), "u1", 4, 8)],
)
def test_image_facts(tmp_path: Path, shape: tuple[int, ...], kind: str, channels: int, bits: int) -> None:
    facts = image_facts(save(tmp_path / "i.png", np.zeros(shape, kind)))
    assert (facts.height, facts.width, facts.channels, facts.bits) == (9, 7, channels, bits)


def test_digest_is_of_the_pixels(tmp_path: Path) -> None:
    grey = np.arange(63, dtype=np.uint8).reshape(9, 7)
    same = [image_facts(save(tmp_path / name, grey)).digest for name in ("i.png", "i.bmp", "i.tif")]
    other = [image_facts(save(tmp_path / "o.png", image)).digest for image in (grey + 1, grey.reshape(7, 9))]
    assert len(set(same)) == 1 and len({*same, *other}) == 3


def test_look_opens_each_path_once_and_keeps_the_reasons(tmp_path: Path) -> None:
    opened = []

    def facts(path: Path) -> str:
        opened.append(path)
        if path.name == "bad":
            raise UserError(path, "is bad")
        return path.name

    paths = [tmp_path / name for name in ("a", "bad", "b", "a", "bad")]
    good, bad = look(iter(paths), facts)
    assert sorted(opened) == sorted(set(paths))
    assert good == {tmp_path / "a": "a", tmp_path / "b": "b"} and bad[tmp_path / "bad"].rule == "is bad"


@pytest.mark.parametrize("facts", [image_facts, mask_facts])
def test_empty_and_missing_files_are_refused(tmp_path: Path, facts: object) -> None:
    (tmp_path / "a.png").touch()
    for name, rule in (("a.png", "empty"), ("b.png", "cannot be read")):
        with pytest.raises(UserError, match=rule):
            facts(tmp_path / name)  # type: ignore[operator]
