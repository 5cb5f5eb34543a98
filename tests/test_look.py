"""Models of every kind, looked at through one window: maps and defects."""

import numpy as np

from flawsmith.segment.look import look
from flawsmith.segment.models.objects import Object, drawn
from flawsmith.segment.tiles import Tiling

IMAGE = np.zeros((20, 30, 1), np.uint8)


class Pixels:
    """A model that gives maps."""

    classes, channels = ("pit", "dent"), 1

    def predict(self, image: np.ndarray) -> np.ndarray:
        maps = np.zeros((2, *image.shape[:2]), np.float32)
        maps[1, 2:5, 3:9] = 0.8
        return maps


class Boxes(Pixels):
    """A model that tells objects apart: two that overlap, and one that it hardly believes."""

    def find(self, image: np.ndarray, tiling: Tiling | None = None) -> tuple[Object, ...]:
        inside = np.pad(np.full((4, 4), 0.9, np.float32), 1, constant_values=0.2)
        return tuple(Object(0, score, 3, 3 + 2 * k, inside) for k, score in enumerate((0.9, 0.7, 0.3)))


class Grade(Pixels):
    """A model that grades the whole image."""

    def grade(self, image: np.ndarray) -> np.ndarray:
        return np.array([0.9, 0.1], np.float32)

    def predict(self, image: np.ndarray) -> np.ndarray:
        return np.broadcast_to(self.grade(image)[:, None, None], (2, *image.shape[:2]))


def test_defects_of_maps_are_their_pieces() -> None:
    maps, found = look(Pixels(), IMAGE, 0.5, 1, Tiling())
    assert [(one.defect, one.patch.box) for one in found] == [("dent", (3, 2, 6, 3))] and maps.max() == np.float32(0.8)


def test_objects_that_overlap_stay_apart() -> None:
    maps, found = look(Boxes(), IMAGE, 0.5, 1, Tiling())
    assert [(one.score, one.patch.box) for one in found] == [(0.9, (4, 4, 4, 4)), (0.7, (6, 4, 4, 4))]
    assert np.array_equal(maps, drawn(Boxes().find(IMAGE), 2, 20, 30))
    assert look(Boxes(), IMAGE, 0.5, 17, Tiling())[1] == ()


def test_a_grade_of_the_whole_has_no_place() -> None:
    maps, found = look(Grade(), IMAGE, 0.5, 1, Tiling())
    assert maps.shape == (2, 20, 30) and found == ()
