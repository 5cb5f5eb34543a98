"""JSON and XML as tools write them and as attackers do: any encoding, nothing that expands, nothing that never ends."""

from __future__ import annotations

import codecs
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any, TypeVar
from xml.etree.ElementTree import Element, ParseError

from flawsmith.data.errors import UserError

Kind = TypeVar("Kind")
_last: tuple[Path, tuple[int, int], Any] | None = None  # the last file: detection and reading parse it once
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def text_of(path: Path) -> str:
    """The file's text: UTF-8, or what its byte order mark says; raises UserError."""
    try:
        content = path.read_bytes()
    except OSError as reason:
        raise UserError(path, "cannot be read", reason.strerror or str(reason)) from reason
    encoding = next((name for mark, name in _BOMS if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as reason:
        raise UserError(path, "must be UTF-8 text", reason, "save it as UTF-8") from reason


def load_json(path: Path) -> Any:
    """The file's JSON; NaN and Infinity become floats, which shapes refuse. Raises UserError."""
    global _last
    try:
        about = path.stat()
    except OSError as reason:
        raise UserError(path, "cannot be read", reason.strerror or str(reason)) from reason
    state = about.st_size, about.st_mtime_ns
    if _last is not None and _last[:2] == (path, state):
        return _last[2]
    content = parse_json(path, text_of(path))
    _last = path, state, content
    return content


def parse_json(where: object, text: str) -> Any:
    """JSON from text; raises UserError that names `where`."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as reason:
        raise UserError(
            where, "must be JSON", f"{reason.msg} at line {reason.lineno}, column {reason.colno}"
        ) from reason
    except RecursionError as reason:
        raise UserError(where, "must be JSON that is not nested thousands of times", "deeper nesting") from reason
    except ValueError as reason:  # a number of thousands of digits
        raise UserError(where, "must be JSON with sane numbers", reason) from reason


def load_xml(path: Path) -> Generator[tuple[str, Element]]:
    """Events ("start" | "end", element) of an XML file, entities and DTDs refused; raises UserError."""
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import iterparse

    try:
        yield from iterparse(str(path), events=("start", "end"), forbid_dtd=True)
    except DefusedXmlException as reason:
        raise UserError(path, "must be XML without entities and DTD", type(reason).__name__) from reason
    except (ParseError, ValueError, LookupError, UnicodeError) as reason:
        raise UserError(path, "must be XML", reason, "export it again") from reason
    except OSError as reason:
        raise UserError(path, "cannot be read", reason.strerror or str(reason)) from reason


def field(entry: Any, key: str, kind: type[Kind]) -> Kind | None:
    """The entry's value of that type, None where the entry is no object, has no such key, or holds another type.

    A bool is no int; an int is a float.
    """
    value = entry.get(key) if isinstance(entry, dict) else None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return kind(value)  # type: ignore[call-arg]
        except OverflowError:
            return None
    if isinstance(value, bool) and kind is not bool:
        return None
    return value if isinstance(value, kind) else None


def listed(entry: Any, key: str) -> list[Any]:
    """The entry's list, empty where there is none."""
    return field(entry, key, list) or []
