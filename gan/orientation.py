"""How a class's defects lie: any way round, or one way, as on parts that are rolled, ground or lit from one side."""

from collections.abc import Sequence

import numpy as np

from flawsmith.data.direction import Vectors, agree
from flawsmith.gan.instance import Instance

CHANCE = 0.1  # that defects which lie any way round are taken for others: they are turned too little
FEWEST = 8  # parts that must show defects; on parts that lie straight, machine and lamp mostly lay defects one way too
FEWEST_LOOSE = 3  # where parts lie any way round themselves, and only the lamp can make their defects alike


def turn_freely(members: Sequence[Instance], loose: bool) -> bool:
    """Whether neither shading nor, on parts that do not lie any way round (`loose`), axes agree from part to part."""
    parts: dict[str, list[Vectors]] = {}
    for one in members:
        parts.setdefault(one.group, []).append(np.stack([one.axis, shading(one)]))
    if len(parts) < (FEWEST_LOOSE if loose else FEWEST):
        return False
    axes, shadings = np.stack([np.mean(found, 0) for found in parts.values()], 1)  # one part is one witness
    return not (agree(shadings, CHANCE) or (not loose and agree(axes, CHANCE)))


def shading(one: Instance) -> Vectors:
    """Towards which side the defect is brighter, and how clearly: (2,), down and across, of length 0 to 1 each."""
    rows, columns = np.nonzero(one.mask)
    change = (one.image - one.healed).mean(2)[one.mask].astype(float)
    places = np.stack([rows - rows.mean(), columns - columns.mean()])
    extent = np.sqrt((places**2).mean(1) + 1 / 12)
    return np.asarray((places * change).mean(1) / extent / (np.sqrt((change**2).mean()) + 1e-6))
