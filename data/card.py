"""The data card of a painted set: README.md with the front matter that data hubs read."""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import yaml

from flawsmith.data.files import write_text
from flawsmith.data.problem import counted, printable
from flawsmith.data.record import GOOD
from flawsmith.data.set_facts import SetFacts, mapping

CARD = "README.md"
_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))

WHAT = "**Synthetic images.** Every defect in them was painted onto a photograph of a good part by flawsmith."
LABEL = """\
A label is the outline of a real defect, warped as its pixels were: it lies about a painted defect as people drew it
about real ones. All other pixels are those of the clean photograph, apart from a soft rim a few pixels wide around a
label, in which the change fades out. `masks/` and `annotations.json` (COCO, lossless RLE) hold the same pixels."""
LIMITS = """\
- It teaches; it does not prove. Measure on real defects alone: a score on painted ones says nothing about real ones.
- The defects are variations of the few real ones that were learned from. What those do not show, these do not show.
- Labels are as wide as those of the real defects that were learned from; other people's outlines may differ.
- Several images show the same clean part. Split by `group`, or parts of the training set return in the test set.
- Light, camera and product are those of the clean photographs.
- The good images, where there are some, are the clean photographs themselves."""
FILES = (
    ("images/", "the painted images, lossless, in the depth of the clean ones"),
    ("masks/", "a mask for each image with defects, 1-bit PNG; a good image has none"),
    ("manifest.csv", "image, mask, class, group and origin (the id of an image), a row an image"),
    ("annotations.json", "the same labels as COCO instances, one for each defect"),
    ("provenance.jsonl", "for each image the clean part, the defects' shapes, places and scores, and digests"),
    ("summary.json", "what was asked for, what was made, and why tries failed"),
    ("plan.json", "all that decides what is painted"),
    ("sources.json", "the SHA-256 of every real image that was learned from or painted on"),
    ("croissant.json", "this description for machines (Croissant 1.0)"),
)


def write_card(out: Path, facts: SetFacts | None = None) -> None:
    """Writes README.md from the facts, read where they are not given; raises UserError where a file is damaged."""
    facts = facts or SetFacts.of(out)
    write_text(out / CARD, "\n".join([*front_matter(facts), *body(facts), ""]))


def front_matter(facts: SetFacts) -> list[str]:
    """The YAML block at the top."""
    about = {
        "license": facts.licence,
        "pretty_name": title(facts),
        "task_categories": ["image-segmentation"],
        "tags": ["synthetic", "defects", "visual-inspection", "flawsmith"],
        "size_categories": [next((name for most, name in _SIZES if facts.total < most), "n>10M")],
        "annotations_creators": ["machine-generated"],
    }
    return ["---", yaml.safe_dump(about, sort_keys=False, allow_unicode=True).strip(), "---", ""]


def title(facts: SetFacts) -> str:
    """What the set is called."""
    return printable(f"Painted defects: {', '.join(facts.classes)}" if facts.classes else "Painted defects")


def body(facts: SetFacts) -> Iterator[str]:
    """The card's lines below the front matter."""
    yield from (f"# {plain(title(facts))}", "", f"> {WHAT}", "> Train with them; never test with them.", "")
    yield from ("## What is in it", "", *contents(facts), "", *table(("file", "what it holds"), _files()), "")
    yield from ("## How it was made", "", *making(facts), "", *replay(facts))
    yield from ("## What a label is", "", LABEL, "")
    yield from failures(facts)
    yield from ("## Limits", "", LIMITS, "", "## Sources and licence", "", *origin(facts))


def contents(facts: SetFacts) -> Iterator[str]:
    """Images and defects of each class: asked for, made, and here now."""
    asked = mapping(facts.summary, "per_class")
    rows = []
    for name in facts.classes:
        told = mapping(asked, name)
        rows.append((plain(name), _said(told.get("wanted")), _said(told.get("images")), *_here(facts, name)))
    good = facts.images.get(GOOD, 0)
    if good or facts.summary.get("good"):
        rows.append(("good (untouched)", "–", _said(facts.summary.get("good")), _said(good), "–"))
    head = ("class", "images asked for", "images made", "images here", "defects here")
    yield from table(head, rows)
    if facts.pruned:
        yield from ("", f"A person rejected {counted(facts.pruned, 'image')}: moved to `pruned/`.")


def _here(facts: SetFacts, name: str) -> tuple[str, str]:
    return _said(facts.images.get(name, 0)), _said(facts.defects.get(name, 0))


def _counts(*values: Any) -> bool:
    return all(type(one) is int for one in values)


def _files() -> list[tuple[str, str]]:
    return [(f"`{name}`", what) for name, what in FILES]


def making(facts: SetFacts) -> Iterator[str]:
    """Painter, checkpoint, clean parts, seed and versions: what is known of them."""
    painters, checkpoints = facts.painters, facts.checkpoints
    known: dict[str, Any] = {
        "painter": ", ".join(map(code, painters)),
        "checkpoint": ", ".join(map(code, checkpoints)),
        "clean parts": _clean(facts),
        "seed": code(facts.plan["seed"]) if "seed" in facts.plan else "",
        "plan": facts.digest and f"SHA-256 {code(facts.digest)} (of `plan.json`, without paths and versions)",
        "versions": plain(", ".join(f"{name} {number}" for name, number in mapping(facts.plan, "versions").items())),
    }
    yield from (f"- {name}: {value}" for name, value in known.items() if value)


def _clean(facts: SetFacts) -> str:
    """How many clean images were painted on, and the digest of the set that they are from."""
    number = f"{facts.parts} images were painted on" if facts.parts else ""
    digest = facts.plan.get("clean")
    return ", ".join(filter(None, (number, f"from the set {code(digest)}" if isinstance(digest, str) else "")))


def replay(facts: SetFacts) -> Iterator[str]:
    """The command that paints one image again."""
    if facts.example:
        yield from ("Each image is a function of the plan and its number. This paints one again and compares:", "")
        yield from ("```sh", f"flawsmith replay FOLDER {shown(facts.example)}", "```", "")


def failures(facts: SetFacts) -> Iterator[str]:
    """Why tries failed and images were given up."""
    tries, why = mapping(facts.summary, "failed_tries"), mapping(facts.summary, "reasons")
    if not tries and not why:
        return
    yield from ("## What was not good enough", "")
    if _counts(facts.summary.get("tries")):
        yield from (f"{counted(facts.summary['tries'], 'try').replace('trys', 'tries')} in all.", "")
    for head, counts in (("why a try was painted anew", tries), ("why an image was given up", why)):
        if counts:
            yield from table((head, "times"), [(plain(key), _said(counts[key])) for key in sorted(counts)])
            yield ""


def origin(facts: SetFacts) -> Iterator[str]:
    """Where the pixels come from and under which licence."""
    if facts.sources is not None:
        yield f"Made from {counted(facts.sources, 'real image')}, listed by name and SHA-256 in `sources.json`."
    yield "To publish these images is to publish parts of the real ones: cite their data set, and keep to its licence."
    yield f"Licence of this set: {plain(facts.licence)}."


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A Markdown table of cells that are Markdown already."""
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def plain(text: Any) -> str:
    """The text so that neither Markdown nor HTML takes any of it for an order."""
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", escape(printable(str(text)), quote=False))


def shown(text: Any) -> str:
    """The text on one line without back ticks, for code."""
    return printable(str(text)).replace("`", "'").replace("|", "/")


def code(text: Any) -> str:
    """The text as inline code."""
    return f"`{shown(text)}`"


def _said(number: Any) -> str:
    return str(number) if _counts(number) else "–"
