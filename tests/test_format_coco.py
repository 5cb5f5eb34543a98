import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from labels import REAL, needs_real
from PIL import Image
from pycocotools import mask as rle
from pycocotools.coco import COCO

from flawsmith.data.formats import coco, detect
from flawsmith.data.formats.coco import CocoWriter, encode, encode_patch, matches
from flawsmith.data.formats.document import load_json
from flawsmith.data.formats.picture import Instance, Picture
from flawsmith.data.formats.reading import Reading
from flawsmith.data.geometry.patch import Patch
from flawsmith.data.listing import Listing

SIZE = (47, 61)  # H, W
SQUARE = [5, 6, 20, 6, 20, 15, 5, 15]


def photo(path: Path, size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size[::-1], 90).save(path)
    return path


def content(*annotations: dict[str, Any], **other: Any) -> dict[str, Any]:
    """A file of one image and one class."""
    basic: dict[str, Any] = {
        "images": [{"id": 1, "file_name": "a.png", "height": SIZE[0], "width": SIZE[1]}],
        "categories": [{"id": 1, "name": "pit"}],
        "annotations": list(annotations),
    }
    return basic | other


def entry(number: int = 1, **other: Any) -> dict[str, Any]:
    return {"id": number, "image_id": 1, "category_id": 1, "segmentation": [SQUARE], "iscrowd": 0} | other


def scanned(root: Path, *contents: Any) -> Listing:
    """What the reader says about label files beside an image."""
    photo(root / "images/a.png")
    files = []
    for number, one in enumerate(contents):
        files.append(root / f"labels{number}.json")
        files[-1].write_text(json.dumps(one))
    return coco.scan(root, files, Reading())


def masks(listing: Listing, name: str = "images/a.png", size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    (row,) = (row for row in listing.rows if row.name == name)
    return [one.shape.patch(*size).full(*size) for one in row.drawn]


def only(listing: Listing) -> str:
    """The one problem as a line."""
    (problem,) = listing.problems
    return f"{problem.level} {problem.file}: {problem.what}"


def square() -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[6:15, 5:20] = True
    return mask


MASKS = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.booleans()).filter(np.any)


@given(MASKS, st.integers(0, 3), st.integers(0, 3), st.integers(0, 2), st.integers(0, 2))
def test_a_patch_is_encoded_as_the_reference_library_does(
    mask: np.ndarray, top: int, left: int, below: int, right: int
) -> None:
    full = np.pad(mask, ((top, below), (left, right)))
    packed = rle.encode(np.asfortranarray(full.astype(np.uint8)))
    found = encode_patch("pit", Patch(top, left, mask), *full.shape)
    assert found["segmentation"] == {"size": list(full.shape), "counts": packed["counts"].decode()}
    assert found["area"] == rle.area(packed) and found["bbox"] == rle.toBbox(packed).tolist()
    assert found == encode("pit", full)


@given(MASKS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
def test_both_kinds_of_rle_are_read_as_the_reference_library_does(tmp_path: Path, mask: np.ndarray) -> None:
    flat = mask.ravel(order="F")
    turns = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *turns, flat.size]).tolist()
    plain = {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}
    packed = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
    packed["counts"] = packed["counts"].decode()
    photo(tmp_path / "images/a.png", mask.shape)
    image = {"id": 1, "file_name": "a.png", "height": mask.shape[0], "width": mask.shape[1]}
    for one in (plain, packed):
        (tmp_path / "a.json").write_text(json.dumps(content(entry(segmentation=one), images=[image])))
        listing = coco.scan(tmp_path, [tmp_path / "a.json"], Reading())
        assert not listing.problems
        assert np.array_equal(masks(listing, size=mask.shape)[0], mask)


