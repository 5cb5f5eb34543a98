"""A painted set described for machines: Croissant 1.0, JSON-LD, as data hubs and loaders read it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flawsmith.data.card import LIMITS, WHAT, title
from flawsmith.data.files import file_digest, write_json
from flawsmith.data.formats.coco import ANNOTATIONS
from flawsmith.data.formats.manifest import MANIFEST
from flawsmith.data.painted_set import PROVENANCE, file_size
from flawsmith.data.problem import counted, printable
from flawsmith.data.set_facts import SetFacts

CROISSANT = "croissant.json"
FILES = ((MANIFEST, "text/csv"), (ANNOTATIONS, "application/json"), (PROVENANCE, "application/jsonlines"))
SETS = (
    ("images", ("images/*.png", "images/*.tiff"), ("image/png", "image/tiff"), "The images."),
    ("masks", ("masks/*.png",), ("image/png",), "Their masks: every nonzero pixel is a defect."),
)
COLUMNS = {
    "image": "Path of the image.",
    "mask": "Path of its mask; empty for a good image.",
    "class": "Class of its defects, or good.",
    "group": "The physical part that it shows: split by it.",
    "origin": "Id of the image in provenance.jsonl.",
}
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def write_croissant(out: Path, facts: SetFacts | None = None) -> None:
    """Writes croissant.json, the same bytes for the same set, from the facts, read where they are not given.

    The tables must be there. Raises UserError where a file is damaged.
    """
    facts = facts or SetFacts.of(out)
    write_json(out / CROISSANT, {**about(facts), "distribution": files(out), "recordSet": list(records())})


def about(facts: SetFacts) -> dict[str, Any]:
    """The set as a whole."""
    sources = "" if facts.sources is None else f" Made from {counted(facts.sources, 'real image')}: see sources.json."
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": title(facts),
        "description": f"{WHAT.replace('*', '')} {counted(facts.total, 'image')}.{sources} README.md says more.",
        "license": printable(facts.licence),
        "citeAs": f"Cite the data set of the real images that this one was painted from.{sources}",
        "keywords": ["synthetic", "defects", "visual inspection", "segmentation", *map(printable, facts.classes)],
        "isLiveDataset": False,
        "rai:dataCollection": "Painted by a program onto photographs of good parts.",
        "rai:dataLimitations": [line.removeprefix("- ") for line in LIMITS.splitlines()],
        "rai:machineAnnotationTools": ["flawsmith"],
    }


def files(out: Path) -> list[dict[str, Any]]:
    """The tables by digest, the pictures by pattern."""
    tables = [
        {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "contentUrl": name,
            "contentSize": f"{file_size(out / name)} B",
            "encodingFormat": kind,
            "sha256": file_digest(out / name),
        }
        for name, kind in FILES
    ]
    pictures = [
        {
            "@type": "cr:FileSet",
            "@id": f"{name}-files",
            "name": f"{name}-files",
            "description": what,
            "includes": list(patterns),
            "encodingFormat": list(kinds),
        }
        for name, patterns, kinds, what in SETS
    ]
    return [*tables, *pictures]


def records() -> Iterator[dict[str, Any]]:
    """The rows of the manifest, and the pictures that they name by path."""
    columns = [_field("rows", name, what, "sc:Text", _column(name)) for name, what in COLUMNS.items()]
    yield _record_set("rows", "A row an image: its files, class, part and origin.", columns, "rows/image")
    for name, _, _, what in SETS:
        path = _field(name, "path", "Path below the set, as the rows name it.", "sc:Text", _part(name, "fullpath"))
        pixels = _field(name, "pixels", "The picture.", "sc:ImageObject", _part(name, "content"))
        yield _record_set(name, what, [path, pixels], f"{name}/path")


def _record_set(name: str, what: str, fields: list[dict[str, Any]], key: str) -> dict[str, Any]:
    about = {"@type": "cr:RecordSet", "@id": name, "name": name, "description": what}
    return {**about, "key": {"@id": key}, "field": fields}


def _field(record: str, name: str, what: str, kind: str, source: dict[str, Any]) -> dict[str, Any]:
    identity = f"{record}/{name}"
    about = {"@type": "cr:Field", "@id": identity, "name": identity, "description": what}
    return {**about, "dataType": kind, "source": source}


def _column(name: str) -> dict[str, Any]:
    return {"fileObject": {"@id": MANIFEST}, "extract": {"column": name}}


def _part(name: str, of: str) -> dict[str, Any]:
    return {"fileSet": {"@id": f"{name}-files"}, "extract": {"fileProperty": of}}
