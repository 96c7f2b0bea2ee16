"""Memories of examples that methods carry from task to task.

| memory | keeps |
|---|---|
| ReservoirMemory | every example seen with the same probability (Vitter 1985, algorithm R) |
| RingMemory | the latest examples of each class, task, or class of a task, as many of each |

`bioncl.learning.balanced` has the memories that hold as many examples of every class.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

import torch
from torch import Tensor

from bioncl.streams.stream import Batch, Examples, joined

Grouping = Literal["class", "task", "task-class"]


class Memory(Protocol):
    """What every memory of examples can do."""

    def __len__(self) -> int:
        """Number of examples held."""

    def add(self, batch: Batch, generator: torch.Generator) -> object:
        """Offer every example of `batch`."""

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """`count` different examples at random (fewer if fewer are held)."""

    def examples(self) -> Examples:
        """All examples held."""

    def tasks(self) -> Tensor:
        """The task of each example held: int64 [n]."""

    def state(self) -> dict[str, Tensor]:
        """Everything held; see `Method.state`."""

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state` returned."""


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

    def add(self, batch: Batch, generator: torch.Generator) -> tuple[list[int], list[int]]:
        """Offer every example of `batch` in turn; return places filled, and with which examples."""
        if self.capacity == 0:
            return [], []
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
        return where, which

    def choose(self, count: int, generator: torch.Generator) -> Tensor:
        """Places of `count` different examples at random (fewer if fewer are held)."""
        return torch.randperm(len(self), generator=generator)[:count]

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """`count` different examples at random (fewer if fewer are held)."""
        return self.at(self.choose(count, generator))

    def at(self, places: Tensor) -> Batch:
        """The examples at `places`, copied."""
        held = self.examples().select(places)
        return Batch(held.x, held.y, self.tasks()[places])

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
    """The latest `per_group` examples of each group.

    Rows lie in one block a group and are overwritten in turn, so that adding costs as much as what
    is added. All that is handed out is in order: group by group, the oldest first.
    """

    def __init__(self, per_group: int, by: Grouping = "class") -> None:
        """Start empty.

        Args:
            per_group: Examples kept of each group.
            by: What makes a group: the label, the task, or both (where tasks share outputs).
        """
        self.per_group, self.by = per_group, by
        self._blocks: dict[tuple[int, int], int] = {}
        self._seen: list[int] = []
        self._rows: Examples | None = None
        self._task = torch.empty(0, dtype=torch.long)

    def __len__(self) -> int:
        """Number of examples held."""
        return sum(min(seen, self.per_group) for seen in self._seen)

    def add(self, batch: Batch, generator: torch.Generator) -> None:
        """Take in every example of `batch`; the oldest of its group make room."""
        if self.per_group == 0:
            return
        tasks = tasks_of(batch)
        groups = self._groups(batch.y.cpu(), tasks)
        for task, label in sorted(set(map(tuple, groups.tolist()))):
            mine = ((groups[:, 0] == task) & (groups[:, 1] == label)).nonzero().flatten()
            self._append((task, label), batch, tasks, mine)

    def choose(self, count: int, generator: torch.Generator) -> Tensor:
        """Places, in the order of `examples`, of `count` different examples at random."""
        return torch.randperm(len(self), generator=generator)[:count]

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """`count` different examples at random (fewer if fewer are held)."""
        return self._at(self._order()[self.choose(count, generator)])

    def before(self, task: int) -> Batch:
        """All examples held of the tasks before `task`, copied."""
        order = self._order()
        return self._at(order[self._task[order] < task])

    def examples(self) -> Examples:
        """All examples held, group by group, oldest first."""
        held = self._at(self._order())
        return Examples(held.x, held.y)

    def tasks(self) -> Tensor:
        """The task of each example held: int64 [n]."""
        return self._task[self._order()]

    def state(self) -> dict[str, Tensor]:
        """Everything held; see `Method.state`."""
        held = self.examples()
        found = {"examples.x": held.x, "examples.y": held.y, "examples.task": self.tasks()}
        return found | {"per_group": torch.tensor(self.per_group)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state` returned."""
        self.per_group = int(state["per_group"])
        self._blocks, self._seen, self._rows = {}, [], None
        self._task = torch.empty(0, dtype=torch.long)
        x, y, task = (state[f"examples.{name}"] for name in ("x", "y", "task"))
        if len(y):
            self.add(Batch(x, y, task), torch.Generator())

    def _groups(self, y: Tensor, tasks: Tensor) -> Tensor:
        """The group of each example as (task, label), 0 for what does not count: int64 [n, 2]."""
        zero = torch.zeros_like(y)
        pairs = {"class": (zero, y), "task": (tasks, zero), "task-class": (tasks, y)}
        return torch.stack(pairs[self.by], 1)

    def _append(self, group: tuple[int, int], batch: Batch, tasks: Tensor, mine: Tensor) -> None:
        """Write the rows `mine` of `batch` into the block of `group`."""
        if group not in self._blocks:
            self._grow(group, batch.x)
        block = self._blocks[group]
        places = self._seen[block] + torch.arange(len(mine))
        self._seen[block] += len(mine)
        where = places[-self.per_group :] % self.per_group + block * self.per_group
        mine = mine[-self.per_group :]
        if self._rows is not None:
            self._rows.x[where], self._rows.y[where] = batch.x[mine].cpu(), batch.y[mine].cpu()
            self._task[where] = tasks[mine]

    def _grow(self, group: tuple[int, int], like: Tensor) -> None:
        """Add a block of rows for `group`."""
        x = torch.zeros((self.per_group, *like.shape[1:]), dtype=like.dtype)
        block = Examples(x, torch.zeros(self.per_group, dtype=torch.long))
        self._rows = block if self._rows is None else joined([self._rows, block])
        self._task = torch.cat([self._task, block.y])
        self._blocks[group] = len(self._seen)
        self._seen.append(0)

    def _order(self) -> Tensor:
        """Rows of all examples held, group by group, oldest first: int64 [n]."""
        blocks = torch.tensor([self._blocks[g] for g in sorted(self._blocks)], dtype=torch.long)
        seen = torch.tensor(self._seen, dtype=torch.long)[blocks][:, None]
        step = torch.arange(self.per_group)
        oldest = torch.where(seen > self.per_group, seen % max(self.per_group, 1), 0)
        rows = blocks[:, None] * self.per_group + (oldest + step) % max(self.per_group, 1)
        return rows[step < seen]

    def _at(self, rows: Tensor) -> Batch:
        """Copies of the examples in `rows`."""
        if self._rows is None:
            return Batch(torch.empty(0), torch.empty(0, dtype=torch.long), self._task)
        held = self._rows.select(rows)
        return Batch(held.x, held.y, self._task[rows])
