"""Cross-modal streams: one data set, then another.

Tadros et al. 2022 let both share their outputs; with the task told, each has outputs of its own, as
between the sources and targets of Lee et al. 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge

from bioncl.errors import DataError, describe
from bioncl.streams.labelled.loader import DataChoice
from bioncl.streams.scenario import check_scenario
from bioncl.streams.source import DataSource
from bioncl.streams.stream import Stream
from bioncl.streams.whole import WholeSets


@dataclass(frozen=True)
class CrossModal:
    """Two data sets of the same shape and number of classes, one after the other.

    Attributes:
        first: Data set of the first task: a name, or a table of a name and settings.
        second: Data set of the second task.
        scenario: "domain": the two share their outputs; "task": each has its own, and the task is
            known.
        train_per_task: Take the first n training examples of each task.
        test_per_task: Likewise for test examples.
    """

    first: DataChoice = "mnist"
    second: DataChoice = "fashion-mnist"
    scenario: Literal["domain", "task"] = "domain"
    train_per_task: Annotated[int, Ge(1)] | None = None
    test_per_task: Annotated[int, Ge(1)] | None = None

    def build(self, source: DataSource, seed: int) -> Stream:
        """Make the stream; nothing in it is left to chance.

        Raises:
            DataError: The sets do not fit together, or data is missing.
        """
        check_scenario("cross-modal", self.scenario, ("domain", "task"))
        sets = [source.labelled(self.first), source.labelled(self.second)]
        first, second = ((one.classes, one.input_shape) for one in sets)
        if first != second:
            what = f"Classes and input shape of {sets[1].name}, as those of {sets[0].name}"
            raise DataError(describe(what, expected=first, got=second))
        names = [one.name for one in sets]
        name = f"cross-modal-{'-'.join(names)}"
        whole = WholeSets(name, self.scenario, self.train_per_task, self.test_per_task)
        return whole.stream(sets, names)
