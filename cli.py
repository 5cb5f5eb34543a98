"""The command line: read options, one library call, print. Libraries are imported inside: --help is instant."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flawsmith.data.console.app import App, example
from flawsmith.data.console.options import (
    DATA,
    FILE,
    FOLDER,
    Common,
    Learning,
    Starting,
    as_json,
    class_names,
    common,
    cores,
    data_set,
    device,
    dry_run,
    executor,
    given,
    learning,
    model_file,
    model_folder,
    output,
    run_folder,
    seed,
    split_file,
    starting,
    steps,
)
from flawsmith.data.console.progress import by_class, follow, show
from flawsmith.data.console.words import to_budgets, to_names, to_pairs
from flawsmith.data.errors import PartlyDone, UsageError, UserError
from flawsmith.gan.production.options import Painting, painter, painting
from flawsmith.segment.options import Explaining, Predicting, choosing, explaining, predicting

if TYPE_CHECKING:
    import torch

    from flawsmith.data.formats.reading import Source
    from flawsmith.segment.benchmark.cell import Budget

WRITTEN = ["coco", "cvat", "labelme", "labelstudio", "yolo", "mvtec", "png", "webdataset", "imagefolder", "manifest"]


@click.group(cls=App, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="flawsmith")
def main() -> None:
    """Learn how a defect looks, paint it onto good parts with exact masks, and measure whether it helped.

    An interrupted fit, generate, benchmark or demo goes on when given again. Exit codes: 0 done, 1 bad data,
    2 usage, 3 partly done, 4 diverged, 130 interrupted.
    """


@main.command(epilog=example("flawsmith demo -o runs/demo"))
@click.option("-o", "--output", type=FOLDER, default="runs/demo", show_default=True, help="Folder to write.")
@common
def demo(output: Path, common: Common) -> None:
    """Run the whole main job on computer-made demo parts.

    Ends with a table of scores and the path of a report. An interrupted demo goes on where it stopped.
    """
    from flawsmith.segment import demo as job
    from flawsmith.segment.report import as_text, tables

    config = job.DemoConfig()
    if common.dry_run:
        show({"output": output, "device": common.device, "seed": common.seed, "config": asdict(config)}, common.as_json)
        return
    results = follow(job.run(output, config, common.seed, common.device))["results"]
    click.echo(json.dumps(results) if common.as_json else "\n\n".join(map(as_text, tables(results))))
    click.echo(f"\n{job.NOTE}\nreport: {output / 'report.html'}", err=common.as_json)


@main.command(epilog=example("flawsmith check parts/ -o sheet.png"))
@data_set
@click.option("-o", "--output", type=FILE, help="Contact sheet.", show_default="runs/check-FOLDER.png")
@as_json
def check(folder: Source, output: Path | None, as_json: bool) -> None:
    """List every problem of a data set, its counts and sizes.

    Also writes a contact sheet. Exit code 1 if any problem is an error.
    """
    from flawsmith.data.check import check as check_folder
    from flawsmith.data.formats.reading import name_of
    from flawsmith.data.image import write_image
    from flawsmith.data.sheet import contact_sheet

    report = check_folder(folder)
    sheet = (output or Path("runs") / f"check-{name_of(folder)}.png") if report.dataset.records else None
    if sheet is not None:
        write_image(sheet, contact_sheet(report.dataset))
    click.echo(json.dumps({**report.json(), "sheet": sheet}, default=str) if as_json else report.text(sheet))
    click.get_current_context().exit(1 if report.errors else 0)


@main.command(epilog=example("flawsmith convert export.zip parts-coco/ --to coco"))
@data_set
@click.argument("output", type=FOLDER)
@click.option("--to", metavar="FORMAT", required=True, help=f"One of {', '.join(WRITTEN)}.")
@click.option(
    "--yolo-parts",
    type=click.Choice(["split", "bridge"]),
    help="YOLO: parts of an object as objects of their own, or as one outline with bridges.",
    show_default="split",
)
@dry_run
@as_json
def convert(folder: Source, output: Path, to: str, yolo_parts: str | None, dry_run: bool, as_json: bool) -> None:
    """Write a data set in another format, and what it cannot hold.

    Reads CVAT, COCO, Labelbox, VIA, LabelMe, Label Studio, YOLO, MVTec AD, class-id PNG and plain folders, zipped or
    not. What was kept of every object stands in conversion.csv, groups and provenance ids in flawsmith.csv.
    """
    from flawsmith.data.convert import LOST, summary
    from flawsmith.data.convert import convert as convert_set
    from flawsmith.data.read import read

    if yolo_parts is not None and to != "yolo":
        raise UsageError("--yolo-parts", "belongs to --to yolo", to)
    if dry_run:
        show({"reads": by_class(read(folder).records), "writes": to, "output": output}, as_json)
        return
    kept = follow(convert_set(folder, output, to, **given(parts=yolo_parts)))["kept"]
    facts = {**summary(kept), "output": output}
    show({**facts, "note": LOST[to]} if to in LOST else facts, as_json)


@main.command(epilog=example("flawsmith split parts/ -o split.json --test 0.5"))
@data_set
@click.option("-o", "--output", type=FILE, required=True, help="Split file to write.")
@click.option("--test", default=0.5, show_default=True, help="Share of each class that is held out, in whole groups.")
@seed
@dry_run
@as_json
def split(folder: Source, output: Path, test: float, seed: int, dry_run: bool, as_json: bool) -> None:
    """Divide a data set into a pool and a test part.

    Whole groups (parts) go to one side. Every command that learns refuses images of the test part.
    """
    from flawsmith.data.read import read
    from flawsmith.data.split import Split, make_split

    dataset = read(folder)
    made = make_split(dataset, test, seed)
    if output.exists() and Split.load(output) != made:
        raise UsageError(output, "a split is never overwritten", "another split", "choose another --output")
    if not dry_run:
        made.save(output)
    pool, held_out = by_class(made.pool(dataset)), by_class(made.test(dataset))
    show({"pool": pool, "test": held_out, "note": made.note, "output": output}, as_json)


@main.command(epilog=example("flawsmith fit parts/ -o runs/parts --split split.json --real 10"))
@learning
@output
@steps
@starting
@common
def fit(learning: Learning, output: Path, steps: int | None, starting: Starting, common: Common) -> None:
    """Learn how the defects look: fit the GAN.

    With --init RUN it starts from another product's run, whose classes are known by their names.
    """
    from flawsmith.data.distributed import joined
    from flawsmith.gan.fit import fit as fit_gan
    from flawsmith.gan.trainer import FitConfig
    from flawsmith.gan.transfer import Origin

    if starting.init and steps == 0:
        raise UsageError("--init", "goes with steps of the GAN", "none", "leave it out")
    start = starting.start(learning.split)
    if start is not None:
        Origin.open(start)  # before all data are read
    selection = learning.select(common.seed)
    wanted = FitConfig(**given(steps=steps, start=start))
    config = replace(wanted, steps=wanted.length(len(selection.classes)))
    facts = {"learns from": by_class(selection.defects + selection.good), "output": output, "device": common.device}
    if common.dry_run:
        show({**facts, "seed": common.seed, "config": asdict(config)}, common.as_json)
        return
    with joined(common.device) as group:
        follow(group.told(fit_gan(selection, config, output, common.seed, common.device, group)))
    show(facts, common.as_json)


@main.command(epilog=example("flawsmith preview runs/parts -o sheets/"))
@click.argument("folder", metavar="RUN|SET", type=FOLDER)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="A .png, an .html, or a folder for both."
)
@click.option("--clean", type=DATA, help="Paint on these good parts.", show_default="where the real defects were")
@split_file
@painter
@common
def preview(folder: Path, output: Path, clean: Path | None, split: Path | None, painter: str, common: Common) -> None:
    """Show what a run paints, or what a painted set holds.

    Of a run: contact sheets, one for each class, over severities and over latents. Of a set: a page on which images can
    be rejected; it saves a list for flawsmith prune.
    """
    from flawsmith.data.clean import good_parts
    from flawsmith.data.painted_set import is_painted_set
    from flawsmith.gan.preview import preview as paint_sheet
    from flawsmith.gan.review import review

    if is_painted_set(folder):
        if output.suffix.lower() != ".html":
            raise UsageError("-o", "the page of a painted set ends in .html", output)
        if not common.dry_run:
            follow(review(folder, output))
        show({"images of": folder, "output": output}, common.as_json)
        return
    parts, seed, device = good_parts(clean, split) if clean else None, common.seed, common.device
    if not common.dry_run:
        paint_sheet(folder, parts, output, seed, device, painter)
    where = "the places of the real defects" if parts is None else f"{len(parts)} good parts"
    show({"painted on": where, "painter": painter, "output": output, "device": device, "seed": seed}, common.as_json)


@main.command(epilog=example("flawsmith generate runs/parts --clean parts/ --split split.json -n 1000 -o painted/"))
@run_folder
@click.option("--clean", type=DATA, required=True, help="Data set whose good parts are painted on.")
@split_file
@class_names
@output
@painting
@common
def generate(
    run: Path,
    clean: Path | Source,
    split: Path | None,
    classes: tuple[str, ...] | None,
    output: Path,
    painting: Painting,
    common: Common,
) -> None:
    """Paint a labelled data set onto good parts.

    Writes images, masks, a manifest, COCO annotations, the provenance of every image and a data card. Exit code 3 if
    some images had to be given up.
    """
    from flawsmith.data.clean import good_parts
    from flawsmith.data.region import with_regions
    from flawsmith.data.sources import refuse_test_sources
    from flawsmith.data.split import Split
    from flawsmith.gan.production.execute import executor_of
    from flawsmith.gan.production.generate import How
    from flawsmith.gan.production.generate import generate as paint

    config, seed, device = painting.config(classes), common.seed, common.device
    parts = with_regions(good_parts(clean, split), painting.region)
    if split:
        refuse_test_sources(run, Split.load(split), "fit again with --split")
    output = output / painting.shard.folder if painting.shard else output
    facts = {"painted on": f"{len(parts)} good parts", "output": output, "device": device}
    if common.dry_run:
        show({**facts, "seed": seed, "config": asdict(config)}, common.as_json)
        return
    where = {"run": str(run), "clean": str(clean), "region": painting.region}
    execute = executor_of(painting.executor)
    how = How(painting.workers if execute or device.type == "cpu" else 1, execute)  # a GPU here takes one process
    follow(paint(run, parts, config, output, seed, device, shard=painting.shard, where=where, how=how))
    show(facts, common.as_json)


@main.command(epilog=example("flawsmith augment parts/ --split split.json --real 10 -n 1000 -o painted/"))
@learning
@output
@click.option("--run", type=FOLDER, help="Folder of the fit.", show_default="OUTPUT-run")
@steps
@starting
@painting
@common
@click.pass_context
def augment(
    ctx: click.Context,
    /,
    learning: Learning,
    output: Path,
    run: Path | None,
    steps: int | None,
    starting: Starting,
    painting: Painting,
    common: Common,
) -> None:
    """Fit and generate in one, on the data set's own good parts."""
    run = run or output.with_name(f"{output.name}-run")
    learned = steps if painting.painter == "gan" else 0  # the other painters need no training
    ctx.invoke(fit, output=run, steps=learned, **vars(learning), **vars(starting), **vars(common))
    source = {"run": run, "clean": learning.folder, "split": learning.split, "classes": learning.classes}
    ctx.invoke(generate, **source, output=output, **vars(painting), **vars(common))


