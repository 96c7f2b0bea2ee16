"""ResCL, Residual Continual Learning: combine old and fine-tuned network, and merge the two.

Each task after the first is learnt in two phases, from its own data alone:

    1. fine-tune   the loop's epochs: plain training of the network and the new head, giving net_t;
    2. combine     after them: net_c combines the network before the task, net_s, with net_t layer
                   by layer (`bioncl.models.combine`). With its α, and net_t's weights, it minimises

        KL(net_s ‖ net_c | old heads) + KL(net_t ‖ net_c | new head) + λ ‖α‖₁ + ½ λ_dec ‖θ_t‖²

Then net_c is merged to the original size. At α = 0 it is net_s, so λ alone trades old knowledge for
new. ‖α‖₁ is minimised by proximal steps: α moves toward 0 by lr·λ/(1 − momentum) and stops there.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Ge, Gt, Interval
from torch import Tensor, nn

from bioncl.errors import DivergedError, UnsupportedError, describe
from bioncl.learning.learner import Learner
from bioncl.learning.method import Method
from bioncl.learning.objective import distillation
from bioncl.models.backbone import Backbone
from bioncl.models.combine import alphas, combined, merged, recalibrate
from bioncl.models.heads import MaskedHead, PerTaskHead
from bioncl.streams.stream import Task


@dataclass
class ResCL(Method):
    """Fine-tuning, then a linear combination with the network before.

    Attributes:
        strength: λ, the decay of the combination toward the network before the task.
        epochs: Passes over the task's data in the combination phase.
        lr: Learning rate of that phase, of SGD.
        momentum: Of SGD.
        weight_decay: λ_dec, on the weights of the fine-tuned branch.
        batch_size: Examples a step; 0 takes as many as training does.
        temperature: T of the softened outputs; 1 in the paper.
        train_heads: Whether heads, old ones too, learn in the combination phase.
    """

    scenarios: ClassVar[tuple[str, ...]] = ("task",)
    paper: ClassVar[str] = "Lee et al. 2020 (2002.06774)"

    strength: Annotated[float, Ge(0)] = 1e-4
    epochs: Annotated[int, Ge(0)] = 2
    lr: Annotated[float, Gt(0)] = 0.01
    momentum: Annotated[float, Interval(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Ge(0)] = 1e-4
    batch_size: Annotated[int, Ge(0)] = 0
    temperature: Annotated[float, Gt(0)] = 1.0
    train_heads: bool = True
    source: Backbone | None = field(default=None, init=False, repr=False)

    def before_task(self, learner: Learner, task: Task) -> None:
        """Keep the network as it is now."""
        head = learner.model.head
        if learner.model.output != "softmax" or not isinstance(head, (MaskedHead, PerTaskHead)):
            hint = 'Set model.output = "softmax" and model.head = "per-task" or "masked".'
            raise UnsupportedError(describe("ResCL distils one head a task", hint=hint))
        self.source = copy.deepcopy(learner.model).eval() if task.index else None

    def after_task(self, learner: Learner, task: Task) -> None:
        """Combine, merge, and go on with the merged network."""
        if self.source is None:
            return
        wanted = self.soft_targets(learner, self.source)
        network = combined(self.source, learner.model)
        self.combine(learner, network, wanted)
        result = merged(network.eval())
        recalibrate(result, inputs(learner, torch.arange(len(learner.data))))
        result.head.requires_grad_()
        learner.replace_model(result)
        learner.model.eval()
        learner.changed()
        self.source = None

    def soft_targets(self, learner: Learner, source: Backbone) -> Tensor:
        """Logits [n, outputs] of all examples: old outputs from `source`, new ones as learnt."""
        new = list(learner.task.outputs)
        everything = torch.arange(len(learner.data))
        for network in (source, learner.model):
            network.use_task(None)
        with torch.no_grad():
            wanted = torch.cat([source(x) for x in inputs(learner, everything)])
            learnt = torch.cat([learner.model(x) for x in inputs(learner, everything)])
        wanted[:, new] = learnt[:, new]
        return wanted

    def combine(self, learner: Learner, network: Backbone, wanted: Tensor) -> None:
        """Train the combined network toward `wanted`; the combination phase."""
        groups = [list(learner.stream.group(k)) for k in range(learner.task.index + 1)]
        optimizer, mixing = self.optimizer(network), alphas(network)
        size = self.batch_size or learner.training.batch_size
        network.train()
        network.use_task(None)
        loss = None
        with learner.progress.start("combining: epochs", self.epochs) as bar:
            for _ in range(self.epochs):
                order = torch.randperm(len(wanted), generator=learner.generator)
                for chosen in order.split(size):
                    optimizer.zero_grad(set_to_none=True)
                    loss = self.loss(network(at(learner, chosen)), wanted[chosen], groups)
                    loss.backward()
                    optimizer.step()
                    learner.steps += 1
                    shrink(mixing, self.lr * self.strength / (1 - self.momentum))
                check_finite(loss)
                bar.advance()

    def loss(self, logits: Tensor, wanted: Tensor, groups: Sequence[list[int]]) -> Tensor:
        """Distillation of every head, old and new; the two penalties are the optimiser's."""
        parts = [distillation(logits[:, g], wanted[:, g], self.temperature) for g in groups]
        return torch.stack(parts).sum()

    def optimizer(self, network: Backbone) -> torch.optim.Optimizer:
        """SGD on α, on the target's weights with their decay, and on the heads if they learn."""
        network.head.requires_grad_(self.train_heads)
        mixing = alphas(network)
        apart = set(mixing)
        weights = [p for p in network.parameters() if p.requires_grad and p not in apart]
        groups: list[dict[str, Any]] = [
            {"params": mixing},
            {"params": weights, "weight_decay": self.weight_decay},
        ]
        return torch.optim.SGD(groups, lr=self.lr, momentum=self.momentum, foreach=True)


@torch.no_grad()
def shrink(parameters: Sequence[nn.Parameter], amount: float) -> None:
    """Move every number toward 0 by `amount`, but not beyond: the proximal step of the L1 norm."""
    for parameter in parameters:
        parameter.copy_(parameter.sign() * (parameter.abs() - amount).clamp(min=0))


def inputs(learner: Learner, chosen: Tensor) -> Iterator[Tensor]:
    """The learner's inputs at `chosen`, in batches as large as evaluation takes."""
    return (at(learner, part) for part in chosen.split(1000))


def at(learner: Learner, chosen: Tensor) -> Tensor:
    """The learner's inputs at `chosen`, where the network is."""
    return learner.data.x[chosen].to(learner.device)


def check_finite(loss: Tensor | None) -> None:
    """Stop a combination phase that has blown up."""
    if loss is not None and not torch.isfinite(loss):
        hint = "Lower the method's lr."
        got = loss.item()
        what = "The combination phase of ResCL diverged"
        raise DivergedError(describe(what, expected="a finite loss", got=got, hint=hint))
