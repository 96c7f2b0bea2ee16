"""Joint: a new network trained on all tasks so far at once; the upper end of every comparison.

After task k the network starts afresh and is trained on the data of tasks 1..k mixed, with the same
number of epochs. The last row of the accuracy matrix is the "ideal" of the papers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from bioncl.learning.learner import Learner
from bioncl.learning.method import Method
from bioncl.streams.stream import Task, joined


@dataclass
class Joint(Method):
    """Training on everything seen so far, from the start, after each task."""

    paper: ClassVar[str] = "upper reference"

    @property
    def reads_past(self) -> bool:
        """All old data is kept."""
        return True

    def before_task(self, learner: Learner, task: Task) -> None:
        """Start afresh on the data of all tasks up to this one."""
        learner.replace_model()
        parts = [*learner.past(), task.train]
        learner.data = joined(parts)
        lengths = torch.tensor([len(part) for part in parts])
        learner.data_tasks = torch.arange(len(parts)).repeat_interleave(lengths)
