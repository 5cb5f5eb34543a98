"""Painted images to learn from: those of the classes asked for, and no test image among them."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from flawsmith.data.errors import UserError
from flawsmith.data.painted import painted_records
from flawsmith.data.read import read
from flawsmith.data.split import make_split


def test_only_the_classes_asked_for_and_never_a_good_part(parts: Path) -> None:
    assert {record.defects for record in painted_records(parts, ["pit"])} == {("pit",)}
    assert not any(record.good for record in painted_records(parts, ["pit", "scratch"]))


def test_a_folder_without_the_classes_is_refused(parts: Path) -> None:
    with pytest.raises(UserError, match="rust"):
        painted_records(parts, ["rust"])


@pytest.mark.parametrize("change", [None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_90])
def test_a_test_image_is_refused_also_flipped_or_turned(
    parts: Path, tmp_path: Path, change: Image.Transpose | None
) -> None:
    dataset, file = read(parts), tmp_path / "split.json"
    split = make_split(dataset)
    split.save(file)
    stolen = next(record for record in split.test(dataset) if not record.good)
    for kind, source in (("images", stolen.image), ("masks", stolen.labels[0].mask)):
        (tmp_path / "painted" / kind).mkdir(parents=True)
        target = tmp_path / "painted" / kind / "0.png"
        if change is None:
            shutil.copy(source, target)
        else:
            Image.open(source).transpose(change).save(target)
    (tmp_path / "painted" / "manifest.csv").write_text(
        f"image,mask,class,group\nimages/0.png,masks/0.png,{stolen.defects[0]},a\n"
    )
    with pytest.raises(UserError, match="test image"):
        painted_records(tmp_path / "painted", dataset.classes, file)
