"""Images are found by whatever a label file calls them, and never outside the folder."""

from pathlib import Path

import pytest

from flawsmith.data.formats.images import Images


@pytest.fixture
def images(tmp_path: Path) -> Images:
    root = tmp_path / "set"
    for name in ("a/part 1.png", "b/part 1.png", "images/x/scan.JPG", "images/deep.tiff", "top.png", ".hidden/no.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (tmp_path / "secret.png").touch()
    return Images(root)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("top.png", "top.png"),
        ("./top.png", "top.png"),
        ("C:\\Users\\me\\top.png", "top.png"),
        ("..\\..\\top.png", "top.png"),
        ("/data/local/top.png", "top.png"),
        ("file:///home/me/top.png", "top.png"),
        ("https://host/bucket/top.png?token=a/b", "top.png"),
        ("s3://bucket/images/deep.tiff", "images/deep.tiff"),
        ("/data/upload/3/1a2b3c4d-top.png", "top.png"),
        ("x/scan.JPG", "images/x/scan.JPG"),
        ("scan", "images/x/scan.JPG"),
        ("a/part 1.png", "a/part 1.png"),
        ("a/part%201.png", "a/part 1.png"),
        ("other/b/part 1.png", "b/part 1.png"),
    ],
)
def test_what_is_meant_is_found(images: Images, said: str, name: str) -> None:
    path, why = images.find(said)
    assert path is not None and images.name(path) == name and why is None


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("part 1.png", "is there 2 times"),
        ("../secret.png", "is missing"),
        ("/etc/passwd", "is missing"),
        ("no.png", "is missing"),
        ("", "no name"),
        ("a\0b", "no name"),
        ("x" * 10_000, "no name"),
        ("..", "is missing"),
        ("%", "is missing"),
    ],
)
def test_what_is_not_there_or_not_clear_is_not_guessed(images: Images, said: str, why: str) -> None:
    path, reason = images.find(said)
    assert path is None and reason is not None and why in reason


def test_another_folder_of_images(images: Images, tmp_path: Path) -> None:
    more = Images(images.roots[0], tmp_path)
    path, _ = more.find("secret.png")
    assert path is not None and more.name(path) == "secret.png"
