"""Split streams: the classes of one data set are dealt out over the tasks.

Split MNIST, Fashion-MNIST and CIFAR-10 are five tasks of two classes; Tadros et al. 2022 take the
first 5,000 training examples of each task.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Len
from torch import Tensor

from bioncl.errors import DataError, describe
from bioncl.seeding import numpy_generator
from bioncl.streams.labelled.loader import DataChoice
from bioncl.streams.scenario import check_mixed, check_scenario, listed
from bioncl.streams.source import DataSource
from bioncl.streams.stream import Examples, LabelledSet, Scenario, Stream, Task

Groups = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Split:
    """Each task has some of the classes.

    Attributes:
        data: Data set: a name, or a table of a name and settings.
        scenario: "class" or "task": a label is its class; "domain": its place in the group.
        classes: Groups of classes, one a task, in any order; classes may be left out.
        tasks: Instead of `classes`: number of equal groups of consecutive classes. Without either,
            two classes a task.
        order: "random" deals the classes out anew for each seed, keeping the sizes of groups.
        train_per_task: Take the first n training examples of each task, or all if it has fewer.
        test_per_task: Likewise for test examples.
    """

    data: DataChoice = "mnist"
    scenario: Scenario = "class"
    classes: Annotated[Groups, Len(1)] | None = None
    tasks: Annotated[int, Ge(1)] | None = None
    order: Literal["fixed", "random"] = "fixed"
    train_per_task: Annotated[int, Ge(1)] | None = None
    test_per_task: Annotated[int, Ge(1)] | None = None

    def build(self, source: DataSource, seed: int) -> Stream:
        """Make the stream.

        Raises:
            DataError: Groups are wrong for the data set or the scenario, or data is missing.
        """
        check_scenario("split", self.scenario)
        labelled = source.labelled(self.data)
        groups = self._groups(labelled.classes, seed)
        if self.scenario == "domain" and len({len(group) for group in groups}) > 1:
            sizes = [len(group) for group in groups]
            what = "Groups of classes in the domain scenario"
            raise DataError(describe(what, expected="all of one size", got=sizes))
        outputs = len(groups[0]) if self.scenario == "domain" else labelled.classes

        def build(index: int) -> Task:
            return self._task(labelled, groups[index], index)

        return Stream(
            name=f"split-{labelled.name}",
            scenario=self.scenario,
            outputs=outputs,
            input_shape=labelled.input_shape,
            length=len(groups),
            build=build,
        )

    def _groups(self, classes: int, seed: int) -> Groups:
        """The classes of each task."""
        if self.classes is not None:
            groups = _checked(self.classes, classes)
            if self.tasks not in (None, len(groups)):
                what = "Number of tasks beside explicit classes"
                raise DataError(describe(what, expected=len(groups), got=self.tasks))
        else:
            groups = _equal(self.tasks, classes)
        if self.order == "fixed":
            return groups
        flat = [label for group in groups for label in group]
        dealt = iter(numpy_generator(seed, "split", "order").permutation(flat).tolist())
        return tuple(tuple(next(dealt) for _ in group) for group in groups)

    def _task(self, labelled: LabelledSet, group: tuple[int, ...], index: int) -> Task:
        place = torch.full((labelled.classes,), -1, dtype=torch.int64)
        positions = range(len(group)) if self.scenario == "domain" else group
        place[list(group)] = torch.tensor(list(positions))
        everything = _members(labelled.train, place, None)
        train = everything.first(self.train_per_task)
        rest = Examples(everything.x[len(train) :], everything.y[len(train) :])
        if self.train_per_task is not None:
            check_mixed(train, len(group), f"task {index} ({listed('classes', group)})")
        return Task(
            index=index,
            outputs=tuple(sorted(positions)),
            train=train,
            test=_members(labelled.test, place, self.test_per_task),
            name=listed("classes", group),
            left_out=rest if len(rest) else None,
        )


def _members(examples: Examples, place: Tensor, count: int | None) -> Examples:
    """The first `count` examples whose class has a place, labelled by it, in original order."""
    labels = place[examples.y]
    index = (labels >= 0).nonzero().flatten()[:count]
    return Examples(examples.x[index], labels[index])


def _equal(tasks: int | None, classes: int) -> Groups:
    tasks = classes // 2 if tasks is None else tasks
    if not 1 <= tasks <= classes or classes % tasks:
        expected = f"a divisor of the number of classes, {classes}"
        hint = "Or name the groups with `classes`."
        raise DataError(describe("Number of tasks", expected=expected, got=tasks, hint=hint))
    size = classes // tasks
    return tuple(tuple(range(k * size, (k + 1) * size)) for k in range(tasks))


def _checked(groups: Groups, classes: int) -> Groups:
    """The groups as tuples, if they are not empty, in range and do not overlap."""
    flat = [label for group in groups for label in group]
    if not groups or not all(groups):
        raise DataError(describe("Groups of classes", expected="none empty", got=groups))
    unknown = sorted({label for label in flat if not 0 <= label < classes})
    if unknown:
        expected = f"0 to {classes - 1}"
        raise DataError(describe("Classes of the split", expected=expected, got=unknown))
    twice = sorted({label for label in flat if flat.count(label) > 1})
    if twice:
        what = "Groups of classes overlap"
        raise DataError(describe(what, expected="each class once", got=f"{twice} more than once"))
    return tuple(tuple(group) for group in groups)
