"""Damage to files: as bytes, and as the trees that they hold, whose nodes are replaced, repeated and deleted."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import PurePosixPath
from random import Random
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from fuzz_seeds import Seed, pack, seeds

Files = list[tuple[str, bytes]]
Tree = Any  # nested lists of texts, numbers, … ; an object of JSON is a list of pairs


class Raw(str):
    """What is written as it stands, though it is no value of Python."""


class Members(list[Any]):
    """An object of JSON as a list of [key, value]: so a key may stand there twice."""


NASTY: tuple[Tree, ...] = (
    Raw("NaN"),
    Raw("-Infinity"),
    Raw("1e999"),
    Raw("1" + 400 * "0"),
    Raw(5000 * "9"),
    Raw(600 * "[" + 600 * "]"),
    Raw(60_000 * "["),
    Raw(900 * '{"a":' + "1" + 900 * "}"),
    "",
    " ",
    "../../x",
    "../part_001.png",
    "/etc/passwd",
    "C:\\x",
    "..\\..\\part_001.png",
    "file:///etc/passwd",
    "%2e%2e%2fpart_001.png",
    "\0",
    "a\nb",
    "\u202e",
    "\ud800",
    "é" * 300,
    "x" * 100_000,
    "good",
    "CON",
    ".",
    "..",
    "NaN",
    "1e999",
    "１２",
    "1_000",
    "-0",
    "0x10",
    None,
    True,
    False,
    0,
    -1,
    1,
    0.5,
    255,
    2**31,
    2**53 + 1,
    2**64,
    -(2**63),
    1e6,
    1e9,
    1e308,
    -1e-320,
    [],
    [[]],
    [[[[]]]],
    [None],
    Members(),
    Members([["", ""]]),
)
_LEAST = 20  # bytes: less is not worth a blow
_NEAR: tuple[Callable[[Any], Any], ...] = (
    lambda value: value + 1,
    lambda value: value - 1,
    lambda value: -value,
    lambda value: value * 10,
    lambda value: value / 3,
    round,
    lambda value: value + 0.25,
)


def damaged(random: Random, tree: bool) -> tuple[Seed, Files]:
    """One of the data sets, with one to four blows to one of its label files."""
    seed = random.choice(list(seeds().values()))
    files = list(seed.files.items())
    blows = random.choice((1, 1, 2, 4))
    if tree and random.random() < 0.15:
        for _ in range(blows):
            files = _in_folder(random, files)
        return seed, files
    label = random.choice(seed.labels)
    place = next(place for place, (name, _) in enumerate(files) if name == label)
    content = files[place][1]
    content = _as_tree(random, label, content, blows) if tree else _as_bytes(random, content, blows)
    files[place] = label, content
    return seed, files


def _as_bytes(random: Random, content: bytes, blows: int) -> bytes:
    for _ in range(blows):
        content = random.choice(_BLOWS)(random, content)
    return content


def _flip(random: Random, content: bytes) -> bytes:
    found = bytearray(content)
    for _ in range(random.choice((1, 1, 3, 30))):
        if found:
            found[random.randrange(len(found))] ^= 1 << random.randrange(8)
    return bytes(found)


def _span(random: Random, content: bytes) -> tuple[int, int]:
    first = random.randrange(len(content) + 1)
    return first, min(len(content), first + random.choice((1, 2, 8, 64, 4096)))


def _cut(random: Random, content: bytes) -> bytes:
    first, last = _span(random, content)
    return random.choice((content[:first], content[last:], content[:first] + content[last:]))


def _insert(random: Random, content: bytes) -> bytes:
    at = random.randrange(len(content) + 1)
    return content[:at] + random.choice((random.randbytes(random.choice((1, 4, 100))), _token(random))) + content[at:]


def _token(random: Random) -> bytes:
    """A nasty value, or a mark of one of the languages."""
    marks = (
        b"\0",
        b"\r",
        b"\n\n",
        b"]",
        b"}",
        b"{",
        b"[",
        b'"',
        b",",
        b";",
        b"<a>",
        b"</image>",
        b"&x;",
        b"&#0;",
        b":",
    )
    value = random.choice(NASTY)
    text = str(value) if isinstance(value, str | int | float) else json.dumps(value)
    return random.choice((*marks, text.encode("utf-8", "surrogatepass")))


def _repeat(random: Random, content: bytes) -> bytes:
    first, last = _span(random, content)
    return content[:last] + content[first:last] * random.choice((1, 1, 2, 50)) + content[last:]


def _swap(random: Random, content: bytes) -> bytes:
    one, other = sorted((_span(random, content), _span(random, content)))
    if one[1] > other[0]:
        return content[::-1] if random.random() < 0.05 else content[other[0] :] + content[: other[0]]
    parts = content[: one[0]], content[slice(*other)], content[one[1] : other[0]], content[slice(*one)]
    return b"".join(parts) + content[other[1] :]


def _number(random: Random, content: bytes) -> bytes:
    """Another number in the place of one."""
    places = [at for at, byte in enumerate(content) if 48 <= byte < 58]
    if not places:
        return content
    first = last = random.choice(places)
    while last < len(content) and content[last] in b"0123456789.eE-":
        last += 1
    return content[:first] + _token(random) + content[last:]


def _encode(random: Random, content: bytes) -> bytes:
    text = content.decode("utf-8", "replace")
    kind = random.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32", "latin-1", "cp1252", "utf-7"))
    return text.encode(kind, "replace")


def _ends(random: Random, content: bytes) -> bytes:
    return content.replace(b"\n", random.choice((b"\r\n", b"\r", b"\n\n", b"", "\u2028".encode(), b"\0\n")))


_BLOWS: tuple[Callable[[Random, bytes], bytes], ...] = (
    _flip,
    _flip,
    _cut,
    _insert,
    _insert,
    _repeat,
    _swap,
    _number,
    _number,
    _number,
    _encode,
    _ends,
)


def _as_tree(random: Random, name: str, content: bytes, blows: int) -> bytes:
    """The file taken apart, damaged and written again; what is no tree is replaced by another file of its kind."""
    read, write = _LANGUAGES.get(PurePosixPath(name).suffix, (None, None))
    if read is None or write is None or (len(content) < _LEAST and random.random() < 0.5):
        return _strange(random, content)
    tree = [read(content)]
    for _ in range(blows):
        _hit(random, tree)
    return write(tree[0] if tree else [])


def _strange(random: Random, content: bytes) -> bytes:
    """A picture of another kind, size or depth."""
    from PIL import Image

    size = random.choice(((61, 47), (47, 61), (1, 1), (300, 2), (62, 47)))
    mode = random.choice(("1", "L", "P", "RGB", "RGBA", "I;16", "LA", "CMYK", "F", "I"))
    kind = random.choice(("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF"))
    buffer = BytesIO()
    image = Image.frombytes("L", size, random.randbytes(size[0] * size[1]))
    if random.random() < 0.5:
        image = image.point(lambda value: value % 3)
    with suppress(OSError, ValueError):
        image.convert(mode).save(buffer, kind)
    return buffer.getvalue() or content[: len(content) // 2]


def _hit(random: Random, tree: list[Any]) -> None:
    """Replaces, repeats, deletes, swaps or empties a node anywhere below the root, in place."""
    parents = _parents(tree)
    if not parents:
        return
    parent = random.choice(parents)
    at = random.randrange(len(parent))
    other = random.choice(parents)
    what = random.randrange(12)
    if what > 7:
        parent[at] = _near(random, parent[at])
    elif what < 3:
        parent[at] = random.choice(NASTY)
    elif what == 3:
        copies = [parent[at]] * random.choice((1, 1, 3, 200))
        parent[at:at] = copies
    elif what == 4:
        del parent[at]
    elif what == 5:
        parent[at] = _copy(other[random.randrange(len(other))])
    elif what == 6:
        there = random.randrange(len(other))
        parent[at], other[there] = _copy(other[there]), _copy(parent[at])
    elif isinstance(parent[at], list):
        parent[at] = random.choice(([], [parent[at]], parent[at][::-1], parent[at][:1], Members()))
    else:
        parent[at] = random.choice((str(parent[at]), [parent[at]], Members([["x", parent[at]]])))


def _near(random: Random, value: Tree) -> Tree:
    """A value of the same kind, which may even be sound."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    if isinstance(value, str):
        with suppress(ValueError):
            return str(_near(random, float(value)))
        return random.choice((f" {value}", value.upper(), value[:-1], f"{value}é", value[::-1]))
    near: Callable[[Any], Any] = random.choice(_NEAR)
    with suppress(OverflowError, ValueError):  # of infinity, of thousands of digits
        return near(value)
    return value


