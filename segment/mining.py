"""Hard negatives: the places of good parts that a half-trained network takes for defects, to be shown more often.

After Sung & Poggio 1998 and Felzenszwalb et al. 2010. A few hundred good parts are a few thousand patches, of which a
short training sees a part; it is the rarest textures that raise false alarms on the next part.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage

from flawsmith.data.distributed import ALONE, Group
from flawsmith.segment.batches import Pool, Spot
from flawsmith.segment.metrics import SMOOTH
from flawsmith.segment.network import Network
from flawsmith.segment.segmenter import Segmenter

MOST = 200  # good parts that are looked at
KEPT = 0.25  # of them: those with the highest scores


def hard_spots(
    network: Network, good: Pool, classes: int, channels: int, device: torch.device, group: Group = ALONE
) -> tuple[Spot, ...]:
    """The highest spot of each of the good parts that score highest; the network comes back in training mode.

    Each process of the group looks at its share of the parts, for all.
    """
    segmenter = Segmenter.of(network, range(classes), channels, device)
    looked = range(0, len(good), max(1, len(good) // MOST))
    share = group.share(len(looked))
    highest = torch.zeros(share.size, 4, dtype=torch.float64)  # score, index, row, column
    for place, index in enumerate(looked[share.rows]):
        heat = ndimage.gaussian_filter(segmenter.predict(good.sample(index).image).max(0), SMOOTH)
        highest[place] = torch.tensor([heat.max(), index, *np.unravel_index(int(heat.argmax()), heat.shape)])
    network.train()
    found = [
        (score, (int(index), int(row), int(column))) for score, index, row, column in share.whole(highest).tolist()
    ]
    found.sort(reverse=True)
    return tuple(spot for _, spot in found[: max(1, round(KEPT * len(found)))])
