"""Faults of folders: another set in the same place, disks that are full or read-only, odd names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

from PIL import Image
from torture_tools import Bench, End, Fault, Seen, damaged, disk, leavings, plain, read_only, tree

AT_ONCE = 2.0  # s that a refusal may take beyond what starting the program does
BLOCK = 4096  # bytes, in which a disk gives its space
LONG = "ü" * 120 + "x" * 15  # 255 bytes
NAMES = ("with spaces", "größe 測試 🔩", "quote'\"$HOME;*", "line\nend", LONG)


def changes(bench: Bench, seen: Seen) -> str:
    """R5: a set taken up with one thing changed, half done and done."""
    half, done = bench.fresh(), bench.fresh()
    command = bench.generate(half)
    assert command.until(lambda: (half / "journal.jsonl").exists())
    command.kill()
    bench.generate(done).wait()
    named = 0
    for output in (half, done):
        for what, arguments, change, words in _changes(bench):
            before = tree(output)
            with change():
                end = bench.generate(output, *arguments).wait()
            seen.times += 1
            refused = end.code in (1, 2) and end.in_order and len(end.told.strip().splitlines()) == 1
            seen.must(refused, f"{what}: exit code {end.code}: {end.last}")
            named += seen.must(all(word in end.last for word in words), f"{what}: not named: {end.last}")
            kept = {name for name in before if name != ".lock"}  # a refusal takes the killed one's lock away
            seen.must(tree(output) == {name: before[name] for name in kept}, f"{what}: something was overwritten")
        end = bench.generate(output).wait()
        seen.must(end.code == 0 and tree(output) == bench.expected, f"as it was: {end.last}")
    return f"all refused, {named} of {seen.times} named the difference; nothing overwritten; each went on as it was"


def _changes(bench: Bench) -> Iterator[tuple[str, list[object], Callable[[], _Edit], tuple[str, ...]]]:
    """What, options, what is done to files for the while, words of the message."""
    run, part = bench.run, sorted((bench.parts / "images").glob("good*"))[2]
    bank = run / "bank.safetensors"
    nothing = _Edit.none
    yield "count", ["-n", bench.count + 1], nothing, ("config.count was",)
    yield "painter", ["--painter", "poisson"], nothing, ("config.painter was",)
    yield "scene", ["--distance", 9], nothing, ("config.scene.control.distance was 6, is 9",)
    yield "format", ["--compression", 3], nothing, ("config.level was 1, is 3",)
    yield "seed", ["--seed", 1], nothing, ("seed was 0, is 1",)
    yield "bank, a byte", [], lambda: _Edit(bank, _flipped(bank.read_bytes(), -99)), ("bank.safetensors", "damaged")
    yield "bank, a value", [], lambda: _Edit(bank, _rebuilt(bank)), ("run was",)
    yield "clean part, a byte", [], lambda: _Edit(part, _flipped(part.read_bytes(), -20)), (part.name,)
    yield "clean part, a pixel", [], lambda: _Edit(part, _redrawn(part)), (part.name, "changed")
    yield "clean part gone", [], lambda: _Edit(part, None), (part.name,)


class _Edit:
    """A file that has other content, or is gone, for the while."""

    def __init__(self, path: Path | None = None, content: bytes | None = None) -> None:
        self.path, self.content = path, content

    @classmethod
    def none(cls) -> _Edit:
        """Nothing is changed."""
        return cls()

    def __enter__(self) -> None:
        if self.path is None:
            return
        self.before = self.path.read_bytes()
        if self.content is None:
            self.path.unlink()
        else:
            self.path.write_bytes(self.content)

    def __exit__(self, *_: object) -> None:
        if self.path is not None:
            self.path.write_bytes(self.before)


def _flipped(content: bytes, at: int) -> bytes:
    changed = bytearray(content)
    changed[at] ^= 1
    return bytes(changed)


def _rebuilt(path: Path) -> bytes:
    """A sound bank with one healed pixel changed."""
    from flawsmith.data.checkpoint import load, save

    tensors, config = load(path)
    tensors["0.healed"].view(-1)[0] ^= 1
    other = path.with_name("other.safetensors")
    save(other, tensors, config)
    content = other.read_bytes()
    other.unlink()
    return content


def _redrawn(path: Path) -> bytes:
    """The same picture with one pixel a level brighter or darker."""
    with Image.open(path) as image:
        image.putpixel((3, 3), image.getpixel((3, 3)) ^ 1)
        stream = BytesIO()
        image.save(stream, "PNG")
    return stream.getvalue()


def full(bench: Bench, seen: Seen) -> str:
    """R7: a disk that is full after a random number of bytes, then has room for a little more, and at last for all."""
    blocks = sum(-(-path.stat().st_size // BLOCK) for path in bench.whole.rglob("*") if path.is_file())
    times, held, mounted = (2 if bench.quick else 10), 0, bench.fresh()
    with disk(mounted, BLOCK) as resize:
        for turn in range(1 if bench.quick else 2):
            output = mounted / f"set{turn}"
            for size in sorted((turn + 1, *(bench.random.randrange(2, blocks) for _ in range(times - 1)))):
                resize((held + size) * BLOCK)
                _spoilt(bench, seen, output, bench.generate(output).wait(), "No space left on device")
            resize((held + 3 * blocks) * BLOCK)
            _resumed(bench, seen, output)
            held += blocks
    for _ in range(1 if bench.quick else 5):
        output = bench.fresh()
        most = bench.random.randrange(1000, 60_000)
        _spoilt(bench, seen, output, bench.generate(output, most=most).wait(), "File too large")
        _resumed(bench, seen, output)
    return "one line with path and reason, exit code 1; no file damaged; resumed to the same bytes"


def _spoilt(bench: Bench, seen: Seen, output: Path, end: End, reason: str) -> None:
    """A run that could not write: a message, and nothing half written."""
    seen.times += 1
    told = end.code == 1 and end.in_order and reason in end.last and str(output) in end.last
    seen.must(told, f"exit code {end.code}: {end.last}")
    found = damaged(output, bench.expected) if output.exists() else []
    seen.must(not found, f"damaged: {', '.join(found)}")


def _resumed(bench: Bench, seen: Seen, output: Path) -> None:
    end = bench.generate(output).wait()
    seen.must(end.code == 0, f"with space: exit code {end.code}: {end.last}")
    seen.must(tree(output) == bench.expected and not leavings(output), "other bytes than with enough space")


def places(bench: Bench, seen: Seen) -> str:
    """R8: an output that is read-only or a file; names that are odd but allowed."""
    idle = plain(bench.painting(bench.fresh(), "--dry-run")).seconds
    file, closed = bench.fresh(), bench.fresh()
    file.write_bytes(b"kept")
    closed.mkdir()
    slowest = [
        _refused(seen, plain(bench.painting(file)), idle, 2, "a file"),
        _refused(seen, plain(bench.painting(file / "below")), idle, 1, "below a file"),
        _refused(seen, plain(bench.painting(closed / ("x" * 256))), idle, 1, "a name of 256 bytes"),
    ]
    seen.must(file.read_bytes() == b"kept", "the file was overwritten")
    for name in NAMES[:2] if bench.quick else NAMES:
        output = bench.fresh() / name
        end = bench.generate(output).wait()
        seen.times += 1
        seen.must(end.code == 0 and tree(output) == bench.expected, f"{name!r}: {end.last}")
    with read_only(closed):
        slowest.append(_refused(seen, plain(bench.painting(closed / "out")), idle, 1, "read-only"))
        seen.must(not any(closed.iterdir()), "something was written")
    return (
        f"{len(NAMES)} odd names: same bytes; refused within {max(*slowest, 0.0):.1f} s of processor time, "
        f"beside the {idle:.1f} s of starting"
    )


def _refused(seen: Seen, end: End, idle: float, code: int, what: str) -> float:
    """Seconds that a refusal took beyond starting."""
    seen.times += 1
    told = end.code == code and end.in_order and len(end.told.strip().splitlines()) <= 4  # click says how it is used
    seen.must(told, f"{what}: exit code {end.code}: {end.last}")
    seen.must(end.seconds - idle < AT_ONCE, f"{what}: refused after {end.seconds - idle:.1f} s")
    return end.seconds - idle


WRITES = (
    Fault(
        "R5",
        "resumed with another count, painter, scene, compression, seed, bank or clean part (a byte, or gone)",
        "refused, naming the difference; nothing overwritten",
        changes,
    ),
    Fault(
        "R7",
        "a disk full after random numbers of bytes; a limit on file sizes",
        "one line with path and reason, exit code 1, no truncated file; resumes to the same bytes",
        full,
    ),
    Fault(
        "R8",
        "an output that is read-only, a file, below a file; names with spaces, Unicode, 255 bytes",
        "refused within 2 s, or same bytes",
        places,
    ),
)