@main.command(epilog=example("flawsmith merge painted/ -o whole/"))
@click.argument("shards", nargs=-1, required=True, type=FOLDER)
@output
@dry_run
@as_json
def merge(shards: tuple[Path, ...], output: Path, dry_run: bool, as_json: bool) -> None:
    """Join the shards of a painted set, or folders of shards.

    Compares every file with its digest; the result has the bytes that one machine would have written.
    """
    from flawsmith.gan.production.merge import merge as join
    from flawsmith.gan.production.merge import shards_of

    facts = {"shards": len(shards_of(shards)), "output": output}
    if not dry_run:
        follow(join(shards, output))
    show(facts, as_json)


@main.command(epilog=example("flawsmith prune painted/ rejected.json"))
@click.argument("folder", metavar="SET", type=FOLDER)
@click.argument("rejected", type=FILE)
@click.option("-o", "--output", type=FOLDER, help="Leave SET as it is, and prune a copy here.", show_default="none")
@as_json
def prune(folder: Path, rejected: Path, output: Path | None, as_json: bool) -> None:
    """Drop the images that a person rejected on a set's preview.

    REJECTED is the file that the page saves. The images are moved to SET/pruned, and stay dropped when the set's
    generate command is given again.
    """
    from flawsmith.data.prune import prune as drop

    show({**drop(folder, rejected, output), "output": output or folder}, as_json)


