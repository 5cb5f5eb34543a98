"""What must hold of every set: requests that cannot be met end, labels are exact, and size costs no memory."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from torture_tools import Bench, Fault, Seen, Skipped, disk

if TYPE_CHECKING:
    from flawsmith.gan.production.crew import Entry, Paint
    from flawsmith.gan.production.task import Task

PAINTERS = ("gan", "paste", "poisson", "procedural")
MOST = 300e6  # bytes that a process may take beyond what it has before the first item
SLOPE = 1000.0  # bytes an item
START = 5.0  # s of processor time
CROOKED = 2.0  # times as long an item as in a smaller set: no longer linear


def impossible(bench: Bench, seen: Seen) -> str:
    """R21: places that are not there."""
    from conftest import make_parts

    spot, none, tiny = (bench.fresh().with_suffix(".png") for _ in range(3))
    for path, side in ((spot, 2), (none, 0), (tiny, 5)):
        mask = np.zeros((96, 112), np.uint8)
        mask[40 : 40 + side, 50 : 50 + side] = 255
        Image.fromarray(mask).save(path)
    small = make_parts(bench.fresh(), 1, 6, size=(48, 48))
    for part in (small / "images").glob("good*"):
        with Image.open(part) as image:
            image.crop((0, 0, 8, 8)).save(part)
    cases = (
        ("a region of 2×2 px", ("--region", spot), 3, "no place"),
        ("a region of 5×5 px, three defects", ("--region", tiny, "--defects", "3"), 3, "no place"),
        ("an empty region", ("--region", none), 1, "a region of interest has a pixel"),
        ("defects larger than the part", ("--size", "400:500"), 3, ""),
        ("defects farther apart than the part is long", ("--defects", "4", "--distance", 500), 3, "too near"),
        ("parts of 8×8 px", ("--clean", small), 3, ""),
    )
    reasons: list[str] = []
    for what, options, code, words in cases[:3] if bench.quick else cases:
        output = bench.fresh()
        for _ in range(2):  # and the same when it is given again
            end = bench.generate(output, *options, count=6).wait()
            seen.times += 1
            seen.must(
                end.code == code and end.in_order and words in end.last, f"{what}: exit code {end.code}: {end.last}"
            )
        if code == 3:
            summary = json.loads((output / "summary.json").read_text())
            counted = summary["given_up"] == 6 and sum(summary["reasons"].values()) > 0
            seen.must(counted and summary["images"] == 0, f"{what}: {summary}")
            reasons.append(max(summary["reasons"], key=summary["reasons"].get))
    return f"exit code 3 with counted reasons ({', '.join(dict.fromkeys(reasons))}), 1 for the empty region"


def labels(bench: Bench, seen: Seen) -> str:
    """R22: every pixel of painted sets, with pycocotools as the other opinion."""
    import torch

    from flawsmith.data.clean import good_parts
    from flawsmith.gan.gate import GateConfig
    from flawsmith.gan.production.config import GenerateConfig
    from flawsmith.gan.production.generate import generate
    from flawsmith.gan.scene import SceneConfig

    each = 10 if bench.quick else 250
    same, marked, good = 0, 0, good_parts(bench.parts, None)
    for painter in PAINTERS:
        raw = painter == "gan"  # three steps have taught it little: whatever can be seen counts
        scene = SceneConfig(least_fill=0.0, faintest=0.0) if raw else SceneConfig()
        config = GenerateConfig(each, painter, scene=scene, gate=GateConfig(not raw, not raw), again=12)
        output = bench.fresh()
        with supports() as painted_on:
            list(generate(bench.run, good, config, output, 0, torch.device("cpu")))
        unchanged, within = examine_labels(bench.parts, output, painted_on, seen)
        same, marked = same + unchanged, marked + within
        seen.times += each
    return (
        f"{seen.times} images of {len(PAINTERS)} painters; of {marked} label pixels {same / marked:.2%} kept "
        "their value"
    )


@contextmanager
def supports() -> Iterator[dict[tuple[int, ...], list[tuple[int, int, np.ndarray]]]]:
    """Within it, by image and attempt, the places where accepted paint was opaque: top, left, (h, w) bool."""
    from flawsmith.gan.production import worker

    honest, found = worker.accept, defaultdict(list)  # type: ignore[attr-defined, var-annotated]

    def accept(scene: Any, proposal: Any, paint: Any, *rest: Any) -> bool:
        accepted = honest(scene, proposal, paint, *rest)
        if accepted:
            found[scene.stream].append((proposal.top, proposal.left, (paint.alpha > 0) & proposal.allowed))
        return accepted

    worker.accept = accept  # type: ignore[attr-defined]
    try:
        yield found
    finally:
        worker.accept = honest  # type: ignore[attr-defined]


def examine_labels(
    clean: Path, output: Path, painted_on: dict[tuple[int, ...], list[tuple[int, int, np.ndarray]]], seen: Seen
) -> tuple[int, int]:
    """Label pixels that kept their value, and all label pixels; notes every promise about labels that is broken."""
    from pycocotools.coco import COCO

    with redirect_stdout(StringIO()):
        coco = COCO(output / "annotations.json")
    entries = [json.loads(line) for line in (output / "provenance.jsonl").read_text().splitlines()]
    ids = Counter(one["id"] for one in entries), Counter(coco.getImgIds()), Counter(coco.getAnnIds())
    seen.must(all(max(one.values()) == 1 for one in ids), "an id is there twice")
    seen.must(len(coco.getImgIds()) == len(entries), "COCO has other images")
    same = marked = 0
    for number, entry in zip(coco.getImgIds(), entries, strict=True):
        seen.must(coco.imgs[number]["file_name"] == entry["image"], f"{entry['image']}: COCO has another order")
        before, after = (_pixels(path) for path in (clean / entry["clean"], output / entry["image"]))
        mask = _pixels(output / entry["mask"]) > 0
        changed = (before != after).reshape(*mask.shape, -1).any(2)
        allowed = np.zeros(mask.shape, bool)
        for top, left, support in painted_on[(entry["index"], entry["again"])]:
            height, width = support.shape
            allowed[top : top + height, left : left + width] |= support
        seen.must(not (changed & ~allowed).any(), f"{entry['image']}: a pixel changed where alpha is 0")
        seen.must(not without(mask, changed), f"{entry['image']}: a label without a change")
        seen.must(not (mask & ~allowed).any(), f"{entry['image']}: a label where nothing was painted")
        _compare(coco, number, mask, entry["image"], seen)
        same, marked = same + int((mask & ~changed).sum()), marked + int(mask.sum())
    return same, marked


def without(mask: np.ndarray, changed: np.ndarray) -> int:
    """How many pieces of a mask (H, W) have no pixel that changed."""
    from scipy import ndimage

    pieces, count = ndimage.label(mask, np.ones((3, 3)))
    return int(count - len(np.unique(pieces[mask & changed])))


def _compare(coco: Any, number: int, mask: np.ndarray, name: str, seen: Seen) -> None:
    """The annotations of an image against its mask, their boxes and areas against their pixels."""
    union = np.zeros(mask.shape, bool)
    for one in coco.imgToAnns[number]:
        own = coco.annToMask(one) > 0
        rows, columns = np.nonzero(own)
        box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
        seen.must(one["bbox"] == box, f"{name}: a box {one['bbox']} for {box}")
        seen.must(one["area"] == own.sum(), f"{name}: an area of {one['area']} for {own.sum()}")
        seen.must(not (union & own).any(), f"{name}: two labels share a pixel")
        union |= own
    seen.must(bool((union == mask).all()), f"{name}: COCO and PNG differ")


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


def many(bench: Bench, seen: Seen) -> str:
    """R27: a plan of 100,000 items of a byte each; on a disk in memory, where so many files vanish at once."""
    folder = bench.fresh()
    try:
        with disk(folder, 2**31):
            return _many(bench, seen, folder)
    except Skipped:
        return _many(bench, seen, folder)


def _many(bench: Bench, seen: Seen, folder: Path) -> str:
    most = 3000 if bench.quick else 100_000
    marks = [most // 10, most // 2, most]
    output, once = folder / "resumed", folder / "once"
    _alone(_paint_many, bench, output, most, most // 10 * 6)  # stopped there
    resumed = _alone(_paint_many, bench, output, most, most)
    whole = _alone(_paint_many, bench, once, most, most)
    again = _alone(_paint_many, bench, output, most, most)
    base = whole["rss"][0]
    taken = [whole["rss"][mark] - base for mark in marks]
    slope = (taken[2] - taken[0]) / (marks[2] - marks[0])
    seen.times = most
    starts = {"start": whole["start"], "resume": resumed["start"], "when finished": again["start"]}
    for what, seconds in starts.items():
        seen.must(seconds < START, f"{what} after {seconds:.1f} s")
    seen.must(slope < SLOPE or bench.quick, f"{slope:.0f} bytes an item")
    seen.must(whole["peak"] - base < MOST, f"{(whole['peak'] - base) / 1e6:.0f} MB more at the end")
    seen.must(len(json.loads((output / "annotations.json").read_text())["images"]) == most, "images are missing")
    sizes = (500, 1500) if bench.quick else (10_000, 30_000)
    costs = [_merge_many(bench, folder / str(size), size) / size for size in sizes]
    seen.must(
        costs[1] < CROOKED * costs[0] or bench.quick,
        f"merge: {costs[0] * 1e6:.0f} µs an image, then {costs[1] * 1e6:.0f}",
    )
    memory = ", ".join(f"{one / 1e6:.0f}" for one in taken)
    return (
        f"first image after {starts['start']:.1f} s, resumed at 60 % after {starts['resume']:.1f} s, finished set "
        f"known after {starts['when finished']:.1f} s (processor time); {memory} MB more than at the first item "
        f"({base / 1e6:.0f} MB) at {', '.join(f'{mark:,}' for mark in marks)}: {slope:.0f} bytes an item, "
        f"{(whole['peak'] - base) / 1e6:.0f} MB at most, tables included; merge {costs[0] * 1e6:.0f} and "
        f"{costs[1] * 1e6:.0f} µs an image at {sizes[0]:,} and {sizes[1]:,}"
    )


def _alone(act: Any, *arguments: Any) -> Any:
    """What a function sends, from a process that has done nothing else."""
    context = get_context("forkserver")
    ours, theirs = context.Pipe(False)
    process = context.Process(target=act, args=(theirs, *arguments))
    process.start()
    theirs.close()
    found = ours.recv()
    process.join()
    return found


def _paint_many(pipe: Connection, bench: Bench, output: Path, count: int, stop: int) -> None:
    """Paints until `stop` items are done; sends seconds to the first, memory by items done, and the most of it."""
    began = time.process_time()
    found: dict[str, Any] = {"rss": {}, "start": None}
    events = _generate_many(bench, output, count)
    for event in events:
        done = event["done"]
        if found["start"] is None:
            found["start"], found["rss"][0] = time.process_time() - began, _memory("VmRSS")
        if done % (count // 10) == 0:
            found["rss"][done] = _memory("VmRSS")
        if done >= stop != count:
            events.close()
            break
    pipe.send(found | {"peak": _memory("VmHWM")})


def _merge_many(bench: Bench, folder: Path, count: int) -> float:
    """Seconds of processor time in which two shards are joined."""
    for number in (1, 2):
        for _ in _generate_many(bench, folder / f"shard-{number}-of-2", count, f"{number}/2"):
            pass
    return float(_alone(_merge, folder, folder / "joined"))


def _merge(pipe: Connection, folder: Path, output: Path) -> None:
    from flawsmith.gan.production.merge import merge

    began = time.process_time()
    for _ in merge([folder], output):
        pass
    pipe.send(time.process_time() - began)


def _generate_many(bench: Bench, output: Path, count: int, shard: str | None = None) -> Any:
    """A set whose images are a byte each."""
    import torch

    from flawsmith.data.clean import good_parts
    from flawsmith.gan.production.config import GenerateConfig
    from flawsmith.gan.production.generate import How, generate
    from flawsmith.gan.production.shard import Shard

    own, how = Shard.parse(shard) if shard else None, How(1, hire=hire_quick)
    config, good = GenerateConfig(count, "paste"), good_parts(bench.parts, None)
    return generate(bench.run, good, config, output, 0, torch.device("cpu"), shard=own, how=how)


def hire_quick(task: Task) -> Paint:
    """A painter that writes a byte for an image, and another one for a mask."""
    from hashlib import sha256

    from flawsmith.gan.production.worker import identity

    byte = sha256(b"x").hexdigest()
    for name in ("images", "masks"):
        (task.output / name).mkdir(exist_ok=True)
    (task.output / "images" / "byte").write_bytes(b"x")
    rle = {"size": [8, 8], "counts": "0a100c1"}
    defect = {"class": "pit", "box": [0, 0, 1, 2], "area": 2, "rle": rle, "top": 0, "left": 0, "try": 0}

    def painted(indices: Sequence[int]) -> Iterator[Entry]:
        for index in indices:
            names = {"image": f"images/{index:06d}.png", "mask": f"masks/{index:06d}.png"}
            for name in names.values():
                place(task.output / "images" / "byte", task.output / name)
            yield {
                **names,
                "id": identity(task.identity, index),
                "index": index,
                "group": "",
                "size": [8, 8],
                "defects": [defect],
                "clean": "images/good0.png",
                "failed_tries": {},
                "again": 0,
                "image_sha256": byte,
                "mask_sha256": byte,
            }

    return painted


def place(byte: Path, path: Path) -> None:
    """A file of one byte: another name for the same one, as far as the file system has them."""
    try:
        path.hardlink_to(byte)
    except OSError:
        path.write_bytes(b"x")


def _memory(what: str) -> int:
    """Bytes of memory that this process has, or has had at most."""
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith(what))
    return int(line.split()[1]) * 1024


SETS = (
    Fault(
        "R21",
        "regions too small or empty, defects larger than the part or too far apart, parts of 8×8 px",
        "it ends; exit code 3, each reason counted",
        impossible,
    ),
    Fault(
        "R22",
        "images of all painters, every pixel read by other libraries",
        "nothing changed where alpha is 0; every label shows a change; COCO = PNG; ids, boxes, areas exact",
        labels,
    ),
    Fault(
        "R27",
        "a plan of 100,000 items",
        "starts and resumes in 5 s, less than 1 kB an item and 300 MB; merge linear",
        many,
    ),
)
