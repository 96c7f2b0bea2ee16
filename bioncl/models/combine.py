"""Two networks of one shape combined linearly, layer by layer, and merged into one again.

Lee et al. 2020 (2002.06774) join a source network and one fine-tuned from it, the target:

    y = (1 + α_s) ⊙ f_s(x) + α_t ⊙ f_t(x)        one α_s and one α_t for each output channel

where x is the common, combined activation. Such a combination stands wherever a layer is affine: a
linear layer, a convolution (with the BatchNorm that follows it), a BatchNorm by itself, the
projection of a shortcut. Identity shortcuts are shared. The head belongs to the tasks and is not
combined: the combined network has the target's.

    combined(source, target)  ─►  train alphas and target  ─►  merged(…)  ─►  recalibrate(…)

The sum of two affine maps is affine, so with BatchNorm's running statistics merging is exact.
BatchNorm stays BatchNorm: the merged network has just the parameters of the original, so it fits
the same checkpoints and learns the next task in the same way. Which statistics it holds is free,
for scale and shift make up for them; `recalibrate` puts in those of real inputs, so that training,
which normalises by each batch, begins where evaluation stands.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Self

import torch
from torch import Tensor, nn

from bioncl.errors import UnsupportedError, describe
from bioncl.models.backbone import Backbone
from bioncl.models.convolution import ConvNorm
from bioncl.models.heads import Head

Norm = nn.BatchNorm1d | nn.BatchNorm2d
Unit = nn.Linear | nn.Conv2d | ConvNorm | Norm
Sums = dict[Norm, tuple[Tensor, Tensor, int]]


class Combination(nn.Module):
    """(1 + α_s) ⊙ source(x) + α_t ⊙ target(x), at first their mean; the source stands still."""

    def __init__(self, source: Unit, target: Unit) -> None:
        """Combine two units of one shape; α_s = −½ and α_t = ½ to begin with."""
        super().__init__()
        self.source, self.target = source.requires_grad_(False).eval(), target
        start = torch.full_like(folded(source)[1], 0.5)
        self.alpha_source, self.alpha_target = nn.Parameter(-start), nn.Parameter(start.clone())

    def train(self, mode: bool = True) -> Self:
        """Let the target alone learn; the source keeps its running statistics."""
        super().train(mode)
        self.source.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Activations or maps, as the units give."""
        old, new = self.source(x), self.target(x)
        shape = (-1,) + (1,) * (old.dim() - 2)
        combined: Tensor = (1 + self.alpha_source).view(shape) * old
        return combined + self.alpha_target.view(shape) * new


def combined(source: Backbone, target: Backbone) -> Backbone:
    """A network of the target's kind with a `Combination` for each unit; both are left alone.

    Raises:
        UnsupportedError: A module is of no kind that can be combined.
    """
    result = copy.deepcopy(target)
    for name, unit in list(units(result)):
        old = copy.deepcopy(source.get_submodule(name))
        if isinstance(old, Unit):
            result.set_submodule(name, Combination(old, unit))
    return result


def merged(network: Backbone) -> Backbone:
    """The network of the original size that in evaluation does what the combined one does."""
    result = copy.deepcopy(network)
    pairs = [(name, part) for name, part in result.named_modules() if isinstance(part, Combination)]
    for name, pair in pairs:
        result.set_submodule(name, _merge(pair))
    return result


def alphas(network: Backbone) -> list[nn.Parameter]:
    """All α_s and α_t of a combined network."""
    pairs = [part for part in network.modules() if isinstance(part, Combination)]
    return [alpha for pair in pairs for alpha in (pair.alpha_source, pair.alpha_target)]


def units(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, Unit]]:
    """Name and module of everything affine in `module` but heads.

    Raises:
        UnsupportedError: A module with parameters is of no kind that can be combined.
    """
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        if isinstance(child, Unit):
            yield path, child
        elif not isinstance(child, Head):
            if next(child.parameters(recurse=False), None) is not None:
                expected = "Linear, Conv2d or BatchNorm"
                what = f"Combining networks, layer '{path}'"
                raise UnsupportedError(describe(what, expected=expected, got=type(child).__name__))
            yield from units(child, f"{path}.")


def folded(unit: Unit) -> tuple[Tensor, Tensor]:
    """Weight (for BatchNorm alone, scale [channels]) and bias [channels] in evaluation."""
    if isinstance(unit, ConvNorm):
        scale, shift = folded(unit.norm)
        return scale.view(-1, 1, 1, 1) * unit.conv.weight, shift
    if isinstance(unit, Norm):
        mean, variance = statistics(unit)
        scale = unit.weight / (variance + unit.eps).sqrt()
        return scale, unit.bias - mean * scale
    bias = unit.weight.new_zeros(len(unit.weight)) if unit.bias is None else unit.bias
    return unit.weight, bias


def statistics(norm: Norm) -> tuple[Tensor, Tensor]:
    """Running mean and variance [channels].

    Raises:
        UnsupportedError: The layer keeps none.
    """
    if norm.running_mean is None or norm.running_var is None or not norm.affine:
        expected = "running statistics, scale and shift"
        raise UnsupportedError(describe("Combining networks, BatchNorm", expected=expected))
    return norm.running_mean, norm.running_var


@torch.no_grad()
def _merge(pair: Combination) -> nn.Module:
    """The unit that does what `pair` does."""
    unit = pair.target
    (old_weight, old_bias), (new_weight, new_bias) = folded(pair.source), folded(unit)
    keep, add = 1 + pair.alpha_source, pair.alpha_target
    shape = (-1,) + (1,) * (old_weight.dim() - 1)
    weight = keep.view(shape) * old_weight + add.view(shape) * new_weight
    bias = keep * old_bias + add * new_bias
    if isinstance(unit, Norm):
        _write(unit, weight, bias)
    elif isinstance(unit, ConvNorm):
        unit.conv.weight.copy_(weight)
        _write(unit.norm, torch.ones_like(bias), bias)
    else:
        unit.weight.copy_(weight)
        if unit.bias is not None:
            unit.bias.copy_(bias)
    return unit


@torch.no_grad()
def _write(norm: Norm, scale: Tensor, shift: Tensor) -> None:
    """Make `norm` compute scale·x + shift in evaluation, with the statistics that it holds."""
    mean, variance = statistics(norm)
    norm.weight.copy_(scale * (variance + norm.eps).sqrt())
    norm.bias.copy_(shift + mean * scale)


@torch.no_grad()
def recalibrate(network: Backbone, inputs: Iterable[Tensor]) -> None:
    """Give BatchNorm the statistics of `inputs`; what the network computes in evaluation stays.

    Args:
        network: In evaluation mode.
        inputs: Batches [n, *shape].
    """
    norms = [part for part in network.modules() if isinstance(part, Norm)]
    sums: Sums = {}

    def note(norm: nn.Module, given: tuple[Tensor, ...]) -> None:
        if isinstance(norm, Norm):
            x = given[0].transpose(0, 1).flatten(1).double()
            old = sums.get(norm, (0.0, 0.0, 0))
            sums[norm] = (old[0] + x.sum(1), old[1] + x.square().sum(1), old[2] + x.shape[1])

    hooks = [norm.register_forward_pre_hook(note) for norm in norms]
    for x in inputs if norms else ():
        network(x)
    for hook in hooks:
        hook.remove()
    for norm, (total, squares, count) in sums.items():
        scale, shift = folded(norm)
        mean, variance = statistics(norm)
        centre = total / count
        mean.copy_(centre)
        variance.copy_((squares / count - centre.square()).clamp(min=0))
        _write(norm, scale, shift)