@main.command(epilog=example("flawsmith replay painted/ 000012"))
@click.argument("folder", metavar="SET", type=FOLDER)
@click.argument("image", metavar="ID")
@click.option("--run", type=FOLDER, help="The run that painted it.", show_default="where it was")
@click.option("--clean", type=DATA, help="Data set of the clean part.", show_default="where it was")
@click.option("--region", metavar="PATH", help="The region of interest.", show_default="where it was")
@click.option("-o", "--output", type=FOLDER, help="Folder to keep the new image and mask in.", show_default="none")
@device
@as_json
def replay(
    folder: Path,
    image: str,
    run: Path | None,
    clean: Path | None,
    region: str | None,
    output: Path | None,
    device: torch.device,
    as_json: bool,
) -> None:
    """Paint one image of a set again, and compare.

    ID is an image's provenance id, number or file name. Exit code 1 if anything differs, with what does.
    """
    from flawsmith.gan.production.replay import replay as paint_again

    found = paint_again(folder, image, device, run, clean, region, output)
    facts = {"image": found.entry.get("image", image), "same": not found.different}
    show({**facts, **({"versions": found.versions} if found.versions else {})}, as_json)
    if found.different:
        why = f"painted with other versions: {found.versions}" if found.versions else "the versions are the same"
        raise UserError(folder, f"image {image} must be the same again", f"another {', '.join(found.different)}", why)


