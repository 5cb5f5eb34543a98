"""What there is to say of a painted set: counted from its provenance, and what its plan and summary tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flawsmith.data.files import read_json
from flawsmith.data.painted_set import PLAN, identity, pruned_lines, read_lines
from flawsmith.data.record import GOOD
from flawsmith.data.sources import SOURCES, read_sources

SUMMARY = "summary.json"


@dataclass(frozen=True)
class SetFacts:
    """Counts of what is in the set now; plan and summary as they were written, empty where they are missing."""

    plan: Mapping[str, Any]
    summary: Mapping[str, Any]
    digest: str | None  # of the plan
    images: Mapping[str, int]  # by class, "good" too
    defects: Mapping[str, int]
    painters: tuple[str, ...]
    checkpoints: tuple[str, ...]
    parts: int  # different clean images painted on
    example: str | None  # id of the first image
    pruned: int  # images that a person rejected
    sources: int | None  # real images that it was made from

    @classmethod
    def of(cls, out: Path) -> SetFacts:
        """Reads the folder, one line at a time; raises UserError where a file of it is damaged."""
        images, defects = Counter[str](), Counter[str]()
        found: dict[str, dict[str, None]] = {"painter": {}, "checkpoint": {}, "clean_sha256": {}}
        example = None
        for line in read_lines(out):
            example = example or line["id"]
            images[line["class"]] += 1
            defects.update(defect["class"] for defect in line["defects"])
            for key, values in found.items():
                if line.get(key):
                    values[str(line[key])] = None
        return cls(
            plan=_optional(out / PLAN),
            summary=_optional(out / SUMMARY),
            digest=identity(out) if (out / PLAN).exists() else None,
            images=images,
            defects=defects,
            painters=tuple(sorted(found["painter"])),
            checkpoints=tuple(sorted(found["checkpoint"])),
            parts=len(found["clean_sha256"]),
            example=example,
            pruned=sum(1 for _ in pruned_lines(out)),
            sources=len(read_sources(out)) if (out / SOURCES).exists() else None,
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """The defect classes, asked for or painted, sorted."""
        return tuple(sorted((set(self.images) | set(self.defects) | set(mapping(self.summary, "per_class"))) - {GOOD}))

    @property
    def total(self) -> int:
        """Images in the set now."""
        return sum(self.images.values())

    @property
    def licence(self) -> str:
        """What the plan says the set may be used under; "unknown" where it does not."""
        told = mapping(self.plan, "config").get("license") or self.plan.get("license")
        return told if isinstance(told, str) else "unknown"


def mapping(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The object under the key, empty where there is none."""
    value = content.get(key)
    return value if isinstance(value, dict) else {}


def _optional(path: Path) -> Mapping[str, Any]:
    """A file's JSON object; empty where there is no such file, or something else in it."""
    content = read_json(path) if path.exists() else None
    return content if isinstance(content, dict) else {}