@pytest.mark.parametrize("name", ["a.png", "line2/b.png"])
def test_written_and_read_masks_are_the_same(tmp_path: Path, name: str) -> None:
    random = np.random.default_rng(0)
    found = [random.random(SIZE) < 0.4, square(), np.ones(SIZE, bool)]
    instances = tuple(Instance("pit" if n else "dent", Patch.of(mask)) for n, mask in enumerate(found))
    output = tmp_path / "out"
    output.mkdir()
    writer = CocoWriter(output, ("dent", "pit"))
    source = photo(tmp_path / "source.png")
    assert writer.add(Picture("good.png", source, *SIZE, (), "", None)) == []
    assert writer.add(Picture(name, source, *SIZE, instances, "part 7", "0af3")) == [1.0] * 3
    writer.close()
    listing = detect.scan(output, None, Reading())
    assert listing is not None and listing.layout == "COCO" and not listing.problems
    assert [len(row.drawn) for row in sorted(listing.rows, key=lambda row: len(row.drawn))] == [0, 3]
    assert all(map(np.array_equal, masks(listing, f"images/{name}"), found))
    (row,) = (row for row in listing.rows if row.drawn)
    assert [one.defect for one in row.drawn] == ["dent", "pit", "pit"]
    assert (row.group, row.origin, row.size) == ("part 7", "0af3", SIZE)
    assert (output / f"images/{name}").read_bytes() == source.read_bytes()
    file = COCO(output / "annotations.json")
    assert [bool(one["iscrowd"]) for one in file.loadAnns(file.getAnnIds())] == [False] * 3


def test_the_same_pictures_give_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for order in (1, -1):
        output = tmp_path / str(order)
        output.mkdir()
        writer = CocoWriter(output, ("pit",))
        for name in ["a.png", "b.png"][::order]:
            one = Instance("pit", Patch.of(square()))
            writer.add(Picture(name, photo(tmp_path / "source.png"), *SIZE, (one,), "", None))
        writer.close()
        written.append((output / "annotations.json").read_bytes())
    assert written[0] == written[1] and b"flawsmith_id" not in written[0] and b"group" not in written[0]


@pytest.mark.parametrize(
    "segmentation",
    [
        [SQUARE],
        SQUARE,
        [[[5, 6], [20, 6], [20, 15], [5, 15]]],
        [[*SQUARE[:4], 20, 9, 5, 9], [5, 9, 20, 9, 20, 15, 5, 15]],
    ],
    ids=["nested", "flat", "pairs", "parts"],
)
def test_polygons_in_any_nesting(tmp_path: Path, segmentation: list[Any]) -> None:
    listing = scanned(tmp_path, content(entry(segmentation=segmentation)))
    assert not listing.problems and np.array_equal(masks(listing)[0], square())
    assert listing.rows[0].drawn[0].where == "annotation 1" and listing.rows[0].file == "labels0.json"


def test_an_image_without_annotations_is_good(tmp_path: Path) -> None:
    listing = scanned(tmp_path, content())
    assert listing.rows[0].drawn == () and listing.rows[0].defect is None and not listing.problems


def test_files_are_joined_and_ids_hold_within_their_own(tmp_path: Path) -> None:
    photo(tmp_path / "images/b.png")
    other = content(
        entry(category_id=7, segmentation=[[1, 1, 4, 1, 4, 4]]),
        entry(2, image_id=2, category_id=7),
        images=[{"id": 1, "file_name": "b.png"}, {"id": 2, "file_name": "a.png"}],
        categories=[{"id": 7, "name": "dent"}],
    )
    listing = scanned(tmp_path, content(entry()), other)
    assert not listing.problems
    assert {row.name: [one.defect for one in row.drawn] for row in listing.rows} == {
        "images/a.png": ["pit", "dent"],
        "images/b.png": ["dent"],
    }