@main.command(epilog=example("flawsmith train parts/ --synthetic painted/ --split split.json --real 10 -o model/"))
@learning
@click.option("--synthetic", type=DATA, help="Data set that generate wrote, learned from beside the real one.")
@choosing
@output
@click.option(
    "--steps",
    type=click.IntRange(min=0),
    help="Training steps of each network.",
    show_default="150; 300 if parts lie any way",
)
@starting
@common
def train(
    learning: Learning,
    synthetic: Path | None,
    model: str | None,
    weights: str | None,
    shrink: int | None,
    turn: bool | None,
    output: Path,
    steps: int | None,
    starting: Starting,
    common: Common,
) -> None:
    """Train a model on real and, if given, painted defects.

    With painted ones good parts alone are enough. The threshold has no steps: it prints what was chosen, and writes it
    as JSON. With --init MODEL it starts from another product's model, whose classes are known by their names; --model
    is that one's then.
    """
    from flawsmith.data.augment import AugmentConfig
    from flawsmith.data.distributed import joined
    from flawsmith.data.painted import painted_records
    from flawsmith.data.read import read
    from flawsmith.data.sources import read_sources
    from flawsmith.segment.explain.learned import Learned
    from flawsmith.segment.train import TrainConfig
    from flawsmith.segment.train import train as train_model
    from flawsmith.segment.transfer import Origin

    start = starting.start(learning.split)
    if start is not None:
        model = Origin.open(start).check(model)
    config = TrainConfig(
        **given(steps=steps, model=model, weights=weights, shrink=shrink, start=start), augment=AugmentConfig(turn=turn)
    )
    selection = learning.select(common.seed, read(synthetic).classes if synthetic else ())
    painted = painted_records(synthetic, selection.classes, learning.split) if synthetic else ()
    sources = {"learns from": by_class(selection.defects + selection.good), "painted": by_class(painted)}
    facts = {**sources, "output": output, "device": common.device}
    if common.dry_run:
        show({**facts, "seed": common.seed, "config": asdict(config)}, common.as_json)
        return
    made_from = read_sources(read(synthetic).root) if synthetic else None
    with joined(common.device) as group:
        training = train_model(selection, painted, config, output, common.seed, common.device, group, made_from)
        follow(group.told(training))
        sets = (synthetic,) if synthetic else ()
        group.lead(lambda: Learned.of(learning.folder.path, sets).save(output))
    show(facts, common.as_json)


