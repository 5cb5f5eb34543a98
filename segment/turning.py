"""Whether training patches are turned by any angle: only where the good parts themselves lie any way round."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flawsmith.data.augment import AugmentConfig
from flawsmith.data.direction import agree, grain
from flawsmith.data.image import to_float
from flawsmith.segment.batches import Pool

FEWEST, MOST = 3, 48  # parts that are looked at, an image of each


def settled(config: AugmentConfig, good: Pool) -> AugmentConfig:
    """The same with `turn` decided, where it was not."""
    return config if config.turn is not None else replace(config, turn=lie_any_way(good))


def lie_any_way(good: Pool) -> bool:
    """Whether the grain and the edges of good parts run another way on each; False where there are too few to tell."""
    first: dict[str, int] = {}
    for index, record in enumerate(good.records):
        first.setdefault(record.group, index)
    chosen = list(first.values())[:MOST]
    if len(chosen) < FEWEST:
        return False
    return not agree(np.stack([grain(to_float(good.sample(index).image, 1)[0]) for index in chosen]))
