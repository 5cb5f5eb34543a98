"""Reads a folder in any of the layouts for learning: what `check` calls an error stops here, before any training."""

import logging
from pathlib import Path

from flawsmith.data.check import check
from flawsmith.data.errors import UserError
from flawsmith.data.problem import counted
from flawsmith.data.record import DataSet

_log = logging.getLogger("flawsmith")


def read(root: Path) -> DataSet:
    """The folder's data set, every file decoded once; logs how many images are left out of it.

    Raises UserError with the first error and the number of others.
    """
    report = check(root)
    if report.errors:
        first, others = report.errors[0], len(report.errors) - 1
        more = f" ({counted(others, 'more error')}: run flawsmith check {root})" if others else ""
        raise UserError(root / first.file, first.what, None, first.fix + more)
    if report.left_out:
        _log.warning("%s: %s left out, see flawsmith check", root, counted(len(report.left_out), "image"))
    return report.dataset
