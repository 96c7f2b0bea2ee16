"""SRC, Sleep Replay Consolidation: a night of sleep after each task (or before it, if set so).

The network becomes a spiking one, noise shaped by what it saw awake drives it, a local Hebbian rule
changes the weights, and the network wakes up with them (Tadros et al. 2022, Nat Commun 13:7742).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from bioncl.learning.learner import Learner
from bioncl.learning.method import Method
from bioncl.learning.observe import Observation
from bioncl.nights.night import NightReport, sleep
from bioncl.nights.settings import NightSettings
from bioncl.seeding import numpy_generator
from bioncl.streams.stream import Examples, Task, joined


@dataclass
class SRC(Method):
    """Sleep after each task.

    Attributes:
        sleep: How to sleep; the settings table [sleep].
        reports: What each night did, in order.
    """

    scenarios: ClassVar[tuple[str, ...]] = ("task", "domain", "class")
    paper: ClassVar[str] = "Tadros et al. 2022 (Nat Commun 13:7742)"
    sleeps: ClassVar[bool] = True

    sleep: NightSettings = field(default_factory=NightSettings, metadata={"table": "sleep"})
    reports: list[NightReport] = field(default_factory=list, init=False, repr=False)

    @property
    def reads_past(self) -> bool:
        """Old inputs shape drive and gains unless sleep sees the current task only."""
        return self.sleep.sees != "current"

    @property
    def reads_left_out(self) -> bool:
        """Whether sleep sees training data that no task learnt from."""
        return self.sleep.sees == "everything"

    def before_task(self, learner: Learner, task: Task) -> None:
        """Sleep before the task is learnt, if the settings say so."""
        steps = self.sleep.steps_of(task.index)
        if self.sleep.when == "before-task" and steps:
            with learner.clock.measure("sleep"):
                self.night(learner, task, steps)

    def after_task(self, learner: Learner, task: Task) -> None:
        """Sleep after the task, if the settings say so."""
        last = task.index == len(learner.stream) - 1
        if self.sleep.when == "each-task" or (self.sleep.when == "last" and last):
            self.night(learner, task, self.sleep.steps_of(task.index))

    def night(self, learner: Learner, task: Task, steps: int) -> None:
        """Sleep through one night of `steps` steps."""
        before = learner.scores()
        with learner.night_log(task.index, steps) as recorder:
            observation = Observation(learner) if learner.observed else None
            if observation:
                recorder.arrays(observation.before(before))
            report = sleep(
                learner.model,
                self.seen(learner, task),
                self.sleep,
                steps=steps,
                generator=self.noise(learner, task),
                recorder=recorder,
                progress=learner.progress,
            )
            learner.changed()
            after = learner.scores()
            if observation:
                recorder.arrays(observation.after(after))
            recorder.facts(
                {
                    "task": task.index,
                    "accuracy_before": before.tasks,
                    "accuracy_after": after.tasks,
                    "accuracy_all_before": before.all,
                    "accuracy_all_after": after.all,
                }
            )
        self.reports.append(report)

    @staticmethod
    def noise(learner: Learner, task: Task) -> np.random.Generator:
        """Source of all noise of the night after `task`."""
        return numpy_generator(learner.seed, "night", task.index)

    def seen(self, learner: Learner, task: Task) -> Examples:
        """The inputs that shape drive and gains of the night after `task`."""
        if self.sleep.sees == "current":
            return task.train
        if self.sleep.sees == "first":
            return learner.past()[0] if task.index else task.train
        if self.sleep.sees == "everything":
            return joined([*learner.past_everything(), task.everything])
        return joined([*learner.past(), task.train])
