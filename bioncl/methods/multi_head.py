"""Multi-head: plain sequential training with outputs of its own for each task.

What forgets is only what the tasks share. The network must have a head for each task: set
`model.head = "per-task"` (a layer a task) or `"masked"` (one layer, other tasks' outputs blocked).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bioncl.learning.learner import Learner
from bioncl.learning.method import Method
from bioncl.learning.task_heads import demand_task_heads


@dataclass
class MultiHead(Method):
    """Plain sequential training under the heads of the tasks."""

    scenarios: ClassVar[tuple[str, ...]] = ("task",)
    paper: ClassVar[str] = "task decomposition; lower reference where the task is told"

    def attach(self, learner: Learner) -> None:
        """Refuse a network whose tasks share all outputs."""
        demand_task_heads(learner.model, "multi-head")
