"""Which images something was made from, by digest: so that no test image gets into what is learned by a detour."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from flawsmith.data.errors import UserError
from flawsmith.data.files import file_digest, read_json, write_json
from flawsmith.data.record import Record
from flawsmith.data.split import Split

SOURCES = "sources.json"


def write_sources(folder: Path, records: Iterable[Record], more: Mapping[str, str] | None = None) -> None:
    """Write the names and SHA-256 of the records' files, and `more` of them, to folder/sources.json."""
    own = ({record.name: file_digest(record.image)} for record in records)
    write_json(folder / SOURCES, merged(*own, more or {}))


def merged(*sources: Mapping[str, str]) -> dict[str, str]:
    """All of them: of two images of the same name, as two products may have them, the later one gets another."""
    whole: dict[str, str] = {}
    for name, sha256 in (item for one in sources for item in one.items()):
        whole[name if whole.get(name, sha256) == sha256 else f"{name} ({sha256[:12]})"] = sha256
    return whole


def read_sources(folder: Path) -> dict[str, str]:
    """SHA-256 by name; empty where the folder says nothing of where it comes from."""
    path = folder / SOURCES
    if not path.exists():
        return {}
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise UserError(path, "must map names of images to their SHA-256", type(content).__name__, "generate it again")
    return content


def refuse_test_sources(folder: Path, split: Split, fix: str = "fit and generate again with --split") -> None:
    """Raises UserError where a folder was made with a test image of the split: learned from it, or painted on it."""
    held_out = split.test_digests
    for name, sha256 in read_sources(folder).items():
        if sha256 in held_out:
            rule = "nothing may be learned from a test image, nor from what was made with one"
            raise UserError(folder, rule, name, fix)


def seen(folder: Path, records: Iterable[Record]) -> tuple[str, ...]:
    """The names of the records that something in `folder` was made with."""
    known = set(read_sources(folder).values())
    return tuple(record.name for record in records if known and file_digest(record.image) in known)
