"""How far a benchmark is: seconds of work for the bar and the time left, finished trials for the eye."""

from collections.abc import Mapping
from typing import Any

from flawsmith.segment.benchmark.cell import Cell

Work = Mapping[Cell, Mapping[str, float]]  # seconds of each task of each cell, in the tasks' order


class Progress:
    """Adds up what the cells tell of themselves."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.seconds = dict.fromkeys(work, 0.0)
        self.trials = dict.fromkeys(work, 0)  # finished ones
        self.now = ""

    def update(self, cell: Cell, event: Mapping[str, Any], trials: int) -> None:
        """Takes in a trial's event: what comes before its task is done, of the task itself its share of steps."""
        self.trials[cell] = trials
        task, tasks = event.get("task", ""), self.work[cell]
        if task not in tasks:
            return
        names = list(tasks)
        share = event.get("step", event.get("done", 0)) / max(event.get("steps", event.get("count", 1)), 1)
        self.seconds[cell] = sum(tasks[name] for name in names[: names.index(task)]) + share * tasks[task]
        self.now = f"{cell}: {task}"

    def end(self, cell: Cell, trials: int) -> None:
        """A cell that will do no more, with so many finished trials."""
        self.seconds[cell], self.trials[cell] = sum(self.work[cell].values()), trials

    def event(self) -> dict[str, Any]:
        """{"task", "done" and "count" in seconds of work, "text" with the trials that are done}."""
        total = sum(len(cell.arms) for cell in self.work)
        text = f"{sum(self.trials.values())}/{total} trials" + (f", {self.now}" if self.now else "")
        whole = sum(sum(tasks.values()) for tasks in self.work.values())
        return {
            "task": "benchmark",
            "done": round(sum(self.seconds.values()), 1),
            "count": round(whole, 1),
            "text": text,
        }
