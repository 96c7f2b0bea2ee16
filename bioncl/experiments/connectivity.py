"""What lies between the solutions of a run, and how sharply they are curved.

    solution k   the network after task k, from its checkpoint (asleep, if the run sleeps)
    line         loss and accuracy on one task's test data at (1 − α) · start + α · end, where every
                 number of the network is drawn straight, running statistics too
    curvature    top eigenvalue of the Hessian of one task's training loss

Straight lines of low loss between solutions are what Mirzadeh et al. 2021 (2010.04495) look for;
curvature bounds how much is forgotten on the way (Mirzadeh et al. 2020, 2006.06958).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bioncl.analysis.curvature import TopEigenvalue, hessian_product, top_eigenvalue
from bioncl.analysis.landscape import Line, along_line, barrier
from bioncl.errors import CheckpointError, UnsupportedError, describe
from bioncl.experiments.folder import RunFolder, differences
from bioncl.experiments.settings import RunConfig
from bioncl.experiments.single import prepare, recorded
from bioncl.learning.evaluation import EVALUATION_BATCH
from bioncl.learning.objective import decide
from bioncl.models.checkpoint import load
from bioncl.progress import Progress
from bioncl.seeding import torch_generator
from bioncl.streams.stream import Batch, Examples

Overrides = Iterable[tuple[str, Any]]
State = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class SolutionLine:
    """The line from one solution to another, judged on one task.

    Attributes:
        task: Place of the task in the stream.
        line: Loss and accuracy from the first solution (α = 0) to the other (α = 1).
        barrier: Largest loss above the straight line between the losses at the ends.
        rise: Largest loss above that of the first solution.
    """

    task: int
    line: Line
    barrier: float
    rise: float


class Solutions:
    """The networks that a run had after its tasks."""

    def __init__(self, folder: Path, overrides: Overrides, progress: Progress) -> None:
        """Load the checkpoints of the run in `folder`, and its data.

        Args:
            folder: Of a run with `checkpoints = "all"`.
            overrides: Settings to change, such as ("data.dir", …).
            progress: Where to report to.

        Raises:
            CheckpointError: There is no checkpoint, or one is damaged.
            UnsupportedError: A method of the run decides by what it stored.
            DataError: The data of the run is not there.
        """
        self.folder = folder
        newest, *_ = self.paths = _checkpoints(folder)
        checkpoint = load(newest)
        self.config: RunConfig = recorded(checkpoint, overrides)
        self.learner, _ = prepare(self.config, progress)
        if self.learner.read_out is not None:
            what = "A method of this run decides by stored examples, which no line can carry along"
            raise UnsupportedError(describe(what))
        done = int(checkpoint.header["tasks_done"])
        self.learner.load_state(checkpoint.tensors, done)
        self.learner.model.eval()
        self.last = done - 1

    def state(self, task: int) -> State:
        """All numbers of the solution after the task at `task`, by name.

        Raises:
            CheckpointError: Its checkpoint is not there.
            UnsupportedError: The network had not all of its parameters then.
        """
        path = RunFolder(self.folder).checkpoint(task)
        if path not in self.paths:
            hint = "Run it with --set checkpoints=all, in another folder."
            raise CheckpointError(describe(f"No checkpoint {path}", hint=hint))
        own = load(path).part("model.")
        found = {name: value for name, value in own.items() if value.is_floating_point()}
        shapes = {name: value.shape for name, value in found.items()}
        if shapes != {name: value.shape for name, value in self._numbers().items()}:
            what, hint = "The network grew from task to task", "Use a head that does not grow."
            raise UnsupportedError(describe(what, hint=hint))
        return found

    def line(self, task: int, start: State, end: State, points: int) -> SolutionLine:
        """Walk from `start` to `end` and judge the task at `task` on its test data.

        Args:
            task: Place in the stream.
            start: As `state` gives it.
            end: Likewise, also of another run of the same stream and network.
            points: How many, both ends included.
        """
        names, test = sorted(start), self.learner.stream.test(task)

        def evaluate(weights: list[NDArray]) -> tuple[float, float]:
            self._write(dict(zip(names, map(torch.from_numpy, weights), strict=True)))
            return self.judged(task, test)

        first, last = ([state[name].cpu().numpy() for name in names] for state in (start, end))
        line = along_line(evaluate, first, last, np.linspace(0, 1, points).tolist())
        return SolutionLine(task, line, barrier(line), float(line.loss.max() - line.loss[0]))

    def curvature(self, task: int, state: State, examples: int) -> TopEigenvalue:
        """Top eigenvalue of the mean loss on the first training examples of the task at `task`.

        Args:
            task: Place in the stream.
            state: Where; as `state` gives it.
            examples: How many.
        """
        self._write(state)
        train = self.learner.stream.task(task).train.first(examples)

        def losses() -> Iterator[Tensor]:
            for batch in self._batches(task, train):
                yield self.learner.loss(batch) * (len(batch) / len(train))

        product = hessian_product(losses, self.learner.parameters())
        generator = torch_generator(0, "curvature", task)
        start = torch.randn(len(self.learner.vector()), generator=generator)
        return top_eigenvalue(product, start.to(self.learner.device))

    @torch.no_grad()
    def judged(self, task: int, examples: Examples) -> tuple[float, float]:
        """Mean loss and accuracy on `examples` of the task at `task`."""
        lost, right = 0.0, 0
        for batch in self._batches(task, examples):
            lost += float(self.learner.loss(batch)) * len(batch)
            logits = self.learner.model(batch.x)  # with the task's outputs, which `loss` has chosen
            right += int((decide(self.learner.model.output, logits) == batch.y).sum())
        return lost / len(examples), right / len(examples)

    def _batches(self, task: int, examples: Examples) -> Iterator[Batch]:
        parts = (examples.x.split(EVALUATION_BATCH), examples.y.split(EVALUATION_BATCH))
        for x, y in zip(*parts, strict=True):
            yield Batch(x, y, task).to(self.learner.device)

    def _numbers(self) -> State:
        """All numbers of the network as it stands, live."""
        own = self.learner.model.state_dict()
        return {name: value for name, value in own.items() if value.is_floating_point()}

    @torch.no_grad()
    def _write(self, state: State) -> None:
        for name, value in self._numbers().items():
            value.copy_(state[name])


def lines_to_last(
    first: Solutions, second: Solutions, points: int, progress: Progress
) -> list[SolutionLine]:
    """From each solution of `first` but its last to the last of `second`, on the solution's task.

    Raises:
        UnsupportedError: The two runs differ in stream, network or seed.
    """
    own, others = (
        {key: solutions.config.resolved[key] for key in ("stream", "model", "seed")}
        for solutions in (first, second)
    )
    differing = sorted(differences(own, others))
    if differing:
        what = f"Lines join runs of one stream and network, but they differ in {differing}"
        raise UnsupportedError(describe(what))
    end, found = second.state(second.last), []
    with progress.start("lines between solutions", first.last) as bar:
        for task in range(first.last):
            found.append(first.line(task, first.state(task), end, points))
            bar.advance()
    return found


def curvatures(
    solutions: Solutions, examples: int, tasks: Sequence[int], progress: Progress
) -> list[TopEigenvalue]:
    """Curvature of each task's loss at the solution that training on it led to."""
    found = []
    with progress.start("curvature of solutions", len(tasks)) as bar:
        for task in tasks:
            found.append(solutions.curvature(task, solutions.state(task), examples))
            bar.advance()
    return found


def _checkpoints(folder: Path) -> list[Path]:
    paths = RunFolder(folder).checkpoints()
    if not paths:
        hint = "Give the folder of a run."
        raise CheckpointError(describe(f"No checkpoints in {folder}", hint=hint))
    return paths
