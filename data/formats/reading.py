"""How a data set is read: where it lies, and what its files do not say themselves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Reading:
    """The options of reading a data set."""

    format: str | None = None  # None: found from the content
    label_attribute: str | None = None  # of VIA: which attribute is the class; None: the only one there is
    labelbox_masks: Path | None = None  # folder of the mask files, which Labelbox's export only links to
    project: str | None = None  # of Labelbox, id or name, where there are several
    line_width: float | None = None  # px of open lines, which have no pixels without one
    images: Path | None = None  # where the images are, if not beside the labels


@dataclass(frozen=True)
class Source:
    """A data set as a user names it: a folder, a zip or a file of labels, and how to read it."""

    path: Path
    reading: Reading = Reading()

    def __str__(self) -> str:
        """The path alone, as it stands in messages."""
        return str(self.path)


Data = Path | Source  # what every command takes


def source_of(data: Data) -> Source:
    """The data set with its options, which are the usual ones for a mere path."""
    return data if isinstance(data, Source) else Source(data)


def name_of(data: Data) -> str:
    """What a data set is called: the last part of its path."""
    return source_of(data).path.resolve().name


def is_archive(path: Path) -> bool:
    """True for a file that is packed, by its ending."""
    return path.name.lower().endswith((".zip", ".tar", ".tar.gz", ".tgz")) and path.is_file()
