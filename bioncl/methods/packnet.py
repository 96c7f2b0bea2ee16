"""PackNet: prune after each task, and let the next one have the weights that became free.

Each weight of the layers before the head (not biases, not BatchNorm) has an owner: none, or a task.

    before task k   all free weights become k's; they start at 0
    training        weights of others stand still
    after task k    in each layer the share `prune` of k's weights, the smallest, become 0 and free;
                    then what k kept is retrained

Task k is answered by the weights of tasks 1..k, its own head, and biases and BatchNorm (running
statistics too) that stand still after the first task, or are kept for each task. So what it answers
never changes, to the bit. The last task of the stream is not pruned.

A pre-trained start takes weights from a checkpoint, prunes them, and gives what is left to an owner
before the first task; biases and BatchNorm are the checkpoint's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Gt, Interval
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.hooks import RemovableHandle

from bioncl.errors import CheckpointError, UnsupportedError, describe
from bioncl.learning.company import demand_alone
from bioncl.learning.freezing import Freeze
from bioncl.learning.importance import Named
from bioncl.learning.learner import Learner
from bioncl.learning.method import Method
from bioncl.learning.objective import decide
from bioncl.learning.phase import phase_optimizer, train_phase
from bioncl.learning.pull import on, with_prefix, without_prefix
from bioncl.learning.task_heads import demand_per_task_head
from bioncl.models import checkpoint
from bioncl.models.backbone import Backbone
from bioncl.models.normalisation import Norm
from bioncl.streams.stream import Batch, Stream, Task

FREE = 0
MOST_TASKS = 254
Share = Annotated[float, Interval(ge=0, lt=1)]


@dataclass
class PackNet(Method):
    """One network whose weights belong to tasks.

    Attributes:
        prune_first: Share of each layer's weights that the first network loses: the pre-trained
            one, or that of the first task.
        prune: Share of its own weights in each layer that every later task loses.
        retrain_epochs: Passes over the data after pruning; half as many as before it by default.
        retrain_lr: Learning rate of these, as a factor on that of the task.
        biases: "frozen" trains biases and BatchNorm with the first task alone (or not at all after
            a pre-trained start); "per-task" keeps those of each task.
        pretrained: Checkpoint of a network of the same shape to start from; none by default.
    """

    scenarios: ClassVar[tuple[str, ...]] = ("task",)
    paper: ClassVar[str] = "Mallya & Lazebnik 2018 (1711.05769)"

    prune_first: Share = 0.5
    prune: Share = 0.75
    retrain_epochs: Annotated[int, Ge(0)] | None = None
    retrain_lr: Annotated[float, Gt(0)] = 0.1
    biases: Literal["frozen", "per-task"] = "frozen"
    pretrained: str = ""
    owners: Named = field(default_factory=dict, init=False, repr=False)
    others: list[Named] = field(default_factory=list, init=False, repr=False)
    freeze: Freeze | None = field(default=None, init=False, repr=False)
    still: list[RemovableHandle] = field(default_factory=list, init=False, repr=False)

    def check(self, stream: Stream) -> None:
        """Refuse streams of more tasks than owners can be told apart."""
        super().check(stream)
        if len(stream) > MOST_TASKS:
            expected = f"at most {MOST_TASKS}"
            raise UnsupportedError(
                describe("Number of tasks for packnet", expected=expected, got=len(stream))
            )

    def check_beside(self, others: Sequence[Method]) -> None:
        """Refuse other methods, sleep too."""
        reason = "it holds every weight of an old task, so nothing is left to protect"
        demand_alone("packnet", others, reason)

    def attach(self, learner: Learner) -> None:
        """Decide with the weights of the task; refuse a network without a head for each."""
        demand_per_task_head(learner.model, "packnet")
        learner.read_out = self.read_out

    # -- one task --------------------------------------------------------------------------------

    def before_task(self, learner: Learner, task: Task) -> None:
        """Hand the free weights to the task.

        Raises:
            CheckpointError: The network to start from is missing, or of another shape.
        """
        model = learner.model
        self.owners = on(learner.device, self.owners) or nobodys(model)
        if self.pretrained and task.index == 0:
            load_trunk(model, self.pretrained)
            self.owners = {name: torch.ones_like(owner) for name, owner in self.owners.items()}
            self.cut(model, 1, self.prune_first)
        if self.biases == "per-task" and task.index > len(self.others):
            self.others.append({n: t.clone() for n, t in self.unowned(model).items()})
        number = self.number(task.index)
        for owner in self.owners.values():
            owner[owner == FREE] = number
        if not self.learns_others(task.index):
            self.still = [m.register_forward_pre_hook(_still) for m in model.modules() if _norm(m)]
        self.freeze = Freeze(model, self.free(model, task.index))

    def adjust_gradient(self, learner: Learner, batch: Batch) -> None:
        """Let only the weights of the task learn."""
        if self.freeze is not None:
            self.freeze.mask_gradient()

    def after_step(self, learner: Learner, batch: Batch) -> None:
        """Undo what the optimiser did to the others."""
        if self.freeze is not None:
            self.freeze.restore()

    def after_task(self, learner: Learner, task: Task) -> None:
        """Prune and retrain, but for the last task."""
        if task.index < len(learner.stream) - 1:
            first = task.index == 0 and not self.pretrained
            share = self.prune_first if first else self.prune
            self.cut(learner.model, self.number(task.index), share)
            self.retrain(learner, task)
            learner.changed()
        for hook in self.still:
            hook.remove()
        self.still, self.freeze = [], None

    def cut(self, model: Backbone, number: int, share: float) -> None:
        """Free the share `share` of the weights of owner `number`, in each layer the smallest."""
        with torch.no_grad():
            for name, owner in self.owners.items():
                weight = model.get_parameter(name)
                own = (owner == number).flatten().nonzero().flatten()
                order = weight.flatten()[own].abs().argsort(stable=True)
                lost = own[order[: round(share * len(own))]]
                owner.view(-1)[lost] = FREE
                weight.view(-1)[lost] = 0

    def retrain(self, learner: Learner, task: Task) -> None:
        """Train what the task kept; weights that were cut stay 0."""
        epochs = self.retrain_epochs
        if epochs is None:
            epochs = (learner.training.epochs_of(task.index) + 1) // 2
        freeze = Freeze(learner.model, self.free(learner.model, task.index))
        train_phase(
            learner,
            phase_optimizer(learner, self.retrain_lr),
            epochs,
            "retraining",
            adjust_gradient=freeze.mask_gradient,
            after_step=freeze.restore,
        )

    # -- who owns what ---------------------------------------------------------------------------

    def number(self, index: int) -> int:
        """The owner's number of the task at `index`; a pre-trained start has the first."""
        return index + (2 if self.pretrained else 1)

    def learns_others(self, index: int) -> bool:
        """Whether the task at `index` trains biases and BatchNorm."""
        return self.biases == "per-task" or (index == 0 and not self.pretrained)

    def unowned(self, model: Backbone) -> Named:
        """Tensors before the head that have no owners: biases and BatchNorm with its statistics."""
        return {name: t for name, t in trunk(model).items() if name not in self.owners}

    def free(self, model: Backbone, index: int) -> Named:
        """Where the network learns in the task at `index`, by name: bool of the shape."""
        masks = {name: owner == self.number(index) for name, owner in self.owners.items()}
        head = demand_per_task_head(model, "packnet").blocks[index]
        whole: Named = {f"head.blocks.{index}.{name}": p for name, p in head.named_parameters()}
        if self.learns_others(index):
            whole |= self.unowned(model)
        return masks | {name: torch.ones_like(t, dtype=torch.bool) for name, t in whole.items()}

    def read_out(self, model: Backbone, x: Tensor) -> Tensor:
        """The outputs chosen by the weights of the task that `model` was told: int64 [n]."""
        return decide(model.output, self.logits(model, x))

    def logits(self, model: Backbone, x: Tensor) -> Tensor:
        """Logits [n, outputs] of the task that `model` was told, or of the whole network."""
        task = demand_per_task_head(model, "packnet").task
        if task is None or not self.owners:
            found: Tensor = model(x)
            return found
        tensors = dict(on(x.device, self.others[task])) if task < len(self.others) else {}
        for name, owner in on(x.device, self.owners).items():
            mine = (owner != FREE) & (owner <= self.number(task))
            tensors[name] = model.get_parameter(name).detach() * mine
        answer: Tensor = functional_call(model, tensors, (x,))
        return answer

    # -- state -----------------------------------------------------------------------------------

    def state(self) -> dict[str, Tensor]:
        """See `Method`; those of the latest task are in the network itself."""
        found = with_prefix("owner", self.owners)
        for index, tensors in enumerate(self.others):
            found |= with_prefix(f"other.{index}", tensors)
        return found

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """See `Method`."""
        self.owners = without_prefix("owner", state)
        self.others = []
        while tensors := without_prefix(f"other.{len(self.others)}", state):
            self.others.append(tensors)


