"""A memory that holds as many examples of every class, however the classes arrive.

Where there is no room, an example of a class that is not full takes the place of a random one of
the largest class. What happens to an example of a full class:

    "reservoir"  A class is full if it is the largest, or has lost an example. Another of its
                 examples takes the place of a random one of its own with probability stored / seen,
                 so that each class's examples are a uniform sample (CBRS, Chrysakis & Moens 2020).
    "first"      A class is full if it has capacity / classes examples. No more of it are stored
                 (greedy sampler of GDumb, Prabhu et al. 2020).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from bioncl.learning.memory import tasks_of
from bioncl.streams.stream import Batch, Examples

Within = Literal["reservoir", "first"]


class BalancedMemory:
    """At most `capacity` examples, the same number of each class."""

    def __init__(self, capacity: int, within: Within = "reservoir") -> None:
        """Start empty."""
        self.capacity, self.within = capacity, within
        self.seen: Counter[int] = Counter()
        self.counts: Counter[int] = Counter()
        self._x: Tensor | None = None
        self._y = torch.full((capacity,), -1)
        self._task = torch.zeros(capacity, dtype=torch.long)

    def __len__(self) -> int:
        """Number of examples held."""
        return self.counts.total()

    def add(self, batch: Batch, generator: torch.Generator) -> None:
        """Offer every example of `batch` in turn."""
        chances = torch.rand(len(batch), 2, generator=generator, dtype=torch.float64).tolist()
        written: dict[int, int] = {}
        for i, (label, (chance, pick)) in enumerate(zip(batch.y.tolist(), chances, strict=True)):
            place = self._place(label, chance, pick)
            if place is not None:
                self._y[place] = label
                written[place] = i
        if written:
            self._write(list(written), list(written.values()), batch)

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
        return found | {"seen": torch.tensor(sorted(self.seen.items())).reshape(-1, 2)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state` returned."""
        x, y, task = (state[f"examples.{name}"] for name in ("x", "y", "task"))
        self.seen = Counter(dict(state["seen"].tolist()))
        self.counts = Counter(y.tolist())
        self._x, self._y = None, torch.full((self.capacity,), -1)
        places = list(range(len(y)))
        self._y[places] = y.cpu()
        if places:
            self._write(places, places, Batch(x, y, task))

    def _place(self, label: int, chance: float, pick: float) -> int | None:
        """Where an example of `label` goes, or None; counts it."""
        if self.capacity == 0:
            return None
        self.seen[label] += 1
        if self._full(label):
            stays = self.within == "first" or chance >= self.counts[label] / self.seen[label]
            return None if stays else self._one_of(label, pick)
        if len(self) < self.capacity:
            place = len(self)
        else:
            largest = max(sorted(self.counts), key=self.counts.__getitem__)
            place = self._one_of(largest, pick)
            self.counts[largest] -= 1
        self.counts[label] += 1
        return place

    def _full(self, label: int) -> bool:
        """Whether the class takes no place from others; see the table above."""
        if self.within == "first":
            return self.counts[label] >= self.capacity / len(self.seen)
        if len(self) < self.capacity:
            return False
        lost_one = self.counts[label] < self.seen[label] - 1
        return lost_one or self.counts[label] == max(self.counts.values())

    def _one_of(self, label: int, pick: float) -> int:
        """A place with `label`, chosen by `pick` in 0..1."""
        places = (self._y == label).nonzero().flatten()
        return int(places[int(pick * len(places))])

    def _write(self, places: list[int], which: list[int], batch: Batch) -> None:
        """Copy the examples `which` of `batch`, all but the labels, to `places`."""
        if self._x is None:
            self._x = torch.zeros((self.capacity, *batch.x.shape[1:]), dtype=batch.x.dtype)
        self._x[places] = batch.x[which].cpu()
        self._task[places] = tasks_of(batch)[which]
