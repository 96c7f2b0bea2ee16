"""A memory that holds as many examples of every class of every task, however they arrive.

"Class" means the label within its task, so that tasks which share labels get equal shares too.
Where there is no room, an example of a class that is not full takes the place of a random one of
the largest class. What happens to an example of a full class:

    "reservoir"  A class is full if it is the largest, or has lost an example. Another of its
                 examples takes the place of a random one of its own with probability stored / seen,
                 so that each class's examples are a uniform sample (CBRS, Chrysakis & Moens 2020).
    "first"      A class is full if it has capacity / classes examples. No more of it are stored
                 (greedy sampler of GDumb, Prabhu et al. 2020).
"""

from __future__ import annotations

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from bioncl.learning.memory import tasks_of
from bioncl.streams.stream import Batch, Examples

Within = Literal["reservoir", "first"]
Class = tuple[int, int]  # task and label


class BalancedMemory:
    """At most `capacity` examples, the same number of each class."""

    def __init__(self, capacity: int, within: Within = "reservoir") -> None:
        """Start empty."""
        self.capacity, self.within = capacity, within
        self.seen: Counter[Class] = Counter()
        self._places: defaultdict[Class, list[int]] = defaultdict(list)  # in ascending order
        self._held = 0  # places taken
        self._x: Tensor | None = None
        self._y = torch.full((capacity,), -1)
        self._task = torch.zeros(capacity, dtype=torch.long)

    def __len__(self) -> int:
        """Number of examples held."""
        return self._held

    def add(self, batch: Batch, generator: torch.Generator) -> None:
        """Offer every example of `batch` in turn."""
        chances = torch.rand(len(batch), 2, generator=generator, dtype=torch.float64).tolist()
        written: dict[int, int] = {}
        tasks = tasks_of(batch)
        classes = zip(tasks.tolist(), batch.y.tolist(), strict=True)
        for i, (which, (chance, pick)) in enumerate(zip(classes, chances, strict=True)):
            place = self._place(which, chance, pick)
            if place is not None:
                written[place] = i
        if written:
            places, chosen = list(written), list(written.values())
            self._task[places], self._y[places] = tasks[chosen].cpu(), batch.y[chosen].cpu()
            self._write(places, chosen, batch.x)

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """`count` different examples at random (fewer if fewer are held)."""
        chosen = torch.randperm(len(self), generator=generator)[:count]
        held = self.examples().select(chosen)
        return Batch(held.x, held.y, self._task[chosen])

    def examples(self) -> Examples:
        """All examples held."""
        x = torch.empty(0) if self._x is None else self._x[: len(self)]
        return Examples(x, self._y[: len(self)])

    def tasks(self) -> Tensor:
        """The task of each example held: int64 [n]."""
        return self._task[: len(self)]

    def state(self) -> dict[str, Tensor]:
        """Everything held; see `Method.state`."""
        held = self.examples()
        found = {"examples.x": held.x, "examples.y": held.y, "examples.task": self.tasks()}
        seen = [(*which, count) for which, count in sorted(self.seen.items())]
        return found | {"seen": torch.tensor(seen, dtype=torch.long).reshape(-1, 3)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state` returned."""
        x, y, task = (state[f"examples.{name}"] for name in ("x", "y", "task"))
        self.seen = Counter({(k, label): count for k, label, count in state["seen"].tolist()})
        self._places, self._held = defaultdict(list), len(y)
        for place, which in enumerate(zip(task.tolist(), y.tolist(), strict=True)):
            self._places[which].append(place)
        self._x, self._y = None, torch.full((self.capacity,), -1)
        self._y[: len(y)], self._task[: len(y)] = y.cpu(), task.cpu()
        if len(y):
            places = list(range(len(y)))
            self._write(places, places, x)

    def _place(self, which: Class, chance: float, pick: float) -> int | None:
        """Where an example of the class `which` goes, or None; counts it."""
        if self.capacity == 0:
            return None
        self.seen[which] += 1
        mine = self._places[which]
        if self._full(which):
            stays = self.within == "first" or chance >= len(mine) / self.seen[which]
            return None if stays else mine[int(pick * len(mine))]
        if self._held < self.capacity:
            place = self._held
            self._held += 1
        else:
            largest = self._places[max(sorted(self._places), key=self._count)]
            place = largest.pop(int(pick * len(largest)))
        insort(mine, place)
        return place

    def _full(self, which: Class) -> bool:
        """Whether the class takes no place from others; see the table above."""
        count = self._count(which)
        if self.within == "first":
            return count >= self.capacity / len(self.seen)
        if self._held < self.capacity:
            return False
        lost_one = count < self.seen[which] - 1
        return lost_one or count == max(map(len, self._places.values()))

    def _count(self, which: Class) -> int:
        """Examples held of a class."""
        return len(self._places[which])

    def _write(self, places: list[int], which: list[int], x: Tensor) -> None:
        """Copy the inputs `which` of `x` to `places`."""
        if self._x is None:
            self._x = torch.zeros((self.capacity, *x.shape[1:]), dtype=x.dtype)
        self._x[places] = x[which].cpu()
