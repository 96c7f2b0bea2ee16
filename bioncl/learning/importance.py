"""How much each parameter matters: means of powers of the gradients of single examples.

    importance_i = mean over examples n of Σ_k weight_nk · |∂ value_nk / ∂θ_i|^power

A `Rate` says which values of the outputs are differentiated, and with which weights. With log
probabilities and power 2 this is a Fisher information (`bioncl.learning.fisher`); with the squared
length of the outputs and power 1 it is that of Memory Aware Synapses. The power is taken of each
example's own gradient: that of a batch's mean gradient would be something else, and smaller.

| network | how |
|---|---|
| linear layers only, each used once | the gradient of an example is g hᵀ, its power |g|^p (|h|^p)ᵀ:
  one matrix product a layer sums over all examples |
| any other | `torch.func.vmap` over examples; one example after another where vmap cannot |

BatchNorm and dropout act as in evaluation, so examples do not influence each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from bioncl.models.backbone import Backbone
from bioncl.models.heads import BLOCKED
from bioncl.streams.stream import Examples

Named = dict[str, Tensor]
Rated = tuple[Tensor, Tensor]
Rate = Callable[[Tensor, Tensor, Tensor], Rated]
"""From logits [n, outputs], labels [n] and the outputs that compete [c] to values and weights, both
[n, k]; weights are detached."""
Bound = Callable[[Tensor, Tensor], Rated]
Call = tuple[nn.Linear, Tensor, Tensor]

LINEAR_CHUNK = 2000
VMAP_NUMBERS = 2**24


def importance(
    model: Backbone, examples: Examples, rate: Rate, *, power: int, device: torch.device
) -> Named:
    """The importance of each learning parameter, by name; see the module.

    Args:
        model: The network; choose by `use_task` beforehand which outputs compete.
        examples: What to average over, at least one.
        rate: What to differentiate.
        power: 2 squares gradients, 1 takes absolute values.
        device: Where the model is.
    """
    sums = {name: torch.zeros_like(p) for name, p in learning(model).items()}
    with evaluating(model):
        first = examples.first(1).to(device)
        competing = (model(first.x).detach()[0] > BLOCKED / 2).nonzero().flatten()

        def bound(logits: Tensor, labels: Tensor) -> Rated:
            return rate(logits, labels, competing)

        linear = is_linear(model, first.x)
        numbers = len(competing) * sum(total.numel() for total in sums.values())
        chunk = LINEAR_CHUNK if linear else max(1, VMAP_NUMBERS // numbers)
        add = add_linear if linear else add_any
        for x, y in zip(examples.x.split(chunk), examples.y.split(chunk), strict=True):
            add(sums, model, Examples(x, y).to(device), bound, power)
    return {name: total.detach() / len(examples) for name, total in sums.items()}


def learning(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that learn, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put `model` into evaluation mode for a while."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def is_linear(model: Backbone, x: Tensor) -> bool:
    """Whether all that learns are linear layers, each used once on vectors for inputs `x`."""
    layers = [m for m in model.modules() if isinstance(m, nn.Linear)]
    owned = {id(p) for layer in layers for p in layer.parameters()}
    if not all(id(p) in owned for p in learning(model).values()):
        return False
    calls = recorded(model, x)[1]
    once = len({id(layer) for layer, _, _ in calls}) == len(calls)
    return once and all(inputs.dim() == 2 for _, inputs, _ in calls)


def recorded(model: Backbone, x: Tensor) -> tuple[Tensor, list[Call]]:
    """Logits of `x`, and inputs and outputs of each linear layer that learns."""
    calls: list[Call] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor) -> None:
        if isinstance(layer, nn.Linear) and outputs.requires_grad:
            calls.append((layer, inputs[0].detach(), outputs))

    hooks = [m.register_forward_hook(note) for m in model.modules() if isinstance(m, nn.Linear)]
    try:
        return model(x), calls
    finally:
        for hook in hooks:
            hook.remove()


def add_linear(sums: Named, model: Backbone, batch: Examples, rate: Bound, power: int) -> None:
    """Add to `sums` what the examples of `batch` give, by one matrix product a layer."""
    logits, calls = recorded(model, batch.x)
    values, weights = rate(logits, batch.y)
    outputs = [z for _, _, z in calls]
    powers = [torch.zeros_like(z) for z in outputs]
    for value, weight in zip(values.sum(0), weights.unbind(1), strict=True):
        found = torch.autograd.grad(value, outputs, retain_graph=True, allow_unused=True)
        for total, gradient in zip(powers, found, strict=True):
            if gradient is not None:
                total.add_(weight[:, None] * gradient.abs() ** power)
    names = {id(p): name for name, p in learning(model).items()}
    for (layer, inputs, _), summed in zip(calls, powers, strict=True):
        if id(layer.weight) in names:
            sums[names[id(layer.weight)]] += summed.T @ inputs.abs() ** power
        if id(layer.bias) in names:
            sums[names[id(layer.bias)]] += summed.sum(0)


def add_any(sums: Named, model: Backbone, batch: Examples, rate: Bound, power: int) -> None:
    """Add to `sums` what the examples of `batch` give, by differentiating each by itself."""
    parameters = {name: p.detach() for name, p in learning(model).items()}
    fixed = {k: v.detach() for k, v in model.state_dict().items() if k not in parameters}

    def rated(part: Named, x: Tensor, y: Tensor) -> Rated:
        values, weights = rate(functional_call(model, part | fixed, (x[None],)), y[None])
        return values[0], weights[0]

    jacobian = jacrev(rated, has_aux=True)
    try:
        found, weights = vmap(jacobian, in_dims=(None, 0, 0))(parameters, batch.x, batch.y)
    except RuntimeError:  # an operation that vmap does not know
        each = [jacobian(parameters, x, y) for x, y in zip(batch.x, batch.y, strict=True)]
        found = {name: torch.stack([one[0][name] for one in each]) for name in parameters}
        weights = torch.stack([one[1] for one in each])
    for name, gradient in found.items():
        sums[name] += torch.einsum("nk...,nk->...", gradient.abs() ** power, weights)
