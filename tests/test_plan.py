from pathlib import Path

import pytest

from flawsmith.data.errors import UsageError
from flawsmith.data.plan import open_run


def test_the_same_plan_continues_and_another_is_refused(tmp_path: Path) -> None:
    plan = {"seed": 1, "widths": (1, 2)}
    open_run(tmp_path / "run", plan)
    open_run(tmp_path / "run", plan)
    before = (tmp_path / "run" / "config.json").read_bytes()
    with pytest.raises(UsageError, match="seed"):
        open_run(tmp_path / "run", {**plan, "seed": 2})
    assert (tmp_path / "run" / "config.json").read_bytes() == before


def test_a_folder_with_other_files_and_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_text("x")
    for output in (tmp_path, tmp_path / "holiday.jpg"):
        with pytest.raises(UsageError, match="choose a new"):
            open_run(output, {})
    assert (tmp_path / "holiday.jpg").read_text() == "x"