def nobodys(model: Backbone) -> Named:
    """A free owner for each weight of a linear layer or convolution before the head: uint8."""
    layers = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and not name.startswith("head.")
    ]
    return {
        f"{name}.weight": torch.zeros_like(layer.weight, dtype=torch.uint8)
        for name, layer in layers
    }


def trunk(model: Backbone) -> Named:
    """All tensors of `model` before its head, live."""
    return {n: t for n, t in model.state_dict().items() if not n.startswith("head.")}


def load_trunk(model: Backbone, path: str) -> None:
    """Copy everything before the head from the checkpoint at `path`.

    Raises:
        CheckpointError: It is missing or damaged, or its network has another shape.
    """
    found = checkpoint.load(path).part("model.")
    for name, tensor in trunk(model).items():
        source = found.get(name)
        if source is None or source.shape != tensor.shape:
            what = f"Pre-trained start {path}, tensor '{name}'"
            got = "none" if source is None else tuple(source.shape)
            hint = "Give the checkpoint of a network with the same [model] but for the head."
            expected = f"shape {tuple(tensor.shape)}"
            raise CheckpointError(describe(what, expected=expected, got=got, hint=hint))
        tensor.copy_(source)


def _norm(module: nn.Module) -> bool:
    return isinstance(module, Norm)


def _still(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Let BatchNorm go by its running statistics, which then do not change."""
    norm.eval()
