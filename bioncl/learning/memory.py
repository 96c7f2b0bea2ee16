"""Memories of examples that methods carry from task to task.

| memory | keeps |
|---|---|
| ReservoirMemory | every example seen with the same probability (Vitter 1985, algorithm R) |
| RingMemory | the latest examples of each class (or other group), the same number of each |
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from bioncl.streams.stream import Batch, Examples


def tasks_of(batch: Batch) -> Tensor:
    """The task of each example of `batch`: int64 [n], on the CPU."""
    if isinstance(batch.task, Tensor):
        return batch.task.cpu()
    return torch.full((len(batch),), batch.task)


class ReservoirMemory:
    """At most `capacity` examples; after n ≥ capacity seen, each is kept with probability M/n."""

    def __init__(self, capacity: int) -> None:
        """Start empty."""
        self.capacity, self.seen = capacity, 0
        self._x: Tensor | None = None
        self._y: Tensor | None = None
        self._task: Tensor | None = None

    def __len__(self) -> int:
        """Number of examples held."""
        return min(self.seen, self.capacity)

    def add(self, batch: Batch, generator: torch.Generator) -> None:
        """Offer every example of `batch` in turn."""
        if self.capacity == 0:
            return
        self._make_room(batch.x)
        arrived = torch.arange(self.seen, self.seen + len(batch))
        drawn = torch.rand(len(batch), generator=generator, dtype=torch.float64)
        drawn = (drawn * (arrived + 1)).long()
        slots = torch.where(arrived < self.capacity, arrived, drawn).tolist()
        last = {slot: i for i, slot in enumerate(slots) if slot < self.capacity}  # the later wins
        self.seen += len(batch)
        where, which = list(last), list(last.values())
        if where:
            self._write(where, batch.x[which], batch.y[which], tasks_of(batch)[which])

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """`count` different examples at random (fewer if fewer are held)."""
        chosen = torch.randperm(len(self), generator=generator)[:count]
        held = self.examples().select(chosen)
        return Batch(held.x, held.y, self.tasks()[chosen])

    def examples(self) -> Examples:
        """All examples held."""
        if self._x is None or self._y is None:
            return Examples(torch.empty(0), torch.empty(0, dtype=torch.long))
        return Examples(self._x[: len(self)], self._y[: len(self)])

    def tasks(self) -> Tensor:
        """The task of each example held: int64 [n]."""
        none = torch.empty(0, dtype=torch.long)
        return none if self._task is None else self._task[: len(self)]

    def state(self) -> dict[str, Tensor]:
        """Everything held; see `Method.state`."""
        held = self.examples()
        found = {"examples.x": held.x, "examples.y": held.y, "examples.task": self.tasks()}
        return found | {"seen": torch.tensor(self.seen)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state` returned."""
        self.seen = int(state["seen"])
        x, y, task = (state[f"examples.{name}"] for name in ("x", "y", "task"))
        self._x = self._y = self._task = None
        if len(y):
            self._make_room(x)
            self._write(list(range(len(y))), x, y, task)

    def _make_room(self, x: Tensor) -> None:
        if self._x is None:
            self._x = torch.empty((self.capacity, *x.shape[1:]), dtype=x.dtype)
            self._y = torch.empty(self.capacity, dtype=torch.long)
            self._task = torch.empty(self.capacity, dtype=torch.long)

    def _write(self, where: list[int], x: Tensor, y: Tensor, task: Tensor) -> None:
        if self._x is None or self._y is None or self._task is None:
            return
        self._x[where], self._y[where] = x.cpu(), y.cpu()
        self._task[where] = task


class RingMemory:
    """The latest `per_group` examples of each group; the group of an example is its label."""

    def __init__(self, per_group: int) -> None:
        """Start empty."""
        self.per_group = per_group
        self._rings: dict[int, Examples] = {}
        self._tasks: dict[int, Tensor] = {}

    def __len__(self) -> int:
        """Number of examples held."""
        return sum(len(ring) for ring in self._rings.values())

    def add(self, batch: Batch, generator: torch.Generator) -> None:
        """Take in every example of `batch`; the oldest of its group make room."""
        if self.per_group == 0:
            return
        x, y, tasks = batch.x.cpu(), batch.y.cpu(), tasks_of(batch)
        for group in y.unique().tolist():
            mine = y == group
            self._append(group, x[mine], y[mine], tasks[mine])

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """`count` different examples at random (fewer if fewer are held)."""
        chosen = torch.randperm(len(self), generator=generator)[:count]
        held = self.examples().select(chosen)
        return Batch(held.x, held.y, self.tasks()[chosen])

    def examples(self) -> Examples:
        """All examples held, group by group, oldest first."""
        if not self._rings:
            return Examples(torch.empty(0), torch.empty(0, dtype=torch.long))
        rings = [self._rings[group] for group in sorted(self._rings)]
        return Examples(torch.cat([r.x for r in rings]), torch.cat([r.y for r in rings]))

    def tasks(self) -> Tensor:
        """The task of each example held: int64 [n]."""
        none = torch.empty(0, dtype=torch.long)
        return torch.cat([none, *(self._tasks[group] for group in sorted(self._tasks))])

    def state(self) -> dict[str, Tensor]:
        """Everything held; see `Method.state`."""
        held = self.examples()
        found = {"examples.x": held.x, "examples.y": held.y, "examples.task": self.tasks()}
        return found | {"per_group": torch.tensor(self.per_group)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state` returned."""
        self._rings, self._tasks, self.per_group = {}, {}, int(state["per_group"])
        x, y, task = (state[f"examples.{name}"] for name in ("x", "y", "task"))
        for group in y.unique().tolist():
            mine = y == group
            self._append(group, x[mine], y[mine], task[mine])

    def _append(self, group: int, x: Tensor, y: Tensor, task: Tensor) -> None:
        if group in self._rings:
            old = self._rings[group]
            x, y = torch.cat([old.x, x]), torch.cat([old.y, y])
            task = torch.cat([self._tasks[group], task])
        keep = slice(-self.per_group, None)
        self._rings[group] = Examples(x[keep].clone(), y[keep].clone())
        self._tasks[group] = task[keep].clone()
