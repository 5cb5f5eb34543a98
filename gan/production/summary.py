"""summary.json: what was wanted of a set, what came of it, and why not everything did."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flawsmith.data.files import write_json
from flawsmith.data.record import GOOD

SUMMARY = "summary.json"


class Summary:
    """Counts entries as they pass by."""

    def __init__(self, wanted: Mapping[str, int]) -> None:
        self.wanted = wanted  # images of each class, and of good parts
        self.images, self.defects = Counter[str](), Counter[str]()
        self.failed, self.given_up, self.anew = Counter[str](), Counter[str](), 0
        self.short = Counter[str]()

    def add(self, entry: Mapping[str, Any]) -> None:
        """One image, made or given up."""
        if "rejected" in entry:
            self.given_up.update(_kinds(entry["rejected"]))
            self.short[entry.get("class", "")] += 1
            return
        self.images[entry["class"]] += 1
        self.defects[entry["class"]] += len(entry["defects"])
        self.failed.update(_kinds(entry["failed_tries"]))
        self.anew += entry["again"]

    @property
    def missing(self) -> int:
        """How many images had to be given up."""
        return sum(self.short.values())

    def json(self) -> dict[str, Any]:
        """The content of the file; `failed_tries` are those of images that were made in the end."""
        classes = [name for name in self.wanted if name != GOOD]
        painted, failed = sum(self.defects.values()), sum(self.failed.values())
        return {
            "count": sum(self.wanted.values()),
            "images": sum(self.images.values()),
            "good": self.images[GOOD],
            "per_class": {
                name: {"wanted": self.wanted[name], "images": self.images[name], "defects": self.defects[name]}
                for name in classes
            },
            "given_up": self.missing,
            "reasons": dict(self.given_up.most_common()),
            "tries": painted + failed,
            "failed_tries": dict(self.failed.most_common()),
            "failed_share": round(failed / (painted + failed), 4) if painted + failed else 0.0,
            "begun_anew": self.anew,
        }

    def write(self, folder: Path) -> None:
        """Writes summary.json."""
        write_json(folder / SUMMARY, self.json())

    def why(self) -> str:
        """The reasons of a shortfall, most frequent first, as one line."""
        return ", ".join(f"{reason} ({times} tries)" for reason, times in self.given_up.most_common())


def _kinds(reasons: Mapping[str, int]) -> dict[str, int]:
    """The reasons without what they say of a single file."""
    found = Counter[str]()
    for reason, times in reasons.items():
        found[reason.partition(": ")[0]] += times
    return found
