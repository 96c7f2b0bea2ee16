"""DEN, dynamically expandable networks: retrain what matters, add units, split units that drift.

The first task is trained with an L1 penalty, so that many weights are exactly 0. Each later task t:

    head        only the new outputs learn, with L1, from 0: they come to read some of the units
    selective   from which units and inputs do non-zero weights lead to these outputs? Weights
                between those learn: the loop's epochs
    expansion   if the loss is above `threshold`: `grow` units more in each hidden layer. Weights
                into and out of them learn, with L1 and the group penalty Σ_g ‖w_g‖₂ on what leads
                into each unit; units into which nothing leads any more are removed
    split       what has learnt learns on, drawn by drift_pull · ‖W − W_{t−1}‖² to where it was
                before the task; an old unit that still is more than `split_above` away goes back,
                and a new unit takes its new weights; then what is new learns

Units carry the task that they were made in. Task t is answered by units made up to t alone, so
units added later cannot change its answer.

The learner's network keeps its shape; weights of added units are what is carried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch import Tensor

from bioncl.errors import UnsupportedError, describe
from bioncl.learning.company import demand_alone
from bioncl.learning.evaluation import EVALUATION_BATCH
from bioncl.learning.freezing import Freeze
from bioncl.learning.importance import Named
from bioncl.learning.learner import Learner
from bioncl.learning.method import Method
from bioncl.learning.objective import decide
from bioncl.learning.phase import Moment, phase_optimizer, train_phase
from bioncl.learning.proximal import shrink_rows, soft_threshold
from bioncl.learning.pull import Pull, with_prefix, without_prefix
from bioncl.learning.task_heads import demand_per_task_head
from bioncl.models import stamped, units
from bioncl.models.backbone import Backbone
from bioncl.models.mlp import MLPNetwork
from bioncl.models.stamped import Stamped
from bioncl.streams.stream import Batch, Examples, Task

Epochs = Annotated[int, Ge(0)]
Amount = Annotated[float, Ge(0)]


@dataclass
class DEN(Method):
    """Selective retraining, expansion and splitting of a multi-layer perceptron.

    Attributes:
        l1: Strength of the L1 penalty on weights.
        group: Strength of the group penalty on weights into added units.
        threshold: Mean loss above which units are added.
        grow: Units added to each hidden layer, before useless ones are removed.
        drift_pull: Strength of the pull to the weights before the task.
        split_above: Distance that the weights into a unit may move before it is split.
        head_epochs: Passes over the data that train the new outputs alone.
        expand_epochs: Passes that train added units.
        split_epochs: Passes under the pull, and as many after splitting.
    """

    scenarios: ClassVar[tuple[str, ...]] = ("task",)
    paper: ClassVar[str] = "Yoon, Yang, Lee & Hwang 2018 (1708.01547)"

    l1: Amount = 1e-5
    group: Amount = 1e-3
    threshold: Amount = 0.01
    grow: Annotated[int, Ge(0)] = 10
    drift_pull: Amount = 0.5
    split_above: Amount = 0.05
    head_epochs: Epochs = 1
    expand_epochs: Epochs = 1
    split_epochs: Epochs = 1
    stamps: Named = field(default_factory=dict, init=False, repr=False)
    grown: Named = field(default_factory=dict, init=False, repr=False)
    shapes: dict[str, torch.Size] = field(default_factory=dict, init=False, repr=False)
    net: Stamped | None = field(default=None, init=False, repr=False)
    before: Named = field(default_factory=dict, init=False, repr=False)
    chosen: list[Tensor] = field(default_factory=list, init=False, repr=False)
    freeze: Freeze | None = field(default=None, init=False, repr=False)

    def check_beside(self, others: Sequence[Method]) -> None:
        """Refuse other methods, sleep too."""
        reason = "it trains in phases of its own, and its network changes shape"
        demand_alone("den", others, reason)

    def attach(self, learner: Learner) -> None:
        """Decide with the units of the task; refuse all but MLPs with a head for each task."""
        demand_per_task_head(learner.model, "den")
        model = perceptron(learner.model)
        self.shapes = {name: p.shape for name, p in model.named_parameters()}
        learner.read_out = self.read_out

    # -- the moments -----------------------------------------------------------------------------

    def before_task(self, learner: Learner, task: Task) -> None:
        """Put the network together; train the new outputs, and find what leads to them."""
        self.net, self.freeze = self.whole(perceptron(learner.model)), None
        if not task.index:
            return
        self.become(learner, self.net)
        self.before = units.tensors_of(perceptron(learner.model))
        self.train_head(learner, task.index)
        self.chosen = units.reached(self.now(learner).tensors, task.index)
        self.freeze = Freeze(learner.model, self.selected(self.now(learner), task.index))

    def adjust_gradient(self, learner: Learner, batch: Batch) -> None:
        """Let only the selected part learn."""
        if self.freeze is not None:
            self.freeze.mask_gradient()

    def after_step(self, learner: Learner, batch: Batch) -> None:
        """Hold the rest; in the first task, take the proximal step of L1."""
        if self.freeze is not None:
            self.freeze.restore()
        else:
            names = [n for n, p in learner.model.named_parameters() if p.grad is not None]
            thin(learner, [n for n in names if n.endswith("weight")], self.l1)

    def after_task(self, learner: Learner, task: Task) -> None:
        """Expand where the loss is too large, split what drifts, put added units away."""
        if not task.index:
            return
        if self.grow and mean_loss(learner) > self.threshold:
            self.expand(learner, task.index)
        self.split(learner, task.index)
        self.put_away(learner)

    # -- the phases ------------------------------------------------------------------------------

    def train_head(self, learner: Learner, task: int) -> None:
        """Train the outputs of the task alone, their weights from 0."""
        name = units.block(task)
        with torch.no_grad():
            learner.model.get_parameter(name).zero_()
        net = self.now(learner)
        free = {n: mask for n, mask in net.new_part(task).items() if n.startswith("head.")}
        self.phase(
            learner, "outputs", self.head_epochs, free, lambda: thin(learner, [name], self.l1)
        )

    def expand(self, learner: Learner, task: int) -> None:
        """Add units, train them, and remove those that the group penalty has silenced."""
        net = stamped.expanded(self.now(learner), self.grow, task, learner.generator)
        self.become(learner, net)
        free = net.new_part(task)
        new = {n: mask for n, mask in free.items() if n.startswith("trunk.") and mask.dim() == 2}

        def sparse() -> None:
            thin(learner, list(new), self.l1, new)
            shorten(learner, net, task, self.group)

        self.phase(learner, "expansion", self.expand_epochs, free, sparse)
        self.become(learner, stamped.without_silent(self.now(learner), task))

    def split(self, learner: Learner, task: int) -> None:
        """Train on under the pull; then split old units that have drifted."""
        net = self.now(learner)
        anchor = {n: padded(old, net.tensors[n]) for n, old in self.before.items()}
        hold = {
            n: padded(torch.full_like(old, self.drift_pull), net.tensors[n])
            for n, old in self.before.items()
            if n.startswith("trunk.")
        }
        free = self.selected(net, task)
        self.phase(learner, "drift", self.split_epochs, free, pull=Pull(hold, anchor))
        moved = self.now(learner)
        net = stamped.split(moved, self.before, task, self.split_above)
        if net is not moved:
            self.become(learner, net)
            self.phase(learner, "split units", self.split_epochs, net.new_part(task))

    def phase(
        self,
        learner: Learner,
        name: str,
        epochs: int,
        free: Named,
        after: Moment | None = None,
        pull: Pull | None = None,
    ) -> None:
        """Train what is `free`, under `pull`; `after` is called when the rest stands again."""
        freeze = Freeze(learner.model, free)

        def adjust_gradient() -> None:
            if pull is not None:
                pull.add_gradient(learner.model, 1.0)
            freeze.mask_gradient()

        def after_step() -> None:
            freeze.restore()
            if after is not None:
                after()

        train_phase(
            learner,
            phase_optimizer(learner),
            epochs,
            name,
            adjust_gradient=adjust_gradient,
            after_step=after_step,
        )

    # -- the network -----------------------------------------------------------------------------

    def whole(self, model: MLPNetwork) -> Stamped:
        """The network of all units; `model` holds those of the first task."""
        stamps = []
        for layer in range(units.depth(self.shapes)):
            first = torch.zeros(self.shapes[units.weight(layer)][0], dtype=torch.int16)
            more = self.stamps.get(str(layer), first[:0])
            stamps.append(torch.cat([first, more.cpu()]))
        return stamped.joined(units.tensors_of(model), self.grown, stamps)

    def now(self, learner: Learner) -> Stamped:
        """The network as the learner has it, in the middle of a task."""
        stamps = self.net.stamps if self.net is not None else ()
        return Stamped(units.tensors_of(perceptron(learner.model)), stamps)

    def become(self, learner: Learner, net: Stamped) -> None:
        """Give the learner the network `net`."""
        self.net = net
        learner.replace_model(units.with_tensors(perceptron(learner.model), net.tensors))

    def put_away(self, learner: Learner) -> None:
        """Leave the learner the units of the first task; the others are carried here."""
        net = self.now(learner)
        base, self.grown = stamped.cut(net, self.shapes)
        self.stamps = {
            str(layer): stamps[len(base[units.weight(layer)]) :]
            for layer, stamps in enumerate(net.stamps)
            if len(stamps) > len(base[units.weight(layer)])
        }
        learner.replace_model(units.with_tensors(perceptron(learner.model), base))
        learner.model.eval()
        learner.changed()
        self.net, self.freeze, self.before, self.chosen = None, None, {}, []

    def selected(self, net: Stamped, task: int) -> Named:
        """Masks of what the task may change: what was reached, its outputs, and its own units."""
        inputs, *layers = self.chosen
        wide = [inputs]
        for reached, stamps in zip(layers, net.stamps, strict=True):
            wide.append(padded(reached, stamps))
        found = net.new_part(task)
        for name, mask in units.between(net.tensors, wide).items():
            found[name] = found[name] | mask
        return found

    def read_out(self, model: Backbone, x: Tensor) -> Tensor:
        """The outputs chosen by the units of the task that `model` was told: int64 [n]."""
        return decide(model.output, self.logits(model, x))

    def logits(self, model: Backbone, x: Tensor) -> Tensor:
        """Logits [n, outputs] of the task that `model` was told, or of all units."""
        network = perceptron(model)
        task = demand_per_task_head(model, "den").task
        net = self.whole(network)
        tensors = net.tensors if task is None else net.of_task(task)
        found: Tensor = units.with_tensors(network, tensors)(x)
        return found

    # -- state -----------------------------------------------------------------------------------

    def state(self) -> dict[str, Tensor]:
        """See `Method`: stamps of added units, and the weights into and out of them."""
        return with_prefix("stamps", self.stamps) | with_prefix("grown", self.grown)

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """See `Method`."""
        self.stamps = without_prefix("stamps", state)
        self.grown = without_prefix("grown", state)


def perceptron(model: Backbone) -> MLPNetwork:
    """`model`, if it is one.

    Raises:
        UnsupportedError: It is not.
    """
    if isinstance(model, MLPNetwork):
        return model
    hint = 'Set model.name = "mlp".'
    what, got = "The method den adds units to hidden layers", type(model).__name__
    raise UnsupportedError(describe(what, expected="a multi-layer perceptron", got=got, hint=hint))


def padded(tensor: Tensor, like: Tensor) -> Tensor:
    """`tensor` in the corner of zeros of the shape of `like`."""
    found = tensor.new_zeros(like.shape)
    found[tuple(slice(0, size) for size in tensor.shape)] = tensor
    return found


@torch.no_grad()
def thin(
    learner: Learner,
    names: Sequence[str],
    strength: float,
    masks: Mapping[str, Tensor] | None = None,
) -> None:
    """Proximal step of the L1 penalty on parameters of the learner's network.

    Args:
        learner: Whose network and learning rate.
        names: Of the parameters.
        strength: Of the penalty.
        masks: Where it acts, by name; everywhere by default.
    """
    amount = learner.training.lr_of(learner.task.index) * strength
    for name in names:
        p = learner.model.get_parameter(name)
        thinned = soft_threshold(p, amount)
        p.copy_(thinned if masks is None else torch.where(masks[name], thinned, p))


@torch.no_grad()
def shorten(learner: Learner, net: Stamped, task: int, strength: float) -> None:
    """Proximal step of the group penalty on what leads into each unit of `task`."""
    amount = learner.training.lr_of(task) * strength
    parameters = dict(learner.model.named_parameters())
    for layer in range(len(net.stamps)):
        mine = net.made_in(layer, task)
        matrix = parameters[units.weight(layer)]
        rows = shrink_rows(stamped.group(parameters, layer)[mine], amount)
        matrix[mine] = rows[:, :-1]
        if units.bias(layer) in parameters:
            parameters[units.bias(layer)][mine] = rows[:, -1]


def mean_loss(learner: Learner) -> float:
    """Mean loss of the learner's network on the data of the task, in evaluation."""
    learner.model.eval()
    data, total = learner.data, 0.0
    with torch.no_grad():
        for x, y in zip(
            data.x.split(EVALUATION_BATCH), data.y.split(EVALUATION_BATCH), strict=True
        ):
            part = Examples(x, y).to(learner.device)
            batch = Batch(part.x, part.y, learner.task.index)
            total += float(learner.loss(batch)) * len(batch)
    return total / max(len(data), 1)
