"""Painting on a Ray cluster: an actor keeps its painter, and one that dies, or its node, costs the others nothing."""

from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from itertools import chain, islice
from typing import Any

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.painted_set import PLAN
from flawsmith.gan.production.cluster import (
    PATIENCE,
    Sight,
    actor,
    connected,
    device_there,
    kill,
    nodes,
    not_installed,
    out_of_patience,
    resource_of,
)
from flawsmith.gan.production.crew import BARREN, CHUNK, TRIES, Entry, Hire, given_up, safely
from flawsmith.gan.production.ledger import remove_parts
from flawsmith.gan.production.task import Task


def refuse_without_ray() -> None:
    """Raises UsageError where Ray is not installed."""
    if find_spec("ray") is None:
        raise UsageError("--executor ray", "Ray is installed", "no Ray", "pip install 'flawsmith[cluster]'")


def paint_on_ray(task: Task, indices: Iterator[int], workers: int, hire: Hire) -> Generator[Entry, None, None]:
    """The entries of all items, in whatever order they are done, from at most `workers` actors of one CPU or GPU.

    Fewer, where the cluster is smaller. When it is closed, no actor is left. Raises UserError where a node does not see
    what is shared, where actors only die, and where the cluster starts none.
    """
    ahead = list(islice(indices, CHUNK * workers))
    if not ahead:
        return
    with connected() as ray:
        chunks, resource = -(-len(ahead) // CHUNK), resource_of(task.device)
        most = min(workers, chunks, sum(node[resource] for node in nodes(ray, resource)))
        troupe = Troupe(ray, task, most, hire)
        try:
            yield from troupe.paint(chain(ahead, indices))
        finally:
            troupe.end()
            remove_parts(task.output)  # of whoever was killed while it wrote


class Painter:
    """What an actor is: its painter is made once. It tells a UserError as it tells an entry."""

    def __init__(self, task: Task, hire: Hire, sight: Sight) -> None:
        self.problem: UserError | None = None
        try:
            sight.share()
            self.work = hire(replace(task, device=device_there(task.device)))
        except UserError as error:
            self.problem = error

    def ready(self) -> UserError | None:
        """None, or why it cannot paint."""
        return self.problem

    def paint(self, chunk: Sequence[int]) -> Iterator[Entry | UserError]:
        """The entries of the items, as they are done."""
        try:
            yield from safely(self.work, chunk)
        except UserError as error:
            yield error


@dataclass
class Hand:
    """An actor, and the items that are with it."""

    actor: Any
    items: list[int] = field(default_factory=list)


class Work:
    """Items to be given out: those whose actor died alone, so that the one to blame is found; the others in chunks."""

    def __init__(self, indices: Iterator[int]) -> None:
        self.indices, self.again = indices, deque[int]()
        self.next = list(islice(indices, CHUNK))

    def __bool__(self) -> bool:
        return bool(self.again or self.next)

    def take(self) -> list[int]:
        """The next items."""
        if self.again:
            return [self.again.popleft()]
        chunk, self.next = self.next, list(islice(self.indices, CHUNK))
        return chunk


class Troupe:
    """A number of actors; `paint` gives them work, a chunk each at a time."""

    def __init__(self, ray: Any, task: Task, workers: int, hire: Hire) -> None:
        self.ray, self.workers = ray, workers
        shown = [task.run, task.output, task.output / PLAN, *(part.record.image for part in task.parts[:1])]
        self.kind, self.terms = actor(ray, Painter, task.device), (ray.put(task), hire, Sight.here(*shown))
        self.busy: dict[
            Any, Hand
        ] = {}  # by what they were asked for: to be ready, where they have no items, or entries
        self.idle: list[Hand] = []
        self.deaths = Counter[int]()
        self.barren = 0  # deaths since the last entry

    def paint(self, indices: Iterator[int]) -> Iterator[Entry]:
        """The entries of all items."""
        work = Work(indices)
        for _ in range(self.workers):
            self.start()
        while work or any(hand.items for hand in self.busy.values()):
            done, _ = self.ray.wait(list(self.busy), num_returns=1, timeout=PATIENCE)
            if not done and not any(hand.items for hand in self.busy.values()):
                raise out_of_patience()
            for promise in done:
                yield from self.hear(promise, work)
            while work and self.idle:
                self.give(self.idle.pop(), work.take())

    def start(self) -> None:
        """One more actor; it gets items when it is ready, since a full cluster lets it wait."""
        hand = Hand(self.kind.remote(*self.terms))
        self.busy[hand.actor.ready.remote()] = hand

    def give(self, hand: Hand, items: list[int]) -> None:
        """Items to an actor, which tells of each as soon as it is done."""
        hand.items = items
        self.busy[hand.actor.paint.options(num_returns="streaming").remote(list(items))] = hand

    def hear(self, promise: Any, work: Work) -> Iterator[Entry]:
        """What an actor has to tell: that it is ready, an entry, or its end."""
        hand, problems = self.busy[promise], self.ray.exceptions
        try:
            told = self.ray.get(next(promise) if hand.items else promise)
        except problems.RayTaskError:
            raise  # a bug
        except problems.RayError as error:
            if getattr(error, "actor_init_failed", False):
                raise not_installed(error) or error from error
            del self.busy[promise]
            yield from self.bury(hand, work)
            self.start()
            return
        if isinstance(told, UserError):
            raise told
        del self.busy[promise]
        if told is not None:
            hand.items.remove(told["index"])
            self.barren = 0
        if hand.items:
            self.busy[promise] = hand  # now the last to be heard: a fast one keeps none waiting
        else:
            self.idle.append(hand)
        if told is not None:
            yield told

    def bury(self, hand: Hand, work: Work) -> Iterator[Entry]:
        """What becomes of the items that were with an actor that died: the first was being made, all are made again.

        Raises UserError where actor after actor dies and none ever gets an item done.
        """
        self.ray.kill(hand.actor)  # where the connection was lost, it may live on
        self.barren += 1
        if self.barren > BARREN * self.workers:
            found = f"{self.barren} deaths in a row"
            raise UserError("--executor ray", "the processes that paint must live", found, "use fewer, or free memory")
        if not hand.items:
            return
        self.deaths[hand.items[0]] += 1
        if self.deaths[hand.items[0]] >= TRIES:
            yield given_up(hand.items.pop(0), "its process died on the cluster; out of memory?")
        work.again.extend(hand.items)

    def end(self) -> None:
        """Ends all actors, whatever they are doing."""
        kill(self.ray, [hand.actor for hand in (*self.busy.values(), *self.idle)])
        self.busy, self.idle = {}, []
