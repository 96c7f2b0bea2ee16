"""The pull of regularisation methods: a quadratic penalty around where parameters stood.

    P(θ) = Σ_i importance_i (θ_i − anchor_i)²,      ∂P/∂θ_i = 2 · importance_i (θ_i − anchor_i)

The gradient is added in closed form, which is faster than to differentiate P at each step. Tensors
go by the names of parameters; a parameter without importance, such as a new head, is free.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from bioncl.learning.importance import Named, learning


@dataclass(frozen=True, eq=False)
class Pull:
    """Importances ≥ 0, and the values that parameters are pulled to, by name."""

    importance: Named
    anchor: Named

    def penalty(self, model: nn.Module) -> Tensor:
        """P at the parameters of `model`: a number, differentiable."""
        parameters = learning(model)
        terms = [
            (self.importance[name] * (parameters[name] - self.anchor[name]).square()).sum()
            for name in self.importance
        ]
        return torch.stack(terms).sum() if terms else torch.zeros(())

    def add_gradient(self, model: nn.Module, factor: float) -> None:
        """Add the gradient of factor · P to that of `model`.

        Parameters without a gradient, such as the heads of other tasks, stay without: the loss
        does not move them.
        """
        if factor == 0:
            return
        for name, p in learning(model).items():
            if name in self.importance and p.grad is not None:
                distance = p.detach() - self.anchor[name]
                p.grad.addcmul_(self.importance[name], distance, value=2 * factor)

    def joined(self, other: Pull) -> Pull:
        """One pull with the gradient of both: importances add up, anchors are averaged by them."""
        importance, anchor = dict(self.importance), dict(self.anchor)
        for name, added in other.importance.items():
            if name not in importance:
                importance[name], anchor[name] = added, other.anchor[name]
                continue
            total = importance[name] + added
            share = torch.where(total > 0, added / total, 0.0)
            anchor[name] = anchor[name].lerp(other.anchor[name], share)
            importance[name] = total
        return Pull(importance, anchor)

    @classmethod
    def of(cls, pulls: Iterable[Self]) -> Pull:
        """All `pulls` in one."""
        whole = Pull({}, {})
        for pull in pulls:
            whole = whole.joined(pull)
        return whole


def place_of(model: nn.Module) -> Named:
    """Where the learning parameters of `model` stand: copies, by name."""
    return {name: p.detach().clone() for name, p in learning(model).items()}


def plus(old: Mapping[str, Tensor], new: Named, factor: float = 1.0) -> Named:
    """Sum factor · old + new, by name; names that only one has are kept."""
    kept = {name: factor * value for name, value in old.items()}
    return kept | {name: kept[name] + v if name in kept else v for name, v in new.items()}


def on(device: torch.device, named: Mapping[str, Tensor]) -> Named:
    """The same tensors on `device`, where a checkpoint's are not."""
    return {name: value.to(device) for name, value in named.items()}


def with_prefix(prefix: str, named: Mapping[str, Tensor]) -> Named:
    """Tensors with `prefix` and a dot before their names, as in `Method.state`."""
    return {f"{prefix}.{name}": value for name, value in named.items()}


def without_prefix(prefix: str, state: Mapping[str, Tensor]) -> Named:
    """The tensors of `state` whose names begin with `prefix` and a dot, without them."""
    start = f"{prefix}."
    return {name.removeprefix(start): v for name, v in state.items() if name.startswith(start)}
