"""What a continual-learning method is: a dataclass of settings with up to six moments.

The loop calls them in this order; every one is optional:

    attach(learner)                 once, when a run begins or goes on
    before_task(learner, task)      replace data or model, prepare
      for each step:
        around_gradient(learner, batch, find)   how often and where the gradient is taken
        extra_loss(learner, batch)        added to the loss of the batch
        adjust_gradient(learner, batch)   after the backward pass, before the step
        after_step(learner, batch)        update memories and traces
    after_task(learner, task)       consolidate; a method that sleeps does so here

Known methods are combinations of these moments: EWC and LwF are extra_loss and after_task;
rehearsal is extra_loss and after_step; GEM is adjust_gradient and after_step; sharpness-aware
minimisation is around_gradient; sleep is after_task alone. `Together` joins methods moment by
moment, so sleep goes with any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import ClassVar

from torch import Tensor

from bioncl.errors import UnsupportedError, describe
from bioncl.learning.learner import Learner
from bioncl.streams.stream import Batch, Stream, Task

FindGradient = Callable[[], Tensor]
"""Replaces the gradient by that of the whole loss at the present weights; returns the loss."""


class Method:
    """Interface of a method; the moments do nothing unless defined.

    What a method carries from task to task besides the model is its `state()`: it is what a
    checkpoint saves and what the run reports as memory, so the two cannot differ. Names beginning
    with "examples." count as stored examples.
    """

    scenarios: ClassVar[tuple[str, ...]] = ("task", "domain", "class")
    paper: ClassVar[str] = ""
    sleeps: ClassVar[bool] = False

    @property
    def reads_past(self) -> bool:
        """Whether the method reads old tasks' data, which then counts as stored."""
        return False

    @property
    def reads_left_out(self) -> bool:
        """Whether that includes what the tasks leave out of their training data."""
        return False

    def check(self, stream: Stream) -> None:
        """Refuse a stream that the method cannot learn.

        Raises:
            UnsupportedError: Says what does not suit, and what would.
        """
        if stream.scenario not in self.scenarios:
            name = type(self).__name__
            expected = " or ".join(self.scenarios)
            what = f"{name} does not suit the {stream.scenario}-incremental scenario"
            raise UnsupportedError(
                describe(what, expected=expected, hint="Change stream.scenario or the method.")
            )

    def check_beside(self, others: Sequence[Method]) -> None:
        """Refuse methods that this one cannot be joined with.

        Raises:
            UnsupportedError: Says which, and why.
        """

    def attach(self, learner: Learner) -> None:
        """Set `learner.read_out`, or refuse the model.

        Called when a run begins or goes on, before `load_state` or after it, so it must not read
        what `load_state` puts back.

        Raises:
            UnsupportedError: The model does not suit.
        """

    def before_task(self, learner: Learner, task: Task) -> None:
        """Prepare for `task`."""

    def around_gradient(self, learner: Learner, batch: Batch, find: FindGradient) -> Tensor:
        """Take the gradient of a step by `find`, which asks every method for its `extra_loss`.

        Whoever calls `find` twice has to see to it that random draws and running statistics are
        those of one step.

        Returns:
            The loss at the weights that the step leaves from.
        """
        return find()

    def extra_loss(self, learner: Learner, batch: Batch) -> Tensor | None:
        """A term to add to the loss of `batch`, or None."""
        return None

    def adjust_gradient(self, learner: Learner, batch: Batch) -> None:
        """Change the gradient before the step."""

    def after_step(self, learner: Learner, batch: Batch) -> None:
        """Note what the step did."""

    def after_task(self, learner: Learner, task: Task) -> None:
        """Consolidate."""

    def state(self) -> dict[str, Tensor]:
        """Everything carried from task to task besides the model; nothing by default."""
        return {}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state` returned."""


def defines(method: Method, moment: str) -> bool:
    """Whether `method` does something at `moment`."""
    return getattr(type(method), moment) is not getattr(Method, moment)


class Together(Method):
    """Several methods at once: losses add up, the other moments run in the order given.

    So what one method does around the gradient is about the loss of all, and what methods do to the
    gradient comes after it.
    """

    def __init__(self, methods: list[Method]) -> None:
        """Join `methods`; nested ones are unpacked."""
        self.methods: list[Method] = []
        for method in methods:
            self.methods += method.methods if isinstance(method, Together) else [method]

    def having(self, moment: str) -> list[Method]:
        """The methods that define `moment`."""
        return [m for m in self.methods if defines(m, moment)]

    @property
    def reads_past(self) -> bool:
        """See `Method`."""
        return any(m.reads_past for m in self.methods)

    @property
    def reads_left_out(self) -> bool:
        """See `Method`."""
        return any(m.reads_left_out for m in self.methods)

    def check(self, stream: Stream) -> None:
        """See `Method`."""
        for method in self.methods:
            method.check(stream)
            method.check_beside([other for other in self.methods if other is not method])

    def attach(self, learner: Learner) -> None:
        """See `Method`."""
        for method in self.methods:
            method.attach(learner)

    def around_gradient(self, learner: Learner, batch: Batch, find: FindGradient) -> Tensor:
        """See `Method`; the first method is the innermost."""
        for method in self.having("around_gradient"):
            find = partial(method.around_gradient, learner, batch, find)
        return find()

    def state(self) -> dict[str, Tensor]:
        """See `Method`; names get the place of their method in front."""
        return {
            f"{place}.{name}": value
            for place, method in enumerate(self.methods)
            for name, value in method.state().items()
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """See `Method`."""
        for place, method in enumerate(self.methods):
            start = f"{place}."
            method.load_state({k[len(start) :]: v for k, v in state.items() if k.startswith(start)})

    def memory_bytes(self) -> dict[str, int]:
        """Bytes carried from task to task: stored examples, and everything else."""
        sizes = {"stored_examples": 0, "method_state": 0}
        for method in self.methods:
            for name, value in method.state().items():
                kind = "stored_examples" if name.startswith("examples.") else "method_state"
                sizes[kind] += value.nbytes
        return sizes

    def stored_examples(self) -> int:
        """Examples carried from task to task: one for each label in "examples.y"."""
        return sum(len(method.state().get("examples.y", ())) for method in self.methods)
