"""How parts lie under the camera: straight, or any way round, as those that are dropped there."""

from collections.abc import Sequence

import numpy as np

from flawsmith.data.direction import agree, grain
from flawsmith.data.image import read_image, to_float
from flawsmith.data.record import Record

FEWEST, MOST = 6, 48  # parts that are looked at, an image of each
CHANCE = 0.01  # that parts which lie any way round are taken for straight ones, by each of two tests


def lie_any_way(good: Sequence[Record]) -> bool:
    """Whether the grain and the edges of good parts run another way on each; False where there are too few to tell."""
    first: dict[str, Record] = {}
    for record in good:
        first.setdefault(record.group, record)
    chosen = list(first.values())[:MOST]
    if len(chosen) < FEWEST:
        return False
    found = np.stack([grain(to_float(read_image(record.image), 1)[0]) for record in chosen])
    return not any(agree(found[:, angles], CHANCE) for angles in range(found.shape[1]))
