"""EWC, elastic weight consolidation: keep near old weights where the Fisher information is large.

    loss + Σ_k strength/2 · Σ_i F_i^k (θ_i − θ_i^k)²

F^k is the diagonal Fisher information after task k, θ^k the network that the next task begins with:
what task k left, asleep if a night followed. One pair is kept for each task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from annotated_types import Ge
from torch import Tensor

from bioncl.learning.fisher import FisherKind, fisher_of
from bioncl.learning.importance import Named
from bioncl.learning.learner import Learner
from bioncl.learning.method import Method
from bioncl.learning.pull import Pull, on, place_of, with_prefix, without_prefix
from bioncl.streams.stream import Batch, Task


@dataclass
class EWC(Method):
    """A quadratic penalty for each old task.

    Attributes:
        strength: λ of the paper.
        fisher: "true" weights every class by its probability; "empirical" takes the label,
            "predicted" the likeliest class.
        samples: Examples that the Fisher information is computed from; 0 takes all.
    """

    paper: ClassVar[str] = "Kirkpatrick et al. 2017 (1612.00796)"

    strength: Annotated[float, Ge(0)] = 100.0
    fisher: FisherKind = "true"
    samples: Annotated[int, Ge(0)] = 0
    fishers: list[Named] = field(default_factory=list, init=False, repr=False)
    anchors: list[Named] = field(default_factory=list, init=False, repr=False)
    pull: Pull | None = field(default=None, init=False, repr=False)

    def before_task(self, learner: Learner, task: Task) -> None:
        """Note what the task before left, and join the penalties of all tasks in one."""
        if len(self.anchors) < len(self.fishers):
            self.anchors.append(place_of(learner.model))
        pairs = zip(self.fishers, self.anchors, strict=True)
        self.pull = Pull.of(Pull(on(learner.device, f), on(learner.device, a)) for f, a in pairs)

    def adjust_gradient(self, learner: Learner, batch: Batch) -> None:
        """Add the gradient of the penalties."""
        if self.pull is not None:
            self.pull.add_gradient(learner.model, self.strength / 2)

    def after_task(self, learner: Learner, task: Task) -> None:
        """Measure what this task needs."""
        self.fishers.append(fisher_of(learner, task, self.fisher, self.samples))

    def state(self) -> dict[str, Tensor]:
        """See `Method`; the newest anchor is the network itself until the next task begins."""
        found: Named = {}
        for what, each in (("fisher", self.fishers), ("anchor", self.anchors)):
            for k, named in enumerate(each):
                found |= with_prefix(f"{what}.{k}", named)
        return found

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """See `Method`."""
        self.fishers, self.anchors = numbered("fisher", state), numbered("anchor", state)


def numbered(what: str, state: Mapping[str, Tensor]) -> list[Named]:
    """The groups "what.0.…", "what.1.…", … of `state`."""
    found: list[Named] = []
    while group := without_prefix(f"{what}.{len(found)}", state):
        found.append(group)
    return found
