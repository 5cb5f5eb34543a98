"""Injects faults into real commands and looks whether what was promised is kept: docs/reliability.md has the table.

    python tests/torture.py                         # all of them, about ten minutes on two cores
    python tests/torture.py --only R1,R7 --seed 1
    python tests/torture.py --quick                 # each of them a few times, within a minute

As root, or where user namespaces are permitted, it mounts small and read-only disks where nobody else sees them; what
needs them is skipped elsewhere.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent))

from torture_kills import KILLS
from torture_sets import SETS
from torture_tools import HEAD, Bench, Fault, Row, into_own_namespace
from torture_training import TRAINING
from torture_writes import WRITES

FAULTS: tuple[Fault, ...] = tuple(
    sorted((*KILLS, *WRITES, *TRAINING, *SETS), key=lambda fault: int(fault.name.removeprefix("R")))
)


def main() -> int:
    """Prints the table; 1 where a promise was broken."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--only", default="", help="such as R1,R7")
    options.add_argument("--quick", action="store_true", help="a few times each")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--keep", type=Path, help="folder to leave everything in")
    given = options.parse_args()
    only = set(filter(None, given.only.split(",")))
    if unknown := only - {fault.name for fault in FAULTS}:
        options.error(f"no faults {', '.join(sorted(unknown))}; there are {', '.join(fault.name for fault in FAULTS)}")
    os.environ |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    into_own_namespace()
    folder = given.keep or Path(tempfile.mkdtemp(prefix="torture-"))
    folder.mkdir(parents=True, exist_ok=True)
    bench, rows = Bench(folder.resolve(), Random(), given.quick), []
    print(HEAD, flush=True)
    try:
        for fault in FAULTS:
            if not only or fault.name in only:
                bench.random = Random(f"{given.seed}/{fault.name}")  # the same, whatever else is examined
                rows.append(Row.of(fault, bench))
                print(rows[-1], flush=True)
                print(f"{fault.name}: {rows[-1].seconds:.0f} s", file=sys.stderr)
    finally:
        if given.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    return int(any(row.verdict == "BROKEN" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
