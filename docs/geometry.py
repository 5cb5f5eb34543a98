"""The table of docs/geometry.md: how large the same polygons become in flawsmith and in other libraries.

python docs/geometry.py

OpenCV is no dependency: pip install opencv-python-headless, or its rows are left out.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pycocotools import mask as rle
from skimage.draw import polygon2mask

from flawsmith.data.files import write_text
from flawsmith.data.geometry.shape import Points, Polygon

SIDE = 40  # px of the canvas
SIZES = ((3, 5), (5, 9), (9, 15))  # px: radii
COUNT = 400
Fill = Callable[[Points], NDArray[np.bool_]]
PAGE = """# One geometry

Written by `docs/geometry.py`; do not edit. Coordinates are pixels in [0, W] × [0, H], and **a pixel belongs to a shape
if its centre lies inside**; on an edge the left and upper pixels count. Then a 10×10 square has 100 pixels, shapes that
share an edge share no pixel, and areas are right in the mean. The table gives the error of the area over {count} random
polygons of each size, as the sum of their pixels over the sum of their true areas, and the pixels of a square from
(5, 5) to (15, 15).

{table}

Libraries that fill the outline too make small defects much too large, which teaches a network to see rims that are not
there and makes every overlap with another tool's masks worse. *coordinates - 0.5* shows what the same library gives
where the caller knows that its pixels have their centres at whole numbers.
"""


def polygons(low: float, high: float, seed: int = 0) -> list[Points]:
    """Star-shaped polygons of 4 to 15 points with radii between the limits, in px."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(COUNT):
        angles = np.sort(random.uniform(0, 2 * np.pi, random.integers(4, 16)))
        radii = random.uniform(low, high, len(angles))
        found.append(random.uniform(18, 22, 2) + radii[:, None] * np.c_[np.cos(angles), np.sin(angles)])
    return found


def area(ring: Points) -> float:
    """The true area, px²."""
    x, y = ring.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def by_pillow(ring: Points) -> NDArray[np.bool_]:
    """ImageDraw.polygon."""
    canvas = Image.new("1", (SIDE, SIDE))
    ImageDraw.Draw(canvas).polygon([tuple(point) for point in ring.tolist()], fill=1)
    return np.asarray(canvas)


def by_pycocotools(ring: Points) -> NDArray[np.bool_]:
    """frPyObjects, as COCO's evaluation fills them."""
    return np.asarray(rle.decode(rle.merge(rle.frPyObjects([ring.ravel().tolist()], SIDE, SIDE))), bool)


def painters() -> dict[str, Fill]:
    """All that are compared."""
    found: dict[str, Fill] = {
        "**flawsmith**": lambda ring: Polygon((ring,)).patch(SIDE, SIDE).full(SIDE, SIDE),
        "pycocotools": by_pycocotools,
        "Pillow `ImageDraw.polygon`": by_pillow,
        "Pillow, coordinates - 0.5": lambda ring: by_pillow(ring - 0.5),
        "scikit-image `polygon2mask`": lambda ring: polygon2mask((SIDE, SIDE), ring[:, ::-1]),
        "scikit-image, coordinates - 0.5": lambda ring: polygon2mask((SIDE, SIDE), ring[:, ::-1] - 0.5),
    }
    try:
        import cv2
    except ImportError:
        return found

    def by_opencv(ring: Points, shift: float = 0.0) -> NDArray[np.bool_]:
        canvas = np.zeros((SIDE, SIDE), np.uint8)
        cv2.fillPoly(canvas, [np.rint(ring - shift).astype(np.int32)], 1)
        return canvas > 0

    return found | {
        "OpenCV `fillPoly`, rounded": by_opencv,
        "OpenCV, coordinates - 0.5": lambda ring: by_opencv(ring, 0.5),
    }


def main() -> None:
    """Writes docs/geometry.md."""
    heads = [*(f"radius {low}–{high} px" for low, high in SIZES), "10×10 square"]
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    square = np.array([[5.0, 5], [15, 5], [15, 15], [5, 15]])
    for name, fill in painters().items():
        cells = []
        for low, high in SIZES:
            rings = polygons(low, high)
            bias = sum(int(fill(ring).sum()) for ring in rings) / sum(map(area, rings)) - 1
            cells.append(f"{bias:+.1%}")
        lines.append(f"| {name} | " + " | ".join([*cells, str(int(fill(square).sum()))]) + " |")
    write_text(Path(__file__).with_name("geometry.md"), PAGE.format(count=COUNT, table="\n".join(lines)))


if __name__ == "__main__":
    main()