def _parents(tree: list[Any]) -> list[list[Any]]:
    """All lists in the tree that hold anything."""
    found, open_ = [], [tree]
    while open_ and len(found) < 5000:
        node = open_.pop()
        if node:
            found.append(node)
        open_ += [child for child in node if isinstance(child, list)]
    return found


def _copy(tree: Tree, depth: int = 0) -> Tree:
    """The same tree once more: a node within itself would have no end."""
    if not isinstance(tree, list) or depth > 50:
        return "" if isinstance(tree, list) else tree
    return type(tree)(_copy(child, depth + 1) for child in tree)


def _read_json(content: bytes) -> Tree:
    return json.loads(content, object_pairs_hook=lambda pairs: Members([list(pair) for pair in pairs]))


def _json(tree: Tree) -> str:
    if isinstance(tree, Raw):
        return tree
    if isinstance(tree, Members):
        pairs = [pair if isinstance(pair, list) and len(pair) == 2 else ["x", pair] for pair in tree]
        return "{" + ", ".join(f"{json.dumps(_text(key))}: {_json(value)}" for key, value in pairs) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(map(_json, tree)) + "]"
    return json.dumps(tree.decode("latin-1") if isinstance(tree, bytes) else tree)


def _text(value: Tree) -> str:
    value = value.decode("latin-1") if isinstance(value, bytes) else value
    return value if isinstance(value, str) else _json(value)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _read_lines(content: bytes) -> Tree:
    return [_read_json(line) for line in content.splitlines() if line.strip()]


