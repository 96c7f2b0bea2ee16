"""Online EWC: elastic weight consolidation with one running Fisher information.

    after task k:   F ← gamma · F + F^k
    in a task:      loss + strength/2 · Σ_i F_i (θ_i − θ_i*)²

θ* is the network that the task begins with: what the task before left, asleep if a night followed.
So nothing but F is carried from task to task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from annotated_types import Ge, Interval
from torch import Tensor

from bioncl.learning.fisher import FisherKind, fisher_of
from bioncl.learning.importance import Named
from bioncl.learning.learner import Learner
from bioncl.learning.method import Method
from bioncl.learning.pull import Pull, on, place_of, plus, with_prefix, without_prefix
from bioncl.streams.stream import Batch, Task


@dataclass
class OnlineEWC(Method):
    """One quadratic penalty for all old tasks.

    Attributes:
        strength: λ of the paper.
        gamma: What remains of the old Fisher information when a task is added.
        fisher: "true" weights every class by its probability; "empirical" takes the label,
            "predicted" the likeliest class.
        samples: Examples that the Fisher information is computed from; 0 takes all.
    """

    paper: ClassVar[str] = "Schwarz et al. 2018 (1805.06370)"

    strength: Annotated[float, Ge(0)] = 100.0
    gamma: Annotated[float, Interval(ge=0, le=1)] = 1.0
    fisher: FisherKind = "true"
    samples: Annotated[int, Ge(0)] = 0
    running: Named = field(default_factory=dict, init=False, repr=False)
    pull: Pull | None = field(default=None, init=False, repr=False)

    def before_task(self, learner: Learner, task: Task) -> None:
        """Note where the task begins."""
        self.running = on(learner.device, self.running)
        self.pull = Pull(self.running, place_of(learner.model))

    def adjust_gradient(self, learner: Learner, batch: Batch) -> None:
        """Add the gradient of the penalty."""
        if self.pull is not None:
            self.pull.add_gradient(learner.model, self.strength / 2)

    def after_task(self, learner: Learner, task: Task) -> None:
        """Add what this task needs."""
        new = fisher_of(learner, task, self.fisher, self.samples)
        self.running = plus(self.running, new, self.gamma)

    def state(self) -> dict[str, Tensor]:
        """See `Method`."""
        return with_prefix("fisher", self.running)

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """See `Method`."""
        self.running = without_prefix("fisher", state)
