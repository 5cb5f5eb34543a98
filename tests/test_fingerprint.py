"""Copies are found however they were turned or saved; two parts of one product never pass for copies."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from flawsmith.data.fingerprint import LIMIT, Fingerprint, copies, distances, fingerprint, pairs

SHAPE = (192, 256)


def part(seed: int, channels: int = 1, grain: float = 3.0, jitter: float = 0.0) -> np.ndarray:
    """A machined part (H, W, C): one drawing and one light for all, its own grain, and `jitter` px of shift."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] + jitter * rng.standard_normal((2, 1, 1))
    drawing = 120 + 40 * np.sin(x / 9) + 50 * (np.hypot(y - 90, x - 130) < 50) + y / 8
    texture = ndimage.gaussian_filter(rng.standard_normal(SHAPE), 1.0)
    grey = drawing + grain * texture / texture.std()
    tint = np.array([1.0, 0.9, 0.8])[:channels]
    return np.rint((grey[..., None] * tint).clip(0, 255)).astype(np.uint8)


def saved(image: np.ndarray, form: str, scale: float = 1, **options: int) -> np.ndarray:
    picture = Image.fromarray(image.squeeze())
    if scale != 1:
        size = (round(picture.width * scale), round(picture.height * scale))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    buffer = BytesIO()
    picture.save(buffer, form, **options)
    back = np.asarray(Image.open(buffer))
    return back[..., None] if back.ndim == 2 else back


def turned(image: np.ndarray, way: int) -> np.ndarray:
    image = np.rot90(image, way % 4)
    return np.ascontiguousarray(image[:, ::-1] if way > 3 else image)


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(next(distances([fingerprint(one)], [fingerprint(other)]))[1][0, 0])


@pytest.mark.parametrize("way", range(8))
@pytest.mark.parametrize("channels", [1, 3])
def test_turned_copies_resaved_as_jpeg_are_found(way: int, channels: int) -> None:
    image = part(1, channels)
    assert distance(image, turned(image, way)) < 0.5
    assert distance(image, saved(turned(image, way), "JPEG", quality=75)) < LIMIT / 2
    assert distance(saved(image, "JPEG", quality=90), saved(turned(image, way), "JPEG", quality=75)) < LIMIT / 2


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("WEBP", {"quality": 75}),
        ("JPEG", {"quality": 70}),
        ("PNG", {"scale": 0.5}),
    ],
)
def test_copies_in_other_formats_and_sizes_are_found(form: str, options: dict[str, float]) -> None:
    image = part(2, 3)
    assert distance(image, saved(turned(image, 5), form, **options)) < LIMIT


def test_copies_at_16_bit_grey_and_with_another_contrast_are_found() -> None:
    image = part(3)
    deep = image.astype(np.uint16) * 257
    assert distance(image, deep) < 0.5
    assert distance(image, deep // 16) < 0.5  # 12 bits in a 16-bit file
    assert distance(image, np.repeat(image, 3, axis=2)) < 0.5
    assert distance(image, (image * 0.8 + 20).astype(np.uint8)) < LIMIT / 2


@pytest.mark.parametrize("jitter", [0.0, 1.0])
@pytest.mark.parametrize("lossy", [False, True])
def test_different_parts_that_look_alike_are_no_copies(jitter: float, lossy: bool) -> None:
    parts = [part(seed, jitter=jitter) for seed in range(10, 22)]
    parts = [saved(image, "JPEG", quality=75) for image in parts] if lossy else parts
    small = [np.asarray(Image.fromarray(image[..., 0]).resize((20, 20))).ravel() for image in parts[:2]]
    assert jitter or np.corrcoef(small)[0, 1] > 0.999  # to a plain thumbnail they are the same
    assert not list(pairs([fingerprint(image) for image in parts]))


def test_the_measure_does_not_depend_on_size() -> None:
    large = np.kron(part(4), np.ones((4, 4, 1), np.uint8))
    rng = np.random.default_rng(0)
    one = np.clip(large + rng.normal(0, 8, large.shape), 0, 255).astype(np.uint8)
    assert distance(one, saved(turned(one, 6), "JPEG", quality=75)) < LIMIT / 2
    noisier = large + 12 * np.kron(rng.standard_normal((96, 128, 1)), np.ones((8, 8, 1)))  # its own coarse grain
    assert distance(one, np.clip(noisier, 0, 255).astype(np.uint8)) > LIMIT


def test_a_negative_is_no_copy() -> None:
    assert distance(part(5), 255 - part(5)) > LIMIT


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_flat_images_resemble_nothing_not_even_each_other(dtype: type) -> None:
    flat = [fingerprint(np.full((40, 30, 1), value, dtype)) for value in (0, 90, 255)]
    assert not list(pairs([*flat, fingerprint(part(6))]))


def test_nearly_flat_images_do_not_match_by_chance() -> None:
    rng = np.random.default_rng(7)
    dull = [np.clip(128 + rng.normal(0, 1, (*SHAPE, 1)), 0, 255).astype(np.uint8) for _ in range(10)]
    assert not list(pairs([fingerprint(image) for image in dull]))


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 300, 3), (3, 5, 4), (16, 16, 1)])
def test_any_size_has_a_fingerprint(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(8).integers(0, 256, shape).astype(np.uint8)
    assert np.isfinite(fingerprint(image).values).all()


def test_a_fingerprint_survives_its_text() -> None:
    one = fingerprint(part(9))
    text = one.encode()
    assert len(text) < 1200
    back = Fingerprint.decode(text)
    assert back.encode() == text
    assert next(distances([one], [back]))[1][0, 0] < 0.1


@pytest.mark.parametrize("text", ["", "####", "AAAA", "é", "A" * 1072])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="fingerprint"):
        Fingerprint.decode(text)


def test_pairs_and_copies_name_the_right_images() -> None:
    known = [fingerprint(part(seed)) for seed in range(30, 34)]
    items = [fingerprint(part(40)), fingerprint(turned(part(32), 3))]
    assert list(copies(items, known)) == [(1, 2)]
    assert list(pairs([*known, *items])) == [(2, 5)]
    assert not list(copies(items, []))
    assert not list(copies([], known))
    assert not list(pairs([]))


def test_many_images_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [fingerprint(part(seed)) for seed in range(50, 57)]
    whole = np.vstack([block for _, block in distances(items, items)])
    monkeypatch.setattr("flawsmith.data.fingerprint._CHUNK", 3)
    blocks = list(distances(items, items))
    assert [start for start, _ in blocks] == [0, 3, 6]
    np.testing.assert_allclose(np.vstack([block for _, block in blocks]), whole, atol=1e-3)