def test_an_object_of_two_files_is_taken_once(tmp_path: Path) -> None:
    listing = scanned(tmp_path, content(entry()), content(entry(5)))
    assert len(masks(listing)) == 1
    assert only(listing).startswith("warning labels1.json: annotation 5: is the same as one before")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (content(entry(iscrowd=1)), "warning labels0.json: annotation 1: is a region to ignore (iscrowd 1): left out"),
        (content(entry(segmentation=[[1, 2, 3, 4]])), "warning labels0.json: annotation 1: has a ring of fewer than 3"),
        (content(entry(segmentation=[])), "warning labels0.json: annotation 1: has neither segmentation nor bbox"),
        (
            content(entry(segmentation=None, keypoints=[1, 2, 2], bbox=[1, 1, 3, 3])),
            "warning labels0.json: annotation 1: has key points and no segmentation",
        ),
        ({**content(), "annotations": None}, "warning labels0.json: has no annotations"),
        (
            content(entry(image_id=9), entry(2, image_id=8)),
            "error labels0.json: annotation 1, image_id 9: belongs to an image not in images[] (1 more like it)",
        ),
        (content(entry(image_id=[1])), "error labels0.json: annotation 1, image_id none: belongs to an image"),
        (content(entry(category_id=3)), "error labels0.json: annotation 1, category_id 3: has a class that is not in"),
        (
            content(entry(), entry(image_id=1, segmentation=[[1, 1, 9, 1, 9, 9]])),
            "error labels0.json: annotation 1: has the id",
        ),
        (
            content(entry(segmentation=[[1, 1, 9, 1, 9, float("nan")]])),
            "images/a.png, annotation 1, pit: has a coordinate",
        ),
        (
            content(entry(segmentation=[[1, 1, 9, 1, 9, "x"]])),
            "images/a.png, annotation 1, pit: has coordinates that are no",
        ),
        (content(entry(segmentation=[[1, 1, 9, 1, 9, 9, 9]])), "annotation 1, pit: has coordinates that are no pairs"),
        (content(entry(segmentation="x")), "error labels0.json: annotation 1: has a segmentation that is no list"),
        (content(entry(segmentation={"size": [5, 5], "counts": [25]})), "has an RLE of 5×5 px, its image 61×47 px"),
        (content(entry(segmentation={"size": [47, 61], "counts": [5]})), "has runs of 5 px in all"),
        (content(entry(segmentation={"counts": "abc"})), "has a size that is not [height, width]"),
        (content(entry(segmentation=None, bbox=[1, 2, 3])), "has a bbox that is not [x, y, width, height]"),
        (content(images=[{"id": 1, "file_name": "b.png"}]), "image 1: image b.png is missing"),
        (content(images=[{"id": 1, "file_name": "a.png"}, {"id": 1, "file_name": "b.png"}]), "has the id of a.png"),
        (
            content(images=[{"id": 1, "file_name": "a.png"}, {"id": 2}]),
            "error labels0.json: image 2: has no id or no file",
        ),
        (content(categories=[{"id": 1}]), "error labels0.json: category 1: has no id or no name"),
        (
            content(categories=[{"id": 1, "name": "pit"}, {"id": 1, "name": "dent"}]),
            "category 1: is called pit and dent",
        ),
        (
            content(categories=[{"id": 1, "name": "pit"}, {"id": 2, "name": "pit"}]),
            "warning labels0.json: category 2: has the name of another one (pit): both are one class",
        ),
        (
            [{"image_id": 1, "category_id": 1, "score": 0.5, "bbox": [1, 2, 3, 4]}],
            "warning labels0.json: is a list of results",
        ),
    ],
)
def test_what_is_wrong_is_told_once_with_its_place(tmp_path: Path, file: Any, said: str) -> None:
    listing = scanned(tmp_path, file)
    told = [f"{one.level} {one.file}: {one.what}" for one in listing.problems]
    assert sum(said in line for line in told) == 1, told
    unlisted = sum("is in no COCO file" in line for line in told)
    assert len(told) - unlisted == 1


def test_a_category_without_a_name_leaves_no_object_unsaid(tmp_path: Path) -> None:
    listing = scanned(tmp_path, content(entry(), categories=[{"id": 1, "name": " "}]))
    assert [problem.level for problem in listing.problems] == ["error", "error"]


def test_boxes_alone_are_drawn_and_said_so(tmp_path: Path) -> None:
    boxes = [entry(number, segmentation=[], bbox=[5, 6, 15, 9 - number]) for number in range(3)]
    listing = scanned(tmp_path, content(*boxes))
    assert np.array_equal(masks(listing)[0], square()) and len(masks(listing)) == 3
    assert only(listing) == (
        "warning labels0.json: annotation 0: has a box alone, which is no mask: drawn as a box (2 more like it)"
    )


