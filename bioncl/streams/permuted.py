"""Permuted streams (Goodfellow et al. 2013; Kirkpatrick et al. 2017): shuffled pixels.

One permutation a task, the same for all its images, fixed by the seed. It goes over all numbers of
an input, across colour channels too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge
from torch import Tensor

from bioncl.seeding import torch_generator
from bioncl.streams.labelled.loader import DataChoice
from bioncl.streams.scenario import check_scenario
from bioncl.streams.source import DataSource
from bioncl.streams.stream import Scenario, Stream
from bioncl.streams.whole import WholeSets


@dataclass(frozen=True)
class Permuted:
    """Each task shuffles the pixels in its own way.

    Attributes:
        data: Data set: a name, or a table of a name and settings.
        scenario: "domain" (usual): tasks share the outputs; else each task has its own.
        tasks: Number of tasks.
        first_permuted: Whether the first task is shuffled too, as in GEM's code.
        train_per_task: Number of training examples of each task; all by default.
        train_draw: "first" takes the first of the set, the same images in each task; "random"
            draws them anew for each task, as in GEM's code.
        test_per_task: Take the first n test examples of each task.
    """

    data: DataChoice = "mnist"
    scenario: Scenario = "domain"
    tasks: Annotated[int, Ge(1)] = 10
    first_permuted: bool = False
    train_per_task: Annotated[int, Ge(1)] | None = None
    train_draw: Literal["first", "random"] = "first"
    test_per_task: Annotated[int, Ge(1)] | None = None

    def build(self, source: DataSource, seed: int) -> Stream:
        """Make the stream.

        Raises:
            DataError: The scenario is unknown, or data is missing.
        """
        check_scenario("permuted", self.scenario)
        labelled = source.labelled(self.data)

        def change(x: Tensor, index: int) -> Tensor:
            if index == 0 and not self.first_permuted:
                return x
            flat = x.flatten(1)
            return flat[:, permutation(flat.shape[1], seed, index)].reshape(x.shape)

        whole = WholeSets(
            f"permuted-{labelled.name}",
            self.scenario,
            self.train_per_task,
            self.test_per_task,
            draw_seed=seed if self.train_draw == "random" else None,
        )
        names = [f"permutation {index}" for index in range(self.tasks)]
        return whole.stream([labelled] * self.tasks, names, change)


def permutation(size: int, seed: int, index: int) -> Tensor:
    """The permutation (int64 [size]) of the task at `index`: pixel i comes from place p[i]."""
    return torch.randperm(size, generator=torch_generator(seed, "permuted", index))
