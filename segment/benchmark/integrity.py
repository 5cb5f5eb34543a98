"""The judgement of one cell: are the painted images what they seem, and has a network learned a trick from them?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from flawsmith.data.errors import UserError
from flawsmith.data.formats.reading import Data
from flawsmith.data.record import Record
from flawsmith.gan.bank import Bank
from flawsmith.gan.integrity.copies import Gallery, Match, copies
from flawsmith.gan.integrity.figure import Figure, plain
from flawsmith.gan.integrity.fill import fill, strength, unseen_tries
from flawsmith.gan.integrity.halo import halo
from flawsmith.gan.integrity.latent import latent
from flawsmith.gan.integrity.leak import leak
from flawsmith.gan.integrity.painted import Spot, entries, pictures, rejected
from flawsmith.gan.integrity.rim import rim
from flawsmith.gan.learned import LearnedPainter
from flawsmith.gan.painter import Painter
from flawsmith.gan.run import Run
from flawsmith.segment.across import material
from flawsmith.segment.benchmark.distance import NETWORK, Eye, Yardstick, stacked
from flawsmith.segment.benchmark.gains import REAL
from flawsmith.segment.benchmark.known import known_again, seen
from flawsmith.segment.benchmark.sham import fired, sham_pastes, shams
from flawsmith.segment.material import Material
from flawsmith.segment.model import Model, load_model
from flawsmith.segment.target import Target
from flawsmith.segment.trial import ARMS

IMAGES = 120  # of each painted set that are taken apart; leaks are looked for in all of them
COMPARED = 60  # painted defects, the classes in turn, that are compared with training defects
PLACES = 30  # that are painted again with other latents
CROPS = 60  # of each class and kind for the kernel distance
SHOWN = 6  # painted defects of each class in the gallery, the first there are: chosen by nobody


@dataclass(frozen=True, eq=False)
class Painted:
    """What was seen of one painter's set: its defects, what the first COMPARED resemble, and features by class."""

    folder: Path
    spots: tuple[Spot, ...]
    matches: tuple[Match, ...]
    features: tuple[NDArray[np.float64], ...]  # (n, F) a class; none without the feature network
    known: tuple[float, ...]  # see known.py, a defect each; none without a network that saw no paint


def judge_cell(
    cell: Path,
    root: Data,
    split: Path | None,
    real: int | str | None,
    classes: Sequence[str] | None,
    arms: Sequence[str],
    device: torch.device,
    seed: int,
    target: Target | None = None,
) -> dict[str, Any]:
    """{"integrity": figures, "distance": rows, "sham": by arm, "gallery": pairs, "notes"} of a finished cell, for JSON.

    `real` is a number of images, "all" or None. A cell without any painted set gives empty ones. With a target its
    real defects are what the painted ones are compared with.
    """
    run = next((cell / name for name in ("fit", "bank") if (cell / name / "bank.safetensors").exists()), None)
    if run is None:
        return {"integrity": [], "distance": [], "sham": {}, "gallery": [], "notes": []}
    opened = Run.open(run)
    data = material(root, split, real if isinstance(real, int) else None, seed, classes, target)
    clean = data.clean
    eye, notes = _eye(device)
    gallery = Gallery(opened.bank)
    names = dict.fromkeys(painter for arm in arms for painter in ARMS[arm].painters)
    models = {arm: cell / "arms" / arm / "model" for arm in arms if (cell / "arms" / arm / "model").exists()}
    unpainted = load_model(models[REAL], device) if REAL in models else None
    sets = {name: look(cell / "synthetic" / name, opened.bank, clean, gallery, eye, unpainted) for name in names}
    test = [record for record in data.test if record.good]
    shown = list(shams(opened.bank, test, seed)) if test else []
    sham = {arm: fired(load_model(path, device), shown) for arm, path in models.items()}
    figures = _figures(opened, sets, gallery, clean, device, seed)
    figures.append(sham_pastes(sham, [arm for arm in arms if ARMS[arm].painters]))
    if unpainted is not None:
        figures.append(known_again({name: one.known for name, one in sets.items()}))
    return {
        "integrity": [figure.row() for figure in figures],
        "distance": plain(_distances(data, sets, eye, real, seed) if eye else []),
        "sham": plain(sham),
        "gallery": plain(_pairs(opened.bank, sets["gan"], cell) if "gan" in sets else []),
        "notes": notes,
    }


