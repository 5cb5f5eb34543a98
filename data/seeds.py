"""Randomness: item i of a named stream depends on (seed, stream, i) alone, never on order, batch size or workers."""

from zlib import crc32

import numpy as np


def rng(seed: int, stream: str, *index: int) -> np.random.Generator:
    """A generator for one item: the same arguments give the same numbers, any other give independent ones."""
    return np.random.default_rng(np.random.SeedSequence([seed, crc32(stream.encode()), *index]))
