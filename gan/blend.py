"""Joining painted pixels with a clean part: exact Poisson blending, feathered edges, the final mix."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse import linalg

from flawsmith.gan.region import Mask, Pixels, bounding_box

NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))


def poisson(source: Pixels, target: Pixels, mask: Mask, mixed: bool = False) -> Pixels:
    """`target` (H, W, C) with the gradients of `source` (H, W, C) inside `mask` (H, W): Pérez et al. 2003, eq. 7.

    Solved exactly: fixed to the target at the mask's rim (Dirichlet), free where the mask meets the image's border
    (Neumann). `mixed` takes the stronger of both gradients (eq. 12). Pixels outside the mask are the target's own.
    A part of the mask without any rim (it covers the image) keeps the source's values.
    """
    result = target.copy()
    if not mask.any():
        return result
    window = bounding_box(mask, 1).slices
    source, target, mask = source[window], target[window], mask[window]
    matrix, right, fixed = _system(source.astype(np.float64), target.astype(np.float64), mask, mixed)
    if not fixed:
        result[window][mask] = source[mask]
        return result
    solver = linalg.splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    result[window][mask] = solver.solve(right).astype(np.float32)
    return result


def _system(
    source: NDArray[np.float64], target: NDArray[np.float64], mask: Mask, mixed: bool
) -> tuple[sparse.csc_matrix, NDArray[np.float64], bool]:
    """The equations of the mask's n pixels: matrix (n, n), right side (n, C), and whether any pixel is fixed."""
    height, width = mask.shape
    rows, columns = np.nonzero(mask)
    number = np.full(mask.shape, -1)
    number[mask] = np.arange(rows.size)
    diagonal, right = np.zeros(rows.size), np.zeros((rows.size, source.shape[2]))
    links: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    fixed = False
    for down, across in NEIGHBOURS:
        y, x = rows + down, columns + across
        inside = np.flatnonzero((y >= 0) & (y < height) & (x >= 0) & (x < width))
        here, there = (rows[inside], columns[inside]), (y[inside], x[inside])
        step = source[here] - source[there]
        if mixed:
            own = target[here] - target[there]
            step = np.where(np.abs(own) > np.abs(step), own, step)
        diagonal[inside] += 1
        right[inside] += step
        neighbour = number[there]
        free = neighbour >= 0
        links.append((inside[free], neighbour[free]))
        rim = inside[~free]
        right[rim] += target[there][~free]
        fixed = fixed or bool(rim.size)
    first = np.concatenate([link[0] for link in links] + [np.arange(rows.size)])
    second = np.concatenate([link[1] for link in links] + [np.arange(rows.size)])
    values = np.concatenate([np.full(first.size - rows.size, -1.0), diagonal])
    return sparse.csc_matrix((values, (first, second)), shape=(rows.size, rows.size)), right, fixed


def feather(mask: Mask, width: float) -> NDArray[np.float32]:
    """Alpha (H, W) float32: 1 deep inside `mask` (H, W), falling to 0 over `width` pixels outside its rim."""
    alpha = mask.astype(np.float32)
    if width > 0 and mask.any():
        window = bounding_box(mask, int(np.ceil(width)) + 1).slices
        outside = ndimage.distance_transform_edt(~mask[window]).astype(np.float32)
        alpha[window] = np.clip(1 - outside / np.float32(width + 1), 0, 1)
    return alpha


def composite(clean: Pixels, painted: Pixels, alpha: NDArray[np.float32]) -> Pixels:
    """The mix of `clean` and `painted` (H, W, C) by `alpha` (H, W); bit-identical to `clean` where alpha is 0."""
    weight = alpha[..., None]
    mixed = np.clip(clean + weight * (painted - clean), 0, 1)
    return np.where(weight > 0, mixed, clean)
