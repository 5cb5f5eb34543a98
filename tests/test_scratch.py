"""The folder for images that are held within label files: safe names, the same content once, gone at the end."""

import subprocess
import sys
from pathlib import Path

import pytest

from flawsmith.data.formats.scratch import keep, safe, scratch


@pytest.mark.parametrize(
    "name",
    ["../../evil.png", "/etc/passwd", "..", ".hidden.png", "a\0b.png", "x" * 500 + ".png", "", "C:\\a\\b.jpg", "é.png"],
)
def test_no_name_leaves_the_folder(name: str) -> None:
    path = keep(b"content", name)
    assert path.is_relative_to(scratch()) and path.parent.parent == scratch()
    assert path.read_bytes() == b"content" and not path.name.startswith(".") and len(path.name.encode()) <= 255


def test_plain_names_stay_and_endings_too() -> None:
    assert safe("part_001.png") == "part_001.png"
    assert safe("x" * 500 + ".jpeg").endswith(".jpeg")


def test_the_same_content_is_the_same_file_and_another_is_not() -> None:
    assert keep(b"one", "a.png") == keep(b"one", "a.png") != keep(b"two", "a.png")


def test_it_is_gone_when_its_process_ends_but_not_when_a_fork_does() -> None:
    code = """
import os, sys
from flawsmith.data.formats.scratch import keep
path = keep(b"1", "a.png")
if os.fork() == 0:
    sys.exit()
os.wait()
print(path, path.exists())
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert said[1] == "True" and not Path(said[0]).exists() and not Path(said[0]).parent.parent.exists()
