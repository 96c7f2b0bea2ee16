"""What a network is shown: examples, batches, tasks and the stream of tasks.

A `LabelledSet` (a data set with labels) is cut into a `Stream` of `Task`s by one of the builders in
this package. Labels are output indices of the network: in the class- and task-incremental scenarios
each class has an output of its own, in the domain-incremental one all tasks share the same outputs.
All data stays in memory as tensors; a batch is a selection by index, never a per-sample transform.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from bioncl.errors import DataError, describe

Scenario = Literal["task", "domain", "class"]


@dataclass(frozen=True, eq=False)
class Examples:
    """Inputs and labels: `x` float32 [n, *shape] (0..1 for images), `y` int64 [n]."""

    x: Tensor
    y: Tensor

    def __post_init__(self) -> None:
        """Check that inputs and labels belong together."""
        if len(self.x) != len(self.y) or self.y.dim() != 1:
            got = f"x {tuple(self.x.shape)} and y {tuple(self.y.shape)}"
            raise DataError(describe("Examples", expected="one label for each input", got=got))

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.y)

    @property
    def nbytes(self) -> int:
        """Bytes of inputs and labels."""
        return self.x.nbytes + self.y.nbytes

    def select(self, index: Tensor) -> Examples:
        """The examples at `index` (int64 [k]), copied."""
        return Examples(self.x.index_select(0, index), self.y.index_select(0, index))

    def first(self, count: int | None) -> Examples:
        """The first `count` examples, or all of them for None."""
        return self if count is None else Examples(self.x[:count], self.y[:count])

    def to(self, device: torch.device | str) -> Examples:
        """The same examples on another device."""
        return Examples(self.x.to(device), self.y.to(device))


def joined(parts: Sequence[Examples]) -> Examples:
    """All examples of `parts`, one after another."""
    return Examples(torch.cat([p.x for p in parts]), torch.cat([p.y for p in parts]))


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """A data set with labels 0..classes-1, as its authors split it."""

    name: str
    train: Examples
    test: Examples
    classes: int

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.train.x.shape[1:])


@dataclass(frozen=True, eq=False)
class Batch:
    """What one step learns from: `x` [n, *shape], `y` int64 [n], and where it comes from.

    `task` is the index of its task, or int64 [n] where examples of several tasks are mixed.
    """

    x: Tensor
    y: Tensor
    task: int | Tensor

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.y)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        return Batch(self.x.to(device), self.y.to(device), self.task)


@dataclass(frozen=True, eq=False)
class Task:
    """One task of a stream.

    Attributes:
        index: Place in the stream, from 0.
        outputs: Outputs of the network that this task's labels use, ascending.
        train: What may be learnt from.
        test: What the task is judged on; held-out training data where settings are searched.
        name: Shown to people, such as "digits 0, 1".
        left_out: Training examples of the task that `train` leaves out, or None.
    """

    index: int
    outputs: tuple[int, ...]
    train: Examples
    test: Examples
    name: str
    left_out: Examples | None = None

    @property
    def everything(self) -> Examples:
        """All training examples of the task, those left out last."""
        return self.train if self.left_out is None else joined([self.train, self.left_out])


@dataclass(frozen=True, eq=False)
class Stream:
    """A sequence of tasks; each is built when asked for, its test part is kept.

    Attributes:
        name: Such as "split-mnist".
        scenario: "task" (the task is known at test time), "domain" (same outputs, task unknown) or
            "class" (all classes compete, task unknown).
        outputs: Number of outputs that the network needs.
        input_shape: Shape of one input.
        length: Number of tasks.
        build: Makes the task at an index; pure, so that a task can be made again.
    """

    name: str
    scenario: Scenario
    outputs: int
    input_shape: tuple[int, ...]
    length: int
    build: Callable[[int], Task]
    _tests: dict[int, Examples] = field(default_factory=dict, repr=False)
    _groups: dict[int, tuple[int, ...]] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        """Number of tasks."""
        return self.length

    def task(self, index: int) -> Task:
        """Build the task at `index`."""
        if not 0 <= index < self.length:
            what = f"Task {index} of stream {self.name}"
            raise DataError(describe(what, expected=f"0 to {self.length - 1}", got=index))
        task = self.build(index)
        self._tests.setdefault(index, task.test)
        self._groups[index] = task.outputs
        return task

    def tasks(self) -> Iterator[Task]:
        """All tasks in order."""
        return (self.task(index) for index in range(self.length))

    def test(self, index: int) -> Examples:
        """Test examples of the task at `index`, built once."""
        if index not in self._tests:
            self.task(index)
        return self._tests[index]

    def group(self, index: int) -> tuple[int, ...]:
        """Outputs of the task at `index`, ascending; remembered, so that old data stays alone."""
        if index not in self._groups:
            self.task(index)
        return self._groups[index]