def _write_lines(tree: Tree) -> bytes:
    rows = tree if isinstance(tree, list) and not isinstance(tree, Members) else [tree]
    return _bytes("".join(f"{_json(row)}\n" for row in rows))


def _read_xml(content: bytes) -> Tree:
    def node(element: ElementTree.Element) -> Tree:
        attributes = [[key, value] for key, value in element.attrib.items()]
        return [element.tag, attributes, element.text or "", [node(child) for child in element]]

    return node(ElementTree.fromstring(content))


def _xml(tree: Tree) -> str:
    if not isinstance(tree, list) or len(tree) != 4 or not isinstance(tree[1], list):
        return escape(_text(tree)[:100_000])
    tag, attributes, content, children = tree
    pairs = (pair if isinstance(pair, list) and len(pair) == 2 else ["x", pair] for pair in attributes)
    listed = "".join(f" {_text(key)}={quoteattr(_text(value))}" for key, value in pairs)
    inner = "".join(map(_xml, children)) if isinstance(children, list) else _xml(children)
    return f"<{_text(tag)}{listed}>{escape(_text(content))}{inner}</{_text(tag)}>"


def _read_table(content: bytes) -> Tree:
    return [line.split(",") for line in content.decode().split("\n")]


def _write_table(tree: Tree) -> bytes:
    rows = tree if isinstance(tree, list) else [tree]
    return _bytes("\n".join(",".join(map(_text, row)) if isinstance(row, list) else _text(row) for row in rows))


def _read_words(content: bytes) -> Tree:
    return [line.split(" ") for line in content.decode().split("\n")]


def _write_words(tree: Tree) -> bytes:
    rows = tree if isinstance(tree, list) else [tree]
    return _bytes("\n".join(" ".join(map(_text, row)) if isinstance(row, list) else _text(row) for row in rows))


def _read_yaml(content: bytes) -> Tree:
    import yaml

    return _read_json(json.dumps(yaml.safe_load(content)).encode())


def _read_tar(content: bytes) -> Tree:
    with tarfile.open(fileobj=BytesIO(content)) as file:
        return [[member.name, file.extractfile(member).read()] for member in file]  # type: ignore[union-attr]


def _write_tar(tree: Tree) -> bytes:
    pairs = [pair for pair in tree if isinstance(pair, list) and len(pair) == 2] if isinstance(tree, list) else []
    named = [(_text(name)[:200], one if isinstance(one, bytes) else _bytes(_text(one))) for name, one in pairs]
    with suppress(ValueError, UnicodeEncodeError):
        return pack(named, ".tar")
    return b""


_LANGUAGES: dict[str, tuple[Callable[[bytes], Tree], Callable[[Tree], bytes]]] = {
    ".json": (_read_json, lambda tree: _bytes(_json(tree))),
    ".ndjson": (_read_lines, _write_lines),
    ".xml": (_read_xml, lambda tree: _bytes(_xml(tree))),
    ".csv": (_read_table, _write_table),
    ".txt": (_read_words, _write_words),
    ".yaml": (_read_yaml, lambda tree: _bytes(_json(tree))),
    ".tar": (_read_tar, _write_tar),
}


def _in_folder(random: Random, files: Files) -> Files:
    """Deletes, renames, repeats, empties or swaps files."""
    at = random.randrange(len(files))
    other = random.randrange(len(files))
    (name, content), what = files[at], random.randrange(6)
    path = PurePosixPath(name)
    if what == 0 and len(files) > 1:
        return files[:at] + files[at + 1 :]
    if what == 1:
        files[at] = name, random.choice((b"", b"{}", b"[]", content[:7], files[other][1]))
    elif what == 2:
        files[at], files[other] = (name, files[other][1]), (files[other][0], content)
    elif what == 3:
        files[at] = str(_renamed(random, path)), content
    elif what == 4:
        files.append((str(_renamed(random, path)), content))
    else:
        files.append((str(path / "x.png") if random.random() < 0.2 else f"{name}.bak", content))
    once = dict(files)  # a name is there once in a folder
    return [
        (one, two) for one, two in once.items() if not any(f"{one}/" in f"{more}/" and more != one for more in once)
    ]


def _renamed(random: Random, path: PurePosixPath) -> PurePosixPath:
    names = (
        f"{path.stem}.JPG",
        f"{path.stem.upper()}{path.suffix}",
        f"a b{path.suffix}",
        f"ä\u202e{path.suffix}",
        f"a\nb{path.suffix}",
        f"{'x' * 240}{path.suffix}",
        f"{path.stem}.tiff",
        f"..{path.name}",
        f".{path.name}",
        f"CON{path.suffix}",
        f"deep/er/{path.name}",
        "manifest.csv",
        "annotations.json",
        "classes.json",
    )
    return path.parent / random.choice(names)
