"""The target of a transfer: another product, whose good parts are painted on and whose real defects judge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.formats.reading import Data, name_of, source_of
from flawsmith.data.record import DataSet
from flawsmith.data.select import choose

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Target:
    """Another product, which of the first one's classes are which of its own, and its split file."""

    root: Data
    match: Pairs = ()  # as asked for; a class of the same name need not be named
    split: Path | None = None

    def refuse_same(self, root: Data) -> None:
        """Raises UsageError where it is the product that is learned from."""
        if source_of(self.root).path.resolve() == source_of(root).path.resolve():
            rule = "the target is another product than the one that is learned from"
            raise UsageError("--target", rule, self.root, "leave out --target to be judged on the same product")


@dataclass(frozen=True)
class Match:
    """Which class of the first product counts as which of the target's, and what was left out on either side."""

    names: Mapping[str, str]  # class learned → class scored
    scored: tuple[str, ...]  # the target's classes, in its own order
    lost: tuple[str, ...] = ()  # the first product's without a counterpart
    unseen: tuple[str, ...] = ()  # the target's without one

    @property
    def learned(self) -> tuple[str, ...]:
        """The first product's classes, in the order asked for."""
        return tuple(self.names)


def target_of(root: Data | None, match: Pairs) -> Target | None:
    """The target that is asked for, if any; raises UsageError where classes are matched with nothing."""
    if root is None and match:
        raise UsageError("--match", "says which class of --target is which", "no --target", "name the other product")
    return None if root is None else Target(root, match)


def title(root: Data, target: Target | None) -> str:
    """What the data are called: "tiles", or "tiles → screws"."""
    return name_of(root) if target is None else f"{name_of(root)} → {name_of(target.root)}"


def match_classes(first: DataSet, target: DataSet, wanted: Sequence[str] | None, pairs: Pairs) -> Match:
    """Pairs the classes: as asked for, then those of one name, then the only one with the only one.

    Without `wanted`, what of the first product has no counterpart is left out. Raises UsageError where a class is
    unknown, a wanted one has no counterpart, or nothing is in common; UserError where the target has no defects.
    """
    if not target.classes:
        rule = "the real defects of a target judge what was learned"
        raise UserError(target.root, rule, "no image with a defect", "label some for a test, or use flawsmith generate")
    chosen = choose(first, wanted)
    asked = _asked(first, target, pairs)
    if len(chosen) == len(target.classes) == 1 and not asked:
        asked = {chosen[0]: target.classes[0]}
    found = {name: asked.get(name, name) for name in chosen if name in asked or name in target.classes}
    lost = [name for name in chosen if name not in found]
    if not found or (wanted is not None and lost):
        has = f"{target.root} holds {', '.join(target.classes)}"
        raise UsageError("--match", f"says which class is which: {has}", ", ".join(lost), f"--match {lost[0]}=NAME")
    scored = tuple(name for name in target.classes if name in found.values())
    return Match(found, scored, tuple(lost), tuple(name for name in target.classes if name not in scored))


def _asked(first: DataSet, target: DataSet, pairs: Pairs) -> dict[str, str]:
    """The pairs by their first class; raises UsageError on one that is unknown, or has two counterparts."""
    asked: dict[str, str] = {}
    for ours, theirs in pairs:
        for name, dataset in ((ours, first), (theirs, target)):
            if name not in dataset.classes:
                raise UsageError("--match", f"{dataset.root} holds {', '.join(dataset.classes) or 'no defects'}", name)
        if asked.setdefault(ours, theirs) != theirs:
            raise UsageError("--match", "a class has one counterpart", f"{ours}={asked[ours]} and {ours}={theirs}")
    return asked
