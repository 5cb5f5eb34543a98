"""Which defect images may be learned from: N of each class, taken in turn from the physical parts that show it."""

from collections.abc import Sequence
from itertools import zip_longest

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.record import Record
from flawsmith.data.seeds import rng


def draw(records: Sequence[Record], n: int | None, classes: Sequence[str], seed: int) -> tuple[Record, ...]:
    """`n` defect images of each class (all where None or fewer), round-robin over groups, sorted by name.

    A pure function of the set of records, the classes and the seed; a smaller draw is part of a larger one. An image
    of several classes counts for each. Raises UserError where a class has none.
    """
    if n is not None and n < 1:
        raise UsageError("--real", "at least one defect image of each class", n)
    orders = {name: in_turn([r for r in records if name in r.defects], name, seed) for name in classes}
    for name, order in orders.items():
        if not order:
            raise UserError(name, "a class needs at least one defect image to learn from", 0, "choose other --classes")
    drawn = {record.name: record for order in orders.values() for record in order} if n is None else _pick(orders, n)
    return tuple(drawn[name] for name in sorted(drawn))


def _pick(orders: dict[str, list[Record]], n: int) -> dict[str, Record]:
    """The first `n` of each class's order by name, one class after the other; what one class took counts for all."""
    drawn: dict[str, Record] = {}
    for count in range(1, n + 1):
        for order in orders.values():
            rest = [record for record in order if record.name not in drawn]
            if len(order) - len(rest) < count:
                drawn |= {record.name: record for record in rest[:1]}
    return drawn


def in_turn(records: Sequence[Record], defect: str, seed: int) -> list[Record]:
    """The records in a random order that takes one of each group before the second of any."""
    generator = rng(seed, f"draw {defect}")
    groups: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: record.name):
        groups.setdefault(record.group, []).append(record)
    names = sorted(groups)
    shuffled = [
        [groups[names[g]][i] for i in generator.permutation(len(groups[names[g]]))]
        for g in generator.permutation(len(names))
    ]
    return [record for turn in zip_longest(*shuffled) for record in turn if record is not None]
