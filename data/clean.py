"""The good parts of a folder that may be painted on."""

from pathlib import Path

from flawsmith.data.errors import UserError
from flawsmith.data.formats.reading import Data
from flawsmith.data.read import read
from flawsmith.data.record import Record
from flawsmith.data.split import Split


def good_parts(root: Data, split: Path | None = None) -> tuple[Record, ...]:
    """The records without a defect, of the split's pool where one is given; raises UserError where there are none."""
    dataset = read(root)
    records = dataset.records if split is None else Split.load(split).pool(dataset)
    good = tuple(record for record in records if record.good)
    if not good:
        where = root if split is None else f"the pool of {split}"
        raise UserError(where, "good parts are needed to paint on", "none", "name a folder with images without defects")
    return good