def look(
    folder: Path, bank: Bank, good: Sequence[Record], gallery: Gallery, eye: Eye | None, unpainted: Model | None
) -> Painted:
    """Takes a set apart, image by image."""
    spots: list[Spot] = []
    known: list[float] = []
    features: list[list[NDArray[np.float64]]] = [[] for _ in bank.classes]
    for picture in pictures(folder, bank, good, IMAGES):
        found = picture.spots(bank.channels)
        spots += found
        if eye is not None:
            room = CROPS - len(features[picture.defect])
            features[picture.defect] += [eye.look(picture.after, spot.box) for spot in found[:room]]
        if unpainted is not None:
            known += seen(unpainted, picture)
    matches = tuple(map(gallery.nearest, spots[:COMPARED]))
    return Painted(folder, tuple(spots), matches, tuple(map(stacked, features)), tuple(known))


def _eye(device: torch.device) -> tuple[Eye | None, list[str]]:
    """The feature network; without its weights none, and a note."""
    try:
        return Eye(device), []
    except UserError as error:
        return None, [f"No kernel distance: {error}."]


def _figures(
    run: Run, sets: Mapping[str, Painted], gallery: Gallery, good: Sequence[Record], device: torch.device, seed: int
) -> list[Figure]:
    """The figures of the GAN's set, those of the other painters in their detail; of every set that nothing leaked."""
    found = {
        name: _of_painter(run.painter(name, device), run.bank, painted, gallery, good, seed)
        for name, painted in sets.items()
    }
    leaks = [replace(own[0], name=own[0].name + ("" if name == "gan" else f" ({name})")) for name, own in found.items()]
    others = {name: own for name, own in found.items() if name != "gan"}
    return leaks + [_beside(one, others) for one in found.get("gan", [])[1:]]


def _of_painter(
    hand: Painter, bank: Bank, painted: Painted, gallery: Gallery, good: Sequence[Record], seed: int
) -> list[Figure]:
    """The leak first; the latent only of a painter that has one."""
    rows, spots = entries(painted.folder), painted.spots
    unseen = unseen_tries(rows, rejected(painted.folder)) / max(sum(len(row["defects"]) for row in rows), 1)
    return [
        leak(pictures(painted.folder, bank, good), hand, bank.channels),
        fill(spots, bank, unseen),
        strength(spots, bank),
        copies(painted.matches, gallery),
        rim(spots, bank, seed),
        halo(hand, bank, good, seed),
        *([latent(hand, spots[:PLACES], bank)] if isinstance(hand, LearnedPainter) else []),
    ]


def _beside(figure: Figure, others: Mapping[str, Sequence[Figure]]) -> Figure:
    """The figure with the other painters' values of the same name in its detail: copy-paste shows what a copy gives."""
    values = {name: one.value for name, own in others.items() for one in own if one.name == figure.name}
    return replace(figure, detail={**figure.detail, **values})


def _distances(
    data: Material, sets: Mapping[str, Painted], eye: Eye, real: int | str | None, seed: int
) -> list[dict[str, Any]]:
    """A row for each class and painter, the distance between real defects beside it."""
    rows = []
    for index, name in enumerate(data.fitted.classes):
        drawn, held, called = data.compared(name)
        yardstick = Yardstick(drawn, held, called, eye, CROPS)
        about = {"seed": seed, "real": "all" if real is None else real, "class": name, "network": NETWORK}
        about |= yardstick.floor(seed)
        rows += [
            {**about, "painter": painter, **yardstick.measure(one.features[index], seed)}
            for painter, one in sets.items()
        ]
    return rows


def _pairs(bank: Bank, painted: Painted, cell: Path) -> list[dict[str, Any]]:
    """The first painted defects of each class beside the training defect that looks most like each."""
    seen, found = Counter[int](), []
    for spot, match in zip(painted.spots, painted.matches, strict=False):
        seen[spot.defect] += 1
        if seen[spot.defect] <= SHOWN:
            nearest = {"image": bank.instances[match.instance].source, **match._asdict()}
            image = (painted.folder / spot.image).relative_to(cell).as_posix()
            found.append(
                {"painted": image, "box": list(spot.box), "defect": bank.classes[spot.defect], "nearest": nearest}
            )
    return found
