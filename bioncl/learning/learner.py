"""The learner: the one mutable object that methods receive.

It holds the model, the data of the task at hand, the optimiser and a random generator, and offers
the few sums that methods need: a loss, the flat gradient, the gradient of some batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector

from bioncl.errors import UnsupportedError, describe
from bioncl.learning import objective
from bioncl.learning.clock import Clock
from bioncl.learning.evaluation import ReadOut, Scores, evaluate
from bioncl.learning.training import Training, optimizer_state, restore_optimizer
from bioncl.models.backbone import Backbone
from bioncl.progress import Progress, Silent
from bioncl.seeding import derive, torch_generator
from bioncl.streams.stream import Batch, Examples, Stream, Task
from bioncl.traces.recorder import Recorder, SilentRecorder

NightLog = Callable[[int, int], AbstractContextManager[Recorder]]
Criterion = Callable[[Tensor, Batch], Tensor]


def no_log(task: int, steps: int) -> AbstractContextManager[Recorder]:
    """A night log that keeps nothing."""
    return nullcontext(SilentRecorder())


class Learner:
    """What learns.

    Attributes:
        model: The network; methods may replace it in `before_task` through `replace_model`.
        stream: All tasks. Old tasks' data is reached through `past`, which is accounted for.
        training: Settings of awake training.
        seed: The run's seed.
        device: Where the model and batches live.
        task: The task at hand.
        data: What this task trains on; a method may replace it in `before_task`.
        data_tasks: The task of each of these examples, int64 [n], where they are mixed; else None.
        epoch: Pass over the data that is under way, from 0.
        order: Fresh for every task; draws the order of batches and nothing else, so that runs
            that differ in their method see the same batches.
        generator: Fresh for every task; for methods.
        night_log: Gives the recorder of a night from its task and number of steps.
        progress: Where long work reports to.
        observed: Examples a class whose activations a recorded night notes; 0 notes none.
        clock: Wall time spent on training, sleeping and evaluating.
        steps: Steps of training since `take_steps`; whoever makes one counts it.
        read_out: How decisions are made, if a method does so by itself; it sets this in
            `attach`, since a checkpoint does not hold it.
        criterion: Mean loss from logits and their batch, if a method has one of its own; it sets
            this in `attach` too. None takes `bioncl.learning.objective`.
        may_read_past: Whether `past` may be called; set by the loop from the methods' declaration.
    """

    task: Task
    data: Examples
    data_tasks: Tensor | None
    epoch: int
    order: torch.Generator
    generator: torch.Generator
    optimizer: torch.optim.Optimizer

    def __init__(
        self,
        build_model: Callable[[], Backbone],
        stream: Stream,
        training: Training,
        *,
        seed: int,
        device: torch.device | str = "cpu",
        night_log: NightLog = no_log,
        progress: Progress | None = None,
    ) -> None:
        """Make a learner with a new model from `build_model`."""
        self.device = torch.device(device)
        self._build_model = build_model
        self.model = build_model().to(self.device)
        self.stream, self.training, self.seed = stream, training, seed
        self.night_log, self.progress = night_log, progress or Silent()
        self.observed = 0
        self.clock = Clock()
        self.steps = 0
        self.may_read_past = False
        self.read_out: ReadOut | None = None
        self.criterion: Criterion | None = None
        self._kept: dict[str, Tensor] = {}
        self._scores: Scores | None = None

    # -- tasks ---------------------------------------------------------------------------------

    def begin(self, task: Task) -> None:
        """Turn to `task`: its data, generators of its own, room in the head."""
        self.task, self.data, self.data_tasks, self.epoch = task, task.train, None, 0
        self.order = torch_generator(self.seed, "order", task.index)
        self.generator = torch_generator(self.seed, "task", task.index)
        torch.manual_seed(derive(self.seed, "dropout", task.index))
        self.model.start_task(task.index)

    def make_optimizer(self) -> None:
        """Make the optimiser of this task; called after every method's `before_task`."""
        self.optimizer = self.training.make_optimizer(self.model, self.task.index)
        if self.training.keep_optimizer:
            restore_optimizer(self.optimizer, self.model, self._kept)

    def keep_optimizer(self) -> None:
        """Remember the optimiser's state for the next task, if the settings ask for it."""
        if self.training.keep_optimizer:
            self._kept = optimizer_state(self.optimizer, self.model)

    def replace_model(self, model: Backbone | None = None) -> None:
        """Put `model`, or a newly initialised one, in place; optimiser state is dropped."""
        self.model = (model or self._build_model()).to(self.device)
        for index in range(self.task.index + 1):
            self.model.start_task(index)
        self._kept = {}

    def past(self) -> list[Examples]:
        """Training data of all earlier tasks, for methods that declare `reads_past`."""
        if not self.may_read_past:
            hint = "Declare `reads_past`, so that the data counts as stored."
            raise UnsupportedError(describe("A method read old data undeclared", hint=hint))
        return [self.stream.task(i).train for i in range(self.task.index)]

    def past_everything(self) -> list[Examples]:
        """The same with what the tasks leave out of their training data."""
        self.past()
        return [self.stream.task(i).everything for i in range(self.task.index)]

    def take_steps(self) -> int:
        """The steps of training since the last call."""
        taken, self.steps = self.steps, 0
        return taken

    # -- scores --------------------------------------------------------------------------------

    def scores(self) -> Scores:
        """Accuracies on all tasks now; measured once until `changed` is called."""
        if self._scores is None:
            with self.clock.measure("eval"):
                self._scores = evaluate(self.model, self.stream, self.device, self.read_out)
        return self._scores

    def changed(self) -> None:
        """Say that the model has changed, so that `scores` measures again."""
        self._scores = None

    # -- sums ----------------------------------------------------------------------------------

    def loss(self, batch: Batch) -> Tensor:
        """Mean loss of `batch`; the task's outputs alone compete if the scenario tells the task."""
        told = self.stream.scenario == "task"
        if told and isinstance(batch.task, Tensor):
            return self._mixed_loss(batch, batch.task)
        self.model.use_task(int(batch.task) if told else None)
        logits = self.model(batch.x)
        if self.criterion is not None:
            return self.criterion(logits, batch)
        return objective.loss(self.model.output, logits, batch.y)

    def _mixed_loss(self, batch: Batch, tasks: Tensor) -> Tensor:
        parts = []
        for task in tasks.unique().tolist():
            mine = (tasks == task).to(batch.x.device)
            part = self.loss(Batch(batch.x[mine], batch.y[mine], task))
            parts.append(part * (mine.sum() / len(batch)))
        return torch.stack(parts).sum()

    def parameters(self) -> list[torch.nn.Parameter]:
        """Parameters that learn, in order."""
        return [p for p in self.model.parameters() if p.requires_grad]

    def gradient(self) -> Tensor:
        """The gradient as one vector (zero where a parameter has none)."""
        return torch.cat(
            [
                (p.grad if p.grad is not None else torch.zeros_like(p)).reshape(-1)
                for p in self.parameters()
            ]
        )

    def set_gradient(self, vector: Tensor) -> None:
        """Replace the gradient by `vector`, in the order of `gradient`.

        A parameter that has none keeps none where `vector` is zero, so that momentum and weight
        decay leave the heads of other tasks alone.
        """
        parameters = self.parameters()
        parts = vector.split([p.numel() for p in parameters])
        for p, part in zip(parameters, parts, strict=True):
            if p.grad is not None or part.any():
                p.grad = part.view_as(p).clone()

    def gradient_of(self, batch: Batch) -> Tensor:
        """Gradient of `loss(batch)` as one vector; the model's own gradient is left alone."""
        return self.gradients_of([batch])[0]

    def gradients_of(self, batches: Sequence[Batch]) -> Tensor:
        """Gradients of the losses of some batches, at least one, as rows: [batches, p]."""
        parameters = self.parameters()
        rows = parameters[0].new_empty(len(batches), sum(p.numel() for p in parameters))
        for row, batch in zip(rows, batches, strict=True):
            found = torch.autograd.grad(self.loss(batch), parameters, allow_unused=True)
            parts = [
                torch.zeros_like(p) if g is None else g
                for p, g in zip(parameters, found, strict=True)
            ]
            torch.cat([part.reshape(-1) for part in parts], out=row)
        return rows

    def vector(self) -> Tensor:
        """All learning parameters as one vector (a copy)."""
        return parameters_to_vector(self.parameters()).detach()

    def set_vector(self, vector: Tensor) -> None:
        """Copy `vector`, in the order of `vector()`, into the parameters."""
        parameters = self.parameters()
        parts = vector.split([p.numel() for p in parameters])
        with torch.no_grad():
            for p, part in zip(parameters, parts, strict=True):
                p.copy_(part.view_as(p))

    # -- state ---------------------------------------------------------------------------------

    def state(self) -> dict[str, Tensor]:
        """Model and optimiser, for a checkpoint between tasks."""
        model = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        return model | {f"optimizer.{k}": v for k, v in self._kept.items()}

    def load_state(self, tensors: Mapping[str, Tensor], tasks_done: int) -> None:
        """Put back what `state` returned after `tasks_done` tasks."""
        for index in range(tasks_done):
            self.model.start_task(index)
        own = {k[6:]: v for k, v in tensors.items() if k.startswith("model.")}
        self.model.load_state_dict(own)
        self._kept = {k[10:]: v for k, v in tensors.items() if k.startswith("optimizer.")}
        self.changed()