@main.command(epilog=example("flawsmith evaluate model/ parts/ --split split.json -o eval/"))
@model_file
@data_set
@split_file
@output
@device
@dry_run
@as_json
def evaluate(
    model: Path, folder: Source, split: Path | None, output: Path, device: torch.device, dry_run: bool, as_json: bool
) -> None:
    """Score a model on real parts.

    Writes metrics.json, a table of the images, and overlays of the best, the median and the worst.
    """
    from flawsmith.data.select import test_records
    from flawsmith.data.sources import refuse_test_sources, seen
    from flawsmith.data.split import Split
    from flawsmith.segment.evaluate import evaluate as score
    from flawsmith.segment.model import load_model
    from flawsmith.segment.report import as_text, kind_tables, score_table

    trained = load_model(model, device)
    records = test_records(folder, split, trained.classes)
    made = model if model.is_dir() else model.parent
    if split is not None:
        refuse_test_sources(made, Split.load(split), "train again with --split")
    elif known := seen(made, records):
        click.echo(f"{model}: has learned from {len(known)} of the {len(records)} images, such as {known[0]}", err=True)
    if dry_run:
        show({"scores": by_class(records), "output": output, "device": device}, as_json)
        return
    metrics = follow(score(trained, records, output))["metrics"]
    rows = {"all defects": metrics["overall"], **metrics["per_class"]}
    tables = [score_table(f"{len(records)} images", rows), *kind_tables(metrics)]
    click.echo(json.dumps(metrics) if as_json else "\n\n".join(map(as_text, tables)))


