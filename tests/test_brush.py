"""Label Studio's packed masks against a slow decoder written after the description of the format, bit by bit."""

import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from flawsmith.data.formats.brush import brush, decode, encode
from flawsmith.data.geometry.shape import BadShape

EXAMPLE = [0, 0, 44, 204, 57, 27, 255, 19, 135, 0, 201]  # how a mask of 61×47 px begins: 1250 px, then 20 of the pit

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=40))


def slow(packed: bytes) -> list[int]:
    """All values, one bit after the other."""
    bits = "".join(f"{byte:08b}" for byte in packed)
    place = 0

    def take(count: int) -> int:
        nonlocal place
        place += count
        assert place <= len(bits)
        return int(bits[place - count : place], 2)

    total, word = take(32), take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < total:
        repeated = take(1)
        length = take(sizes[take(2)]) + 1
        values += [take(word)] * length if repeated else [take(word) for _ in range(length)]
    return values


def pack(
    values: list[int], pieces: list[tuple[bool, int]], word: int = 8, sizes: tuple[int, ...] = (3, 4, 8, 16)
) -> bytes:
    """Another writer: runs and literal stretches as `pieces` of (repeated, length) say."""
    bits = f"{len(values):032b}{word - 1:05b}" + "".join(f"{size - 1:04b}" for size in sizes)
    start = 0
    for repeated, length in pieces:
        choice = next(i for i, size in enumerate(sizes) if length <= 1 << size)
        bits += f"{repeated:b}{choice:02b}{length - 1:0{sizes[choice]}b}"
        bits += "".join(f"{value:0{word}b}" for value in values[start : start + (1 if repeated else length)])
        start += length
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def full(packed: bytes, height: int, width: int) -> np.ndarray:
    return brush(list(packed), height, width).patch(height, width).full(height, width)


@given(masks)
@settings(max_examples=60, deadline=None)
def test_what_is_packed_is_unpacked_the_same(mask: np.ndarray) -> None:
    assert (full(encode(mask), *mask.shape) == mask).all()


@given(masks)
@settings(max_examples=40, deadline=None)
def test_an_independent_decoder_finds_255_in_all_four_channels(mask: np.ndarray) -> None:
    values = np.array(slow(encode(mask))).reshape(*mask.shape, 4)
    assert (values == np.where(mask, 255, 0)[..., None]).all()


@given(st.data(), st.integers(1, 12), st.sampled_from([(3, 4, 8, 16), (1, 2, 3, 4), (16, 16, 16, 16), (2, 8, 1, 5)]))
@settings(max_examples=60, deadline=None)
def test_any_word_and_sizes_runs_and_literals_are_read_like_the_independent_decoder(data, word, sizes) -> None:
    height, width = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    values: list[int] = []
    pieces: list[tuple[bool, int]] = []
    while (left := height * width * 4 - len(values)) > 0:
        repeated, length = data.draw(st.booleans()), data.draw(st.integers(1, min(left, 1 << min(max(sizes), 5))))
        one = st.integers(0, (1 << word) - 1)
        values += [data.draw(one)] * length if repeated else data.draw(st.lists(one, min_size=length, max_size=length))
        pieces.append((repeated, length))
    packed = pack(values, pieces, word, sizes)
    assert slow(packed) == values
    assert (full(packed, height, width) == (np.array(values).reshape(height, width, 4)[..., 3] > 0)).all()


def test_a_long_run_is_split_where_its_length_does_not_fit() -> None:
    for side in (127, 128, 129, 256, 300):  # 65536 values are 128×128 px
        mask = np.zeros((side, side), bool)
        assert (full(encode(mask), side, side) == mask).all()
        assert slow(encode(~mask)) == [255] * (side * side * 4)


def test_the_example_of_the_format_begins_as_it_should() -> None:
    mask = np.zeros((47, 61), bool)
    mask[20, 30:50] = True
    assert list(encode(mask)[:10]) == EXAMPLE[:10]
    with pytest.raises(BadShape, match="cut off after 5000 of 11468 values"):
        brush(EXAMPLE, 47, 61)


def test_alpha_alone_decides_and_any_of_it_counts() -> None:
    values = [255, 255, 255, 0, 0, 0, 0, 1, 9, 9, 9, 128, 0, 0, 0, 0]
    assert full(pack(values, [(False, 16)]), 1, 4).tolist() == [[False, True, True, False]]


WHOLE = encode(np.eye(9, 7, dtype=bool))


@pytest.mark.parametrize("cut", range(len(WHOLE)))
def test_every_cut_is_refused(cut: int) -> None:
    with pytest.raises(BadShape):
        decode(WHOLE[:cut], 9, 7)


@pytest.mark.parametrize(
    ("height", "width"), [(7, 8), (1, 1), (0, 63), (-9, -7), (9, 7000), (10**9, 10**9), (1, 2**40)]
)
def test_a_mask_of_another_size_is_refused(height: int, width: int) -> None:
    with pytest.raises(BadShape, match=r"252 values, its image|impossible size"):
        decode(WHOLE, height, width)


@pytest.mark.parametrize(
    "rle", [None, 7, "AAEC", {}, [], [256], [-1], [1.5], [None], [[1]], ["a"], [10**400], [float("nan")], [0] * 6]
)
def test_what_is_no_list_of_bytes_is_refused(rle: object) -> None:
    with pytest.raises(BadShape):
        brush(rle, 9, 7)


def test_bits_behind_the_end_are_refused_and_zeros_are_not() -> None:
    assert decode(WHOLE + bytes(3), 9, 7).sum() == 63
    with pytest.raises(BadShape, match="behind its end"):
        decode(WHOLE + b"\1", 9, 7)


def test_a_run_across_the_end_is_refused() -> None:
    with pytest.raises(BadShape, match="runs hold 8 values, not 4"):
        decode(pack([0] * 4, [(True, 8)]), 1, 1)


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_garbage_is_refused_or_read_as_the_independent_decoder_reads_it(noise: bytes) -> None:
    packed = (4 * 63).to_bytes(4, "big") + noise
    try:
        counts = decode(packed, 9, 7)
    except BadShape:
        return
    on = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    assert (on == (np.array(slow(packed)).reshape(-1, 4)[:, 3] > 0)).all()


@pytest.mark.parametrize(
    ("claim", "side", "why"),
    [
        (2**32 - 1, 23000, "values, its image"),
        (4 * 23000**2, 23000, "cut off"),  # 2 GB of RGBA that the image could have
        (4 * 23500**2, 23500, "impossible size"),
    ],
)
def test_a_claim_of_gigabytes_takes_no_memory(claim: int, side: int, why: str) -> None:
    packed = claim.to_bytes(4, "big") + bytes([57, 27, 255]) + bytes(64)
    tracemalloc.start()
    with pytest.raises(BadShape, match=why):
        decode(packed, side, side)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e6


def test_a_megabyte_of_the_shortest_runs_is_read_in_time() -> None:
    side = 1000
    packed = (4 * side * side).to_bytes(4, "big") + bytes(2) + bytes(500_000)  # words and lengths of one bit, all 0
    start = time.process_time()
    with pytest.raises(BadShape):
        decode(packed, side, side)
    assert time.process_time() - start < 30  # a walk from the start for each run takes hours
