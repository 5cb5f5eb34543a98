"""Hard negatives: the places of good parts that a half-trained network takes for defects, to be shown more often.

After Sung & Poggio 1998 and Felzenszwalb et al. 2010. A few hundred good parts are a few thousand patches, of which a
short training sees a part; it is the rarest textures that raise false alarms on the next part.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage

from flawsmith.segment.batches import Pool, Spot
from flawsmith.segment.metrics import SMOOTH
from flawsmith.segment.network import Network
from flawsmith.segment.segmenter import Segmenter

MOST = 200  # good parts that are looked at
KEPT = 0.25  # of them: those with the highest scores


def hard_spots(network: Network, good: Pool, classes: int, channels: int, device: torch.device) -> tuple[Spot, ...]:
    """The highest spot of each of the good parts that score highest; the network comes back in training mode."""
    segmenter = Segmenter.of(network, range(classes), channels, device)
    found: list[tuple[float, Spot]] = []
    step = max(1, len(good) // MOST)
    for index in range(0, len(good), step):
        heat = ndimage.gaussian_filter(segmenter.predict(good.sample(index).image).max(0), SMOOTH)
        row, column = np.unravel_index(int(heat.argmax()), heat.shape)
        found.append((float(heat.max()), (index, int(row), int(column))))
    network.train()
    found.sort(reverse=True)
    return tuple(spot for _, spot in found[: max(1, round(KEPT * len(found)))])
