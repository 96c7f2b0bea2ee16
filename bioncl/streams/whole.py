"""Streams whose every task has all classes, differing in what the inputs look like.

In the domain scenario the tasks share the outputs; in the others the labels of task k are moved up
by k times the number of classes, so that each task has outputs of its own. Only one task's inputs
exist at a time: they are made when the task is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bioncl.seeding import torch_generator
from bioncl.streams.scenario import check_mixed
from bioncl.streams.stream import Examples, LabelledSet, Scenario, Stream, Task

Change = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class WholeSets:
    """What the tasks of such a stream have in common.

    Attributes:
        name: Of the stream.
        scenario: Decides the labels.
        train_per_task: Number of training examples of each task, None for all.
        test_per_task: The first n test examples of each task, None for all.
        draw_seed: None takes the first training examples; a seed draws them anew for each task.
    """

    name: str
    scenario: Scenario
    train_per_task: int | None
    test_per_task: int | None
    draw_seed: int | None = None

    def stream(
        self, sets: Sequence[LabelledSet], names: Sequence[str], change: Change | None = None
    ) -> Stream:
        """Make the stream whose task k is `sets[k]`, its inputs [n, *shape] put through `change`.

        Args:
            sets: One a task (the same one may stand for all); shapes and classes agree.
            names: One a task.
            change: Given inputs and the index of the task, returns inputs of the same shape.
        """
        classes = sets[0].classes

        def build(index: int) -> Task:
            offset = 0 if self.scenario == "domain" else index * classes

            def part(few: Examples) -> Examples:
                x = few.x if change is None else change(few.x, index)
                return Examples(x, few.y + offset)

            train = part(self._drawn(sets[index].train, index))
            if self.train_per_task is not None:
                check_mixed(train, classes, f"task {index} ({names[index]})")
            return Task(
                index=index,
                outputs=tuple(range(offset, offset + classes)),
                train=train,
                test=part(sets[index].test.first(self.test_per_task)),
                name=names[index],
            )

        return Stream(
            name=self.name,
            scenario=self.scenario,
            outputs=classes if self.scenario == "domain" else classes * len(sets),
            input_shape=sets[0].input_shape,
            length=len(sets),
            build=build,
        )

    def _drawn(self, examples: Examples, index: int) -> Examples:
        """The training examples of the task at `index`."""
        if self.draw_seed is None or self.train_per_task is None:
            return examples.first(self.train_per_task)
        generator = torch_generator(self.draw_seed, "whole", "draw", index)
        order = torch.randperm(len(examples), generator=generator)
        return examples.select(order[: self.train_per_task])
