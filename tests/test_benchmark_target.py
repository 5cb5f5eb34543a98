"""Across products: what is learned from which product, what judges, and that the target's own defects stay unseen."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from safetensors.torch import load_file

from flawsmith.cli import main
from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.files import file_digest, read_json
from flawsmith.data.image import read_image
from flawsmith.data.read import read
from flawsmith.data.split import POOL, TEST, Split, make_split
from flawsmith.gan.gate import GateConfig
from flawsmith.gan.trainer import FitConfig
from flawsmith.segment.across import Across
from flawsmith.segment.benchmark.outcome import Outcome
from flawsmith.segment.benchmark.plan import Plan, default_arms, prepare
from flawsmith.segment.benchmark.report import explained, facts
from flawsmith.segment.benchmark.run import outlook, run
from flawsmith.segment.material import Real
from flawsmith.segment.segmenter import MODEL
from flawsmith.segment.target import Target
from flawsmith.segment.train import TrainConfig
from flawsmith.segment.trial import TrialConfig, trial

CPU = torch.device("cpu")
OPEN = GateConfig(copies=False, critic=False)  # what is painted after a step or two is like nothing
FIT, TRAIN = FitConfig(steps=2, rate=0.3, blanks=8), TrainConfig(steps=1, batch=4, patch=64, model="small")
TINY = TrialConfig(FIT, TRAIN, count=4, workers=1, gate=OPEN)
MATCH = (("pit", "dent"),)
KINDS: tuple[Real, ...] = ("drawn", "none", "first", "target", "all")
MakeParts = Callable[..., Path]


def make_target(root: Path, make_parts: MakeParts) -> Path:
    """Parts of another size, in colour, whose pits are called dents, and which have scratches of their own name."""
    make_parts(root, size=(104, 120), kinds=("pit", "chip"))
    manifest = root / "manifest.csv"
    manifest.write_text(manifest.read_text().replace(",pit,", ",dent,"))
    for path in (root / "images").iterdir():
        grey = np.asarray(Image.open(path)).astype(float)
        Image.fromarray((grey[..., None] * [1, 0.8, 0.6]).astype(np.uint8)).save(path)
    return root


@pytest.fixture(scope="module")
def target(make_parts: MakeParts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_target(tmp_path_factory.mktemp("target") / "screws", make_parts)


@pytest.fixture
def plan(parts: Path, target: Path, tmp_path: Path) -> Plan:
    return Plan(parts, tmp_path / "bench", (1,), (0,), ("real",), config=TINY, target=Target(target, MATCH))


def cli(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["benchmark", *map(str, arguments), "--device", "cpu"])


# before the work


def test_what_is_known_before_names_both_products_and_what_is_left_out(plan: Plan) -> None:
    prepared = prepare(plan)
    data = prepared.data
    assert data["name"] == "parts" and data["classes"] == ["dent"]
    assert data["target"] == {"name": "screws", "classes": ["dent"], "images": 16, "groups": 8, "match": dict(MATCH)}
    assert [note.split(" left out")[0] for note in data["notes"]] == ["Of parts scratch is", "Of screws chip is"]
    dents = [record for record in prepared.targets[0].test(read(plan.target.root)) if record.defects == ("dent",)]  # type: ignore[union-attr]
    goods = [record for record in prepared.targets[0].test(read(plan.target.root)) if record.good]  # type: ignore[union-attr]
    assert prepared.scored == {0: len(dents) + len(goods)}  # what shows chips alone is neither good nor scored
    assert prepared.splits[0] == make_split(read(plan.root), 0.5, 0)


def test_without_a_target_nothing_is_added_to_what_a_folder_remembers(plan: Plan) -> None:
    alone, both = prepare(replace(plan, target=None)), prepare(plan)
    assert alone.targets == {} and "target" not in alone.data and alone.identity["data"] == "parts"
    assert set(both.identity) - set(alone.identity) == {"target masks", "match"}
    assert both.identity["data"] == "parts → screws"


def test_the_reference_is_among_the_arms_by_itself_only_with_a_target(plan: Plan) -> None:
    assert "target-real" in default_arms(plan.target) and "target-real" not in default_arms(None)
    with pytest.raises(UsageError, match="with --target also first-real, target-real"):
        replace(plan, target=None, arms=("target-real",))


def test_a_product_is_not_its_own_target(plan: Plan, parts: Path) -> None:
    with pytest.raises(UsageError, match="--target: the target is another product"):
        replace(plan, target=Target(parts / "." / ".." / parts.name))


def without(root: Path, copy: Path, drop: Callable[[str], bool]) -> Path:
    """A copy of a data set without the rows that are dropped."""
    shutil.copytree(root, copy)
    manifest = copy / "manifest.csv"
    manifest.write_text("\n".join(line for line in manifest.read_text().splitlines() if not drop(line)) + "\n")
    for path in (*copy.glob("images/*"), *copy.glob("masks/*")):
        if path.name not in manifest.read_text():
            path.unlink()
    return copy


@pytest.mark.parametrize(
    ("drop", "message"),
    [
        (lambda line: ",good," in line, "good images are needed in the target's pool"),
        (lambda line: line.endswith(",pit1"), "the test part of seed 0 must show one of the classes"),
        (lambda line: ",dent," in line or ",chip," in line, "no image with a defect"),
    ],
)
def test_a_target_that_cannot_be_used_is_one_line(
    plan: Plan, target: Path, tmp_path: Path, drop: Callable[[str], bool], message: str
) -> None:
    left = without(target, tmp_path / "left", drop)
    with pytest.raises(UserError, match=message):
        list(run(replace(plan, target=Target(left, MATCH)), CPU))
    assert not plan.output.exists() or not any(plan.output.glob("[!.]*"))


def test_a_planted_test_image_of_the_target_is_refused_before_the_work(
    plan: Plan, parts: Path, target: Path, tmp_path: Path
) -> None:
    first = shutil.copytree(parts, tmp_path / "first")
    held = next(entry for entry in make_split(read(target), 0.5, 0).images if entry.part == TEST)
    ours = next(entry for entry in make_split(read(first), 0.5, 0).images if entry.part == POOL)
    Image.fromarray(read_image(target / held.name)[::-1]).save(first / ours.name)
    with pytest.raises(UserError, match=f"{ours.name}.*copy as {held.name} of the test part"):
        list(run(replace(plan, root=first), CPU))


def test_a_leak_into_a_split_that_was_there_already_is_refused_by_the_trial(
    plan: Plan, parts: Path, target: Path, tmp_path: Path
) -> None:
    splits = tmp_path / "a.json", tmp_path / "b.json"
    first = shutil.copytree(parts, tmp_path / "first")
    made = make_split(read(target), 0.5, 0)
    held = next(entry for entry in made.images if entry.part == TEST)
    good = next(record for record in read(first).records if record.good)
    shutil.copy(target / held.name, good.image)
    own = make_split(read(first), 0.5, 0)
    replace(
        own, images=tuple(replace(one, part=POOL if one.name == good.name else one.part) for one in own.images)
    ).save(splits[0])
    made.save(splits[1])
    goal = Target(target, MATCH, splits[1])
    with pytest.raises(UserError, match=f"{good.name}.*same file as {held.name}"):
        list(trial(first, splits[0], 1, 0, ("real",), TINY, tmp_path / "trial", CPU, None, goal))


def test_the_command_says_what_is_judged_by_what(parts: Path, target: Path, tmp_path: Path) -> None:
    options = [parts, "--target", target, "--match", "pit=dent", "--real", 1, "--seeds", 1, "-o", tmp_path / "bench"]
    dry = cli(*options, "--dry-run")
    assert dry.exit_code == 0 and "screws, 16 images" in dry.output and "pit=dent" in dry.output
    assert "0/6 trials" in dry.output and not (tmp_path / "bench").exists()
    for wrong in (["--match", "pit"], ["--match", ""], ["--match", "=a"], ["--match", "pit=dant"]):
        result = cli(*options, *wrong, "--dry-run")
        assert result.exit_code == 2 and result.stderr.startswith("Error: --match") and result.stderr.count("\n") == 1


def test_each_kind_of_arm_learns_from_its_own_product(parts: Path, target: Path, tmp_path: Path) -> None:
    splits = tmp_path / "a.json", tmp_path / "b.json"
    for root, path in zip((parts, target), splits, strict=True):
        make_split(read(root), 0.5, 0).save(path)
    data = Across(parts, splits[0], 1, 0, None, Target(target, MATCH, splits[1]))
    drawn, none, alone, own, whole = (data.learned(real) for real in KINDS)
    roots = [record.image.parents[1] for record in drawn.good]
    assert set(roots) == {parts, target} and roots[0] == target and none.good == drawn.good and not none.defects
    assert [record.image.parents[1] for record in drawn.defects] == [parts]
    assert drawn.defects[0].defects == ("dent",) and drawn.classes == own.classes == ("dent",)
    assert alone.defects == drawn.defects and {record.image.parents[1] for record in alone.good} == {parts}
    for one in (own, whole):
        assert {record.image.parents[1] for record in (*one.defects, *one.good)} == {target}
    assert len(own.defects) == 1 < len(whole.defects) and {record.image.parents[1] for record in data.test} == {target}


# the work


def weights(folder: Path, arm: str) -> dict[str, torch.Tensor]:
    return load_file(folder / "arms" / arm / "model" / MODEL)


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def whole(parts: Path, target: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, dict[str, Any]]:
    """A benchmark across products with nothing replaced: tiny trainings; the plan, and the last item."""
    output = tmp_path_factory.mktemp("whole") / "bench"
    arms = ("real", "real+paste", "real+gan", "gan", "first-real", "target-real", "all-real")
    plan = Plan(parts, output, (1,), (3,), arms, config=TINY, target=Target(target, MATCH))
    *_, last = run(plan, CPU)
    return plan, last


def test_the_whole_benchmark_across_products(whole: tuple[Plan, dict[str, Any]]) -> None:
    plan, last = whole
    results = read_json(plan.output / "results.json")
    assert last["failed"] == {} and last["results"] == results
    assert [one["arm"] for one in results["trials"]] == list(plan.arms)
    assert results["verdict"].startswith("Learned on parts, judged on screws. ") and results["data"]["target"]
    split = Split.load(plan.target_split(3))
    tested = {record.name for record in split.test(read(plan.target.root)) if record.good or "dent" in record.defects}  # type: ignore[union-attr]
    for one in results["trials"]:
        assert {row["image"] for row in one["images"]} == tested and set(one["metrics"]["per_class"]) == {"dent"}
    assert {row["arm"] for row in results["gap"]} == {"real+paste", "real+gan", "gan"}
    assert results["setting"]["command"].startswith("flawsmith benchmark parts --real 1 --seeds 1 --arms real,")
    assert "--target screws --match pit=dent" in results["setting"]["command"]
    assert results["integrity"][0]["figures"]
    assert all(figure["passed"] for figure in results["integrity"][0]["figures"] if figure["name"].startswith("leak"))


def test_defects_of_the_first_product_are_painted_on_pool_parts_of_the_target(
    whole: tuple[Plan, dict[str, Any]],
) -> None:
    plan, _ = whole
    cell = plan.output / plan.cells[0].folder
    known = {entry.name: entry for entry in Split.load(plan.target_split(3)).images}
    for painter in ("paste", "gan"):
        painted = read(cell / "synthetic" / painter)
        assert painted.records and set(painted.classes) <= {"pit"}
        assert all(read_image(record.image).shape == (104, 120, 3) for record in painted.records)
        sources = read_json(cell / "synthetic" / painter / "sources.json")
        ours = {entry.sha256: entry for entry in Split.load(plan.split(3)).images}
        theirs = {entry.sha256: entry for entry in known.values()}
        origins = {"ours": set(sources.values()) & set(ours), "theirs": set(sources.values()) & set(theirs)}
        assert len(origins["ours"]) + len(origins["theirs"]) == len(sources) and all(origins.values())
        assert {ours[sha].part for sha in origins["ours"]} == {theirs[sha].part for sha in origins["theirs"]} == {POOL}
        assert all("good" in theirs[sha].name for sha in origins["theirs"])


def test_the_references_are_what_the_target_alone_would_give(
    whole: tuple[Plan, dict[str, Any]], target: Path, tmp_path: Path
) -> None:
    plan, _ = whole
    alone = Plan(target, tmp_path / "bench", (1,), (3,), ("real", "all-real"), classes=("dent",), config=TINY)
    list(run(alone, CPU))
    for ours, theirs, cell in (("target-real", "real", 0), ("all-real", "all-real", 1)):
        folders = (one.output / one.cells[cell].folder for one in (plan, alone))
        assert same(weights(next(folders), ours), weights(next(folders), theirs))


def test_it_goes_on_and_is_not_taken_up_without_its_target(whole: tuple[Plan, dict[str, Any]]) -> None:
    plan, last = whole
    assert len(list(run(plan, CPU))) == 2
    for changed in (
        replace(plan, target=None, arms=("real",)),
        replace(plan, target=Target(plan.target.root, (("scratch", "dent"),))),  # type: ignore[union-attr]
    ):
        with pytest.raises(UsageError, match="begun differently"):
            list(run(changed, CPU))
    assert read_json(plan.output / "results.json") == last["results"]


def test_the_report_says_whose_defects_are_whose(whole: tuple[Plan, dict[str, Any]]) -> None:
    plan, last = whole
    text, outcome = last["report"].read_text(), Outcome(last["results"])
    assert "<h1>Learned on parts, judged on screws." in text and "<title>flawsmith benchmark: parts → screws" in text
    assert "images of parts" in explained(outcome)["real"] and "good parts of screws" in explained(outcome)["real+gan"]
    assert explained(outcome)["target-real"].startswith("a reference") and set(explained(outcome)) == set(plan.arms)
    told = facts(outcome)
    assert (told["data"], told["target"], told["counted as"]) == ("parts", "screws", "pit as dent")


def test_nothing_but_the_references_depends_on_the_targets_own_defects(
    parts: Path, target: Path, tmp_path: Path
) -> None:
    """Another target, which differs in the images and masks of its pool's defects alone, gives the same networks."""
    other = shutil.copytree(target, tmp_path / "other" / target.name)
    split = make_split(read(target), 0.5, 0)
    pool = [record for record in split.pool(read(other)) if not record.good]
    random = np.random.default_rng(1)
    for record in pool:
        Image.fromarray(random.integers(0, 255, (104, 120, 3)).astype(np.uint8)).save(record.image)
        mask = np.zeros((104, 120), bool)
        mask[5:15, 5:15] = True
        for label in record.labels:
            assert isinstance(label.mask, Path)
            Image.fromarray(mask).save(label.mask)
    own = tmp_path / "own.json"
    make_split(read(parts), 0.5, 0).save(own)
    arms, found = ("real", "real+gan", "real+paste", "first-real", "target-real"), []
    for root in (target, other):
        goal = Target(root, MATCH, tmp_path / f"{root.parent.name}.json")
        theirs = make_split(read(root), 0.5, 0)
        assert [(one.name, one.part) for one in theirs.images] == [(one.name, one.part) for one in split.images]
        theirs.save(goal.split)  # type: ignore[arg-type]
        found.append(tmp_path / f"trial of {root.parent.name}")
        list(trial(parts, own, 1, 0, arms, TINY, found[-1], CPU, None, goal))
    painted = [sorted(file_digest(path) for path in (one / "synthetic").rglob("*.png")) for one in found]
    assert painted[0] == painted[1]
    unlike = [arm for arm in arms if not same(weights(found[0], arm), weights(found[1], arm))]
    assert pool and unlike == ["target-real"]


def test_a_dry_run_names_the_target(plan: Plan) -> None:
    told = outlook(plan)
    assert told["target"] == "screws, 16 images of 8 groups" and told["match"] == "pit=dent"
    assert "target" not in outlook(replace(plan, target=None))