@main.command(epilog=example("flawsmith predict model/ new_parts/ line.mp4 -o predictions/ --overlay"))
@model_file
@click.argument("places", nargs=-1, required=True)
@output
@predicting
@device
@dry_run
@as_json
def predict(
    model: Path,
    places: tuple[str, ...],
    output: Path,
    predicting: Predicting,
    device: torch.device,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Find defects in new images and video.

    PLACES are images, folders, patterns such as "parts/**/*.png", video files, cameras such as /dev/video0 and
    addresses such as rtsp://camera/1; MODEL is what train or export wrote. Writes masks, probability maps, every defect
    with its score and box, and how fast it went. Exit code 3 if something could not be read.
    """
    from flawsmith.segment.grades import TABLE, grade_images
    from flawsmith.segment.model import load_model
    from flawsmith.segment.models.objects import Grader
    from flawsmith.segment.places import Sources
    from flawsmith.segment.predict import predict as predict_on

    config, segmenter, sources = predicting.config(), load_model(model, device), Sources.of(places)
    facts = {"images": len(sources.images), "videos": len(sources.videos), "classes": ", ".join(segmenter.classes)}
    facts |= {"output": output, "device": device}
    if dry_run:
        show({**facts, "config": asdict(config)}, as_json)
        return
    if isinstance(segmenter, Grader):
        follow(grade_images(segmenter, sources, output, config.threshold))
        show({**facts, "table": output / TABLE}, as_json)
        return
    summary = follow(predict_on(segmenter, sources, output, config))["summary"]
    speeds = {name: f"{one['per_second']} a second" for name, one in summary.get("videos", {}).items()}
    if "images" in summary:
        speeds |= {"images": f"{summary['images']['per_second']} a second"}
    show({**facts, "speed": speeds, "summary": output / "summary.json"}, as_json)


@main.command(epilog=example("flawsmith explain model/ parts/ --split split.json -o why/"))
@model_file
@click.argument("places", nargs=-1, required=True)
@output
@explaining
@common
def explain(model: Path, places: tuple[str, ...], output: Path, explaining: Explaining, common: Common) -> None:
    """Show what drove predictions, and how sure they are.

    PLACES are a labelled data set, whose errors are explained, or images, folders and patterns as predict takes them.
    Writes index.html, a page without scripts, and explain.json: Grad-CAM, occlusion, test-time augmentation, the
    nearest training defects, and what a plain threshold says. Exit code 3 if some images could not be read.
    """
    from flawsmith.segment.explain.job import PAGE, Beside, explain_all
    from flawsmith.segment.explain.learned import painted_of, recall, selection_of
    from flawsmith.segment.explain.subjects import Subjects
    from flawsmith.segment.model import load_model

    config, trained = explaining.config(), load_model(model, common.device)
    found = recall(model, explaining.learned, explaining.synthetic)
    subjects = Subjects.of(places, explaining.split, trained.classes)
    kind, count = "errors" if subjects.labelled else "what is found", len(subjects.records)
    facts: dict[str, Any] = {"explains": kind, "images": count}
    facts |= {"learned from": found.data or "unknown", "painted": ", ".join(map(str, found.synthetic)) or "none"}
    facts |= {"output": output, "device": common.device}
    if common.dry_run:
        show({**facts, "seed": common.seed, "config": asdict(config)}, common.as_json)
        return
    drawn = explaining.split, explaining.real, trained.classes, common.seed
    learned = None if found.data is None else selection_of(model, found.data, *drawn)
    painted = painted_of(found.synthetic, trained.classes)
    beside = Beside(learned, painted, explaining.baseline, common.seed, found.notes)
    account = follow(explain_all(trained, subjects, output, config, beside, common.device))["account"]
    show({**facts, **account.chosen.counts, "page": output / PAGE}, common.as_json)


@main.command(epilog=example("flawsmith export model/ -o model.onnx --check parts/ --split split.json"))
@model_folder
@click.option("-o", "--output", type=FILE, required=True, help="The .onnx to write.")
@click.option("--int8", is_flag=True, help="Numbers of 8 bits: half of --check calibrates them, the rest compares.")
@click.option("--check", type=DATA, help="Data set, or images, to compare on.", show_default="made ones")
@click.option("--split", type=FILE, help="Split file: compare on its pool.")
@dry_run
@as_json
def export(
    model: Path, output: Path, int8: bool, check: Path | None, split: Path | None, dry_run: bool, as_json: bool
) -> None:
    """Write a model as ONNX, to run without torch.

    Images of any size. Both are run on the same images first, and nothing is written where probabilities differ by more
    than 0.001, or 8 bits cost more than 0.005 of the IoU.
    """
    from flawsmith.data.device import pick_device
    from flawsmith.segment.export import export as to_onnx
    from flawsmith.segment.export import form_of, probes_of
    from flawsmith.segment.models.choose import load_trained

    classes = form_of(load_trained(model, pick_device("cpu")), model).original.classes
    images = probes_of(check, split, classes)
    kind = "made images" if images is None else f"{len(images)} images, {'with' if images.labelled else 'no'} labels"
    facts = {"classes": ", ".join(classes), "compared on": kind, "output": output}
    if dry_run:
        show(facts, as_json)
        return
    last = follow(to_onnx(model, output, images, int8))
    show({**facts, "bytes": last["bytes"], **last["agreement"].facts()}, as_json)


@main.command(epilog=example("flawsmith benchmark parts/ --real 5,10,25 --seeds 3 -o runs/bench"))
@data_set
@click.option(
    "--real",
    "budgets",
    metavar="N,N",
    callback=to_budgets,
    default="10",
    show_default=True,
    help="Real defect images of each class: numbers, all.",
)
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="How many, from --seed on.")
@click.option(
    "--arms",
    metavar="A,B",
    callback=to_names,
    show_default="real,real+paste,real+gan,real+gan+paste",
    help="What to compare with real; also real+poisson, gan, all-real, and with --target first-real and target-real.",
)
@click.option(
    "--target", type=DATA, help="Another product: paint on its good parts, and be judged by its real defects."
)
@click.option(
    "--match", metavar="A=B,A=B", callback=to_pairs, help="Class = class of --target.", show_default="of the same name"
)
@class_names
@output
@choosing
@click.option(
    "--fit-steps", type=click.IntRange(min=1), help="Training steps of the GAN.", show_default="see --dry-run"
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    help="Training steps of each model.",
    show_default="150; 300 if parts lie any way",
)
@click.option("-n", "--count", type=click.IntRange(min=2), help="Images of each painter.", show_default="see --dry-run")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes; each does one budget of one seed.",
)
@executor
@common
def benchmark(
    folder: Source,
    budgets: tuple[Budget, ...],
    seeds: int,
    arms: tuple[str, ...] | None,
    target: Path | None,
    match: tuple[tuple[str, str], ...],
    classes: tuple[str, ...] | None,
    output: Path,
    model: str | None,
    weights: str | None,
    shrink: int | None,
    turn: bool | None,
    fit_steps: int | None,
    steps: int | None,
    count: int | None,
    workers: int,
    executor: str,
    common: Common,
) -> None:
    """Measure whether painted defects help, against copy-paste.

    Trains a model for each arm, budget and seed, all on the same splits, and scores it on held-out parts. Writes
    results.json after each cell, and report.html; the same command goes on, and other arms, budgets and seeds may join.
    Exit code 3 if some could not be finished.

    With --target: does painting the defects of this product on good parts of another find that one's real defects?
    """
    from flawsmith.data.augment import AugmentConfig
    from flawsmith.gan.trainer import FitConfig
    from flawsmith.segment.benchmark.plan import Plan, default_arms
    from flawsmith.segment.benchmark.run import outlook, run
    from flawsmith.segment.target import target_of
    from flawsmith.segment.train import TrainConfig
    from flawsmith.segment.trial import TrialConfig

    augment = AugmentConfig(turn=turn)
    recipe = given(
        fit=FitConfig(steps=fit_steps) if fit_steps else None,
        train=TrainConfig(**given(steps=steps, model=model, weights=weights, shrink=shrink), augment=augment),
        count=count,
    )
    config, drawn = TrialConfig(workers=cores(), **recipe), tuple(range(common.seed, common.seed + seeds))
    other = target_of(target, match)
    plan = Plan(folder, output, budgets, drawn, arms or default_arms(other), classes, config, other)
    if common.dry_run:
        show({**outlook(plan), "output": output, "device": common.device, "config": asdict(config)}, common.as_json)
        return
    last = follow(run(plan, common.device, workers, executor))
    results = {"verdict": last["results"]["verdict"], "recommended": last["results"]["recommended"]}
    click.echo(json.dumps({**results, "report": str(last["report"])}) if common.as_json else results["verdict"])
    click.echo(f"report: {last['report']}", err=common.as_json)
    if last["failed"]:
        why = "; ".join(f"{cell}: {reason}" for cell, reason in last["failed"].items())
        raise PartlyDone(output, "not everything could be finished", why, "the same command tries it again")


if __name__ == "__main__":
    main()