def test_ids_of_zero_and_of_text_are_ids(tmp_path: Path) -> None:
    images = [{"id": 0, "file_name": "a.png"}]
    listing = scanned(
        tmp_path,
        content(entry(image_id=0, category_id="x"), images=images, categories=[{"id": "x", "name": "pit"}]),
    )
    assert not listing.problems and len(masks(listing)) == 1


def test_an_rle_is_compared_with_the_image_where_the_labels_state_no_size(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "a.png"}]
    counts = encode("pit", square())["segmentation"]
    assert not scanned(tmp_path, content(entry(segmentation=counts), images=images)).problems
    wrong = {"size": [61, 47], "counts": counts["counts"]}
    assert "its image 61×47" in only(scanned(tmp_path, content(entry(segmentation=wrong), images=images)))


ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.sampled_from(["", "a.png", "1", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "image_id", "category_id", "segmentation", "bbox", "size", "counts", "name", "file_name"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=6,
)


@given(ANY, ANY, ANY, st.sampled_from(["whole", "entries"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_json_at_any_place_is_survived(tmp_path: Path, one: Any, other: Any, third: Any, how: str) -> None:
    good = content(entry())
    file = {"images": one, "categories": other, "annotations": third}
    if how == "entries":
        spoilt = entry(2, segmentation=third) | (one if isinstance(one, dict) else {})
        file = {
            "images": [*good["images"], one],
            "categories": [*good["categories"], other],
            "annotations": [*good["annotations"], third, spoilt],
        }
    matches(one), matches(file)
    listing = scanned(tmp_path, file)
    if how == "entries":
        assert len(masks(listing)) >= 1


@pytest.mark.parametrize("huge", ["1" * 4000, "1e999", "[" * 400 + "]" * 400])
def test_monstrous_numbers_and_depths_are_survived(tmp_path: Path, huge: str) -> None:
    photo(tmp_path / "images/a.png")
    text = json.dumps(content(entry(), entry(2, segmentation=[["HUGE"] * 6]), entry(3, segmentation="HUGE")))
    (tmp_path / "a.json").write_text(text.replace('"HUGE"', huge))
    listing = coco.scan(tmp_path, [tmp_path / "a.json"], Reading())
    assert len(masks(listing)) == 1 and len(listing.problems) == 2


@pytest.mark.parametrize(
    ("document", "is_coco"),
    [
        (content(), True),
        ({"images": [], "categories": []}, True),
        ([{"image_id": 1, "category_id": 1, "score": 0.5}], True),
        ({"shapes": [], "imagePath": "a.png"}, False),
        ({"images": {}}, False),
        ({"images": [1]}, False),
        ([], False),
        ([{"id": 1, "data": {}}], False),
        (None, False),
        ("images", False),
    ],
)
def test_what_is_taken_for_coco(document: Any, is_coco: bool) -> None:
    assert matches(document) is is_coco


@pytest.mark.parametrize(("name", "crowds"), [("cvat_coco_polygons__SakibAhmedShuva", 0), ("labelbox_coco_rle", 10)])
@needs_real
def test_real_exports_are_read_as_the_reference_library_does(tmp_path: Path, name: str, crowds: int) -> None:
    path = REAL / f"{name}.json"
    file = load_json(path)
    for image in file["images"]:
        photo(tmp_path / image["file_name"], (2, 2))  # as large as the labels say it is only for `resolve`
    listing = coco.scan(tmp_path, [path], Reading())
    assert len(listing.rows) == len(file["images"])
    assert [problem.level for problem in listing.problems] == ["warning"] * (crowds > 0)
    drawn = {one.where: (one, row.size) for row in listing.rows for one in row.drawn}
    assert len(drawn) == len(file["annotations"]) - crowds
    reference = COCO(path)
    for annotation in file["annotations"]:
        if annotation["iscrowd"]:
            continue
        one, size = drawn[f"annotation {annotation['id']}"]
        assert size is not None
        mask, true = one.shape.patch(*size).full(*size), reference.annToMask(annotation).astype(bool)
        edge = sum(len(ring) for ring in annotation["segmentation"])  # points: its polygons are filled more roughly
        assert (mask != true).sum() <= 2 * edge + 0.06 * true.sum()
