"""Images: every mode at full depth, the eight EXIF orientations, and no half-read file, ever."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.image import read_image, read_mask, suffix_for, to_float, to_uint, write_image, write_mask

SHAPE = (7, 5)
# The stored pixels 1 2 3 / 4 5 6 as they must be seen under each EXIF orientation, by the table of the standard.
SEEN = {
    1: [[1, 2, 3], [4, 5, 6]],
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[4, 1], [5, 2], [6, 3]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[3, 6], [2, 5], [1, 4]],
}


def noise(channels: int, dtype: type, seed: int = 0) -> np.ndarray:
    top = np.iinfo(dtype).max + 1
    return np.random.default_rng(seed).integers(0, top, (*SHAPE, channels)).astype(dtype)


def png48(values: np.ndarray) -> bytes:
    """A 16-bit RGB or RGBA PNG, which Pillow cannot write: rows with filter 0, then the chunks."""
    import struct
    import zlib

    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


HELD = {  # what each format holds without loss: channels at 8 bits, at 16 bits
    ".png": ((1, 3, 4), (1,)),
    ".tiff": ((1, 3, 4), (1, 3, 4)),
    ".webp": ((3, 4), ()),
    ".bmp": ((1, 3), ()),
}


@pytest.mark.parametrize("level", [0, 1, 2, 6, 9])
@pytest.mark.parametrize("suffix", HELD)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_written_image_is_read_back_exactly(
    tmp_path: Path, suffix: str, dtype: type, channels: int, level: int
) -> None:
    image, path = noise(channels, dtype), tmp_path / f"a{suffix}"
    if channels not in HELD[suffix][dtype == np.uint16]:
        with pytest.raises(UsageError, match=r"\.tiff"):
            write_image(path, image, level)
        assert not list(tmp_path.iterdir())
        return
    write_image(path, image, level)
    found = read_image(path)
    assert found.dtype == dtype
    assert found.flags.writeable
    np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize("suffix", [".jpg", ".gif", ".jp2", ""])
def test_lossy_or_unknown_extensions_are_refused(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(UsageError):
        write_image(tmp_path / f"a{suffix}", noise(3, np.uint8))


@pytest.mark.parametrize("level", [-1, 10])
def test_a_level_that_there_is_not_is_refused(tmp_path: Path, level: int) -> None:
    with pytest.raises(UsageError, match="0 to 9"):
        write_image(tmp_path / "a.png", noise(1, np.uint8), level)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".webp"])
def test_a_higher_level_makes_smaller_files(tmp_path: Path, suffix: str) -> None:
    grain = np.random.default_rng(0).normal(0, 3, (60, 80, 3))
    image = (120 + grain + np.linspace(0, 60, 80)[None, :, None]).astype(np.uint8)
    sizes = []
    for level in (0, 1, 9):
        write_image(tmp_path / f"a{suffix}", image, level)
        sizes.append((tmp_path / f"a{suffix}").stat().st_size)
    assert sizes[0] >= sizes[1] > 0.99 * sizes[2] and sizes[0] > sizes[2]


def test_the_fast_level_packs_noise_no_worse_than_the_usual_one(tmp_path: Path) -> None:
    image = np.random.default_rng(0).normal(120, 3, (120, 150, 1)).astype(np.uint8)
    write_image(tmp_path / "a.png", image)
    usual = BytesIO()
    Image.fromarray(image[..., 0]).save(usual, "PNG")
    assert (tmp_path / "a.png").stat().st_size < 1.1 * len(usual.getvalue())


@pytest.mark.parametrize(
    ("channels", "dtype", "wanted", "found"),
    [
        (1, np.uint8, "png", ".png"),
        (3, np.uint16, "png", ".tiff"),
        (3, np.uint16, "tif", ".tif"),
        (3, np.uint8, ".WebP", ".webp"),
        (1, np.uint8, "bmp", ".bmp"),
    ],
)
def test_the_extension_is_the_wanted_one_where_the_format_holds_the_image(
    channels: int, dtype: type, wanted: str, found: str
) -> None:
    assert suffix_for(noise(channels, dtype), wanted) == found


@pytest.mark.parametrize(
    ("channels", "dtype", "wanted"),
    [(1, np.uint8, "jpg"), (1, np.uint8, "webp"), (3, np.uint16, "webp"), (1, np.uint16, "bmp"), (4, np.uint8, "bmp")],
)
def test_a_format_that_cannot_hold_the_image_is_refused(channels: int, dtype: type, wanted: str) -> None:
    with pytest.raises(UsageError, match=r"--format: .*choose .*\.tiff"):
        suffix_for(noise(channels, dtype), wanted)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full is needed")
@pytest.mark.parametrize("level", [1, 6])
@pytest.mark.parametrize("suffix", [".png", ".tiff", ".webp", ".bmp"])
def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, level: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (300, 300, 3)).astype(np.uint8)
    monkeypatch.setattr("flawsmith.data.files.token_hex", lambda _: "full")
    (tmp_path / ".full.part").symlink_to("/dev/full")
    with pytest.raises(UserError, match="No space left"):
        write_image(tmp_path / f"a{suffix}", image, level)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_colour_png_keeps_both_bytes(tmp_path: Path, channels: int) -> None:
    path, image = tmp_path / "a.png", noise(channels, np.uint16)
    path.write_bytes(png48(image))
    np.testing.assert_array_equal(read_image(path), image)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_tiff_of_either_byte_order(
    tmp_path: Path, byteorder: str, compression: str | None, channels: int
) -> None:
    path, image = tmp_path / "a.tif", noise(channels, np.uint16)
    kind = "minisblack" if channels == 1 else "rgb"
    pixels = image[..., 0] if channels == 1 else image
    extra = ["unassalpha"] if channels == 4 else None
    tifffile.imwrite(path, pixels, byteorder=byteorder, compression=compression, photometric=kind, extrasamples=extra)
    np.testing.assert_array_equal(read_image(path), image)


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_8_bit_formats_hold_the_same_pixels(tmp_path: Path, form: str, mode: str) -> None:
    image = noise({"L": 1, "RGB": 3}[mode], np.uint8)
    path = tmp_path / "wrong_extension.png"
    Image.fromarray(image.squeeze()).save(path, form, lossless=True)
    found = read_image(path)
    np.testing.assert_array_equal(found, image if form != "WEBP" else np.broadcast_to(image, found.shape))


@pytest.mark.parametrize("mode", ["1", "P", "LA", "CMYK", "YCbCr", "PA"])
def test_other_modes_become_grey_or_rgb(tmp_path: Path, mode: str) -> None:
    smooth = np.tile(np.arange(0, 250, 10, dtype=np.uint8), (9, 1))
    source = Image.fromarray(np.stack([smooth, smooth[:, ::-1], smooth], -1))
    form = {"CMYK": "TIFF", "YCbCr": "TIFF", "PA": "PNG"}.get(mode, "PNG")
    source.convert("P" if mode == "PA" else mode).save(
        tmp_path / "a", form, **({"transparency": 3} if mode == "PA" else {})
    )
    image = read_image(tmp_path / "a")
    assert image.shape[2] == {"1": 1, "P": 3, "LA": 1, "CMYK": 3, "YCbCr": 3, "PA": 4}[mode]
    assert image.dtype == np.uint8
    if mode == "1":
        assert set(np.unique(image)) == {0, 255}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_exif_orientation_is_applied_once(tmp_path: Path, orientation: int, form: str) -> None:
    block = 8 if form == "JPEG" else 1  # whole JPEG blocks of one grey each survive the compression
    stored = np.kron(np.array([[1, 2, 3], [4, 5, 6]], np.uint8) * 40, np.ones((block, block), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "a", form, exif=exif, **({"lossless": True} if form == "WEBP" else {}))
    seen = read_image(tmp_path / "a")[::block, ::block, 0]
    np.testing.assert_allclose(seen / 40, SEEN[orientation], atol=0.05)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["rgb", "minisblack"])
def test_exif_orientation_of_16_bit_tiff(tmp_path: Path, orientation: int, kind: str) -> None:
    stored = np.array([[1, 2, 3], [4, 5, 6]], np.uint16) * 1001
    if kind == "rgb":
        stored = np.repeat(stored[..., None], 3, axis=2)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric=kind, extratags=[(274, "H", 1, orientation, True)])
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif")[..., -1], np.array(SEEN[orientation]) * 1001)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
def test_a_truncated_file_is_refused_or_whole(tmp_path: Path, form: str) -> None:
    image = np.random.default_rng(1).integers(0, 256, (40, 56, 3)).astype(np.uint8)
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, form)
    content, path = buffer.getvalue(), tmp_path / "a"
    path.write_bytes(content)
    whole = read_image(path)
    refused = 0
    for share in range(0, 100, 5):
        path.write_bytes(content[: len(content) * share // 100])
        try:
            np.testing.assert_array_equal(read_image(path), whole)
        except UserError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused >= 19  # the last 5 % of a TIFF may be its metadata


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
def test_flipped_bits_never_raise_anything_else(tmp_path: Path, form: str) -> None:
    rng, buffer, path = np.random.default_rng(2), BytesIO(), tmp_path / "a"
    Image.fromarray(noise(3, np.uint8)).save(buffer, form)
    for _ in range(60):
        content = bytearray(buffer.getvalue())
        content[rng.integers(min(len(content), 200))] ^= 1 << int(rng.integers(8))
        path.write_bytes(content)
        try:
            assert read_image(path).ndim == 3
        except UserError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.png"):
        read_image(tmp_path / "a.png")


def test_missing_file_folder_and_link_loop_are_refused(tmp_path: Path) -> None:
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    for path in (tmp_path / "none.png", tmp_path, tmp_path / "loop.png"):
        with pytest.raises(UserError):
            read_image(path)


def test_the_bomb_guard_stays_as_pillow_sets_it() -> None:
    assert Image.MAX_IMAGE_PIXELS == 89478485  # Pillow's own guard stays on


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    Image.new("1", (40000, 10000)).save(tmp_path / "bomb.png")
    with pytest.raises(UserError, match="too large"):
        read_image(tmp_path / "bomb.png")


def test_several_frames_are_refused(tmp_path: Path) -> None:
    frames = [Image.fromarray(noise(3, np.uint8, seed)) for seed in range(3)]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    with pytest.raises(UserError, match="3 frames"):
        read_image(tmp_path / "a.tif")


def test_float_images_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros(SHAPE, np.float32))
    with pytest.raises(UserError, match="8 or 16 bits"):
        read_image(tmp_path / "a.tif")


def test_written_mask_is_one_bit_and_read_back_as_0_and_1(tmp_path: Path) -> None:
    mask = noise(1, np.uint8)[..., 0] > 128
    write_mask(tmp_path / "m.png", mask)
    assert Image.open(tmp_path / "m.png").mode == "1"
    values = read_mask(tmp_path / "m.png")
    assert values.dtype == np.uint8
    np.testing.assert_array_equal(values, mask)


@pytest.mark.parametrize("kind", ["grey", "rgb", "rgba", "palette", "16-bit"])
def test_masks_keep_their_raw_values(tmp_path: Path, kind: str) -> None:
    ids = np.random.default_rng(3).integers(0, 4, SHAPE).astype(np.uint8)
    path = tmp_path / "m.png"
    alpha = np.random.default_rng(4).integers(0, 256, SHAPE).astype(np.uint8)
    if kind == "palette":
        image = Image.frombytes("P", SHAPE[::-1], ids.tobytes())
        image.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0, 0, 0, 200])
        image.save(path)
    elif kind == "16-bit":
        Image.fromarray(ids.astype(np.uint16) * 300).save(path)
    else:
        stack = {"grey": [ids], "rgb": [ids] * 3, "rgba": [ids] * 3 + [alpha]}[kind]
        Image.fromarray(np.stack(stack, -1).squeeze()).save(path)
    np.testing.assert_array_equal(read_mask(path), ids.astype(int) * (300 if kind == "16-bit" else 1))


def test_a_jpeg_mask_and_a_coloured_mask_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros(SHAPE, np.uint8)).save(tmp_path / "m.png", "JPEG")
    with pytest.raises(UserError, match="JPEG"):
        read_mask(tmp_path / "m.png")
    Image.fromarray(noise(3, np.uint8)).save(tmp_path / "c.png")
    with pytest.raises(UserError, match="colours"):
        read_mask(tmp_path / "c.png")


@given(hnp.arrays(st.sampled_from([np.uint8, np.uint16]), hnp.array_shapes(min_dims=2, max_dims=2, max_side=6)))
def test_float_and_back_is_the_identity(values: np.ndarray) -> None:
    image = values[..., None]
    floats = to_float(image, 1)
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(to_uint(floats, image.dtype), image)


def test_to_float_maps_channels() -> None:
    image = noise(4, np.uint8)
    colour = to_float(image, 3)
    assert colour.shape == (3, *SHAPE)
    oracle = np.asarray(Image.fromarray(image[..., :3]).convert("L"))
    np.testing.assert_allclose(to_float(image, 1)[0] * 255, oracle, atol=0.51)
    np.testing.assert_array_equal(to_float(image[..., :1], 3)[2] * 255, image[..., 0])


def test_to_uint_clips_and_rounds() -> None:
    values = np.array([[[-1.0, 0.5, 2.0, 0.0019]]], np.float32)
    np.testing.assert_array_equal(to_uint(values, np.uint8)[..., 0], [[0, 128, 255, 0]])
