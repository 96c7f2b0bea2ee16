"""Units of a multi-layer perceptron: added, removed, and reached along weights that are not zero.

All works on the tensors of an `MLPNetwork` by name, so that a network of other widths is made in
one place, `with_tensors`. Hidden layer i (from 0) owns the rows of "trunk.<i>.weight" and
"trunk.<i>.bias"; its readers are the columns of "trunk.<i+1>.weight", or of all blocks of the head.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from bioncl.models.heads import PerTaskHead
from bioncl.models.mlp import MLPNetwork

Named = dict[str, Tensor]


def tensors_of(model: MLPNetwork) -> Named:
    """Copies of the parameters of `model`, by name."""
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def with_tensors(model: MLPNetwork, tensors: Mapping[str, Tensor]) -> MLPNetwork:
    """A network like `model` with these parameters, whatever widths they have."""
    result = copy.deepcopy(model)
    for name, module in result.named_modules():
        if isinstance(module, nn.Linear):
            module.weight = nn.Parameter(tensors[f"{name}.weight"].clone())
            if module.bias is not None:
                module.bias = nn.Parameter(tensors[f"{name}.bias"].clone())
            module.out_features, module.in_features = module.weight.shape
            if isinstance(result.head, PerTaskHead) and name.startswith("head."):
                result.head.width = module.in_features
    return result


def weight(layer: int) -> str:
    """Name of the weight that leads into hidden layer `layer`."""
    return f"trunk.{layer}.weight"


def bias(layer: int) -> str:
    """Name of its bias."""
    return f"trunk.{layer}.bias"


def block(task: int) -> str:
    """Name of the weight of the output layer of the task at `task`."""
    return f"head.blocks.{task}.weight"


def depth(tensors: Mapping[str, object]) -> int:
    """Number of hidden layers."""
    return sum(name.startswith("trunk.") and name.endswith(".weight") for name in tensors)


def widths(tensors: Mapping[str, Tensor]) -> list[int]:
    """Units of each hidden layer."""
    return [len(tensors[weight(layer)]) for layer in range(depth(tensors))]


def readers(tensors: Mapping[str, Tensor], layer: int) -> list[str]:
    """Names of the weights whose columns read hidden layer `layer`."""
    if layer + 1 < depth(tensors):
        return [weight(layer + 1)]
    return [n for n in tensors if n.startswith("head.blocks.") and n.endswith(".weight")]


def added(tensors: Mapping[str, Tensor], layer: int, rows: Tensor, biases: Tensor) -> Named:
    """Append units to hidden layer `layer`; nothing reads them yet.

    Args:
        tensors: Of the network.
        layer: Place of the layer.
        rows: Weights into the new units [k, width of the layer below].
        biases: Of the new units [k]; not used if the network has none.
    """
    found = dict(tensors)
    found[weight(layer)] = torch.cat([tensors[weight(layer)], rows])
    if bias(layer) in tensors:
        found[bias(layer)] = torch.cat([tensors[bias(layer)], biases])
    for name in readers(tensors, layer):
        silent = rows.new_zeros(len(tensors[name]), len(rows))
        found[name] = torch.cat([tensors[name], silent], 1)
    return found


def kept(tensors: Mapping[str, Tensor], layer: int, keep: Tensor) -> Named:
    """Only the units of hidden layer `layer` where `keep` (bool [width]) is true."""
    found = dict(tensors)
    for name in (weight(layer), bias(layer)):
        if name in tensors:
            found[name] = tensors[name][keep]
    return found | {name: tensors[name][:, keep] for name in readers(tensors, layer)}


def visible(tensors: Mapping[str, Tensor], counts: Sequence[int]) -> Named:
    """Only the first `counts` units of each hidden layer, in new memory."""
    found = dict(tensors)
    for layer, count in enumerate(counts):
        device = tensors[weight(layer)].device
        first = torch.arange(len(found[weight(layer)]), device=device) < count
        found = kept(found, layer, first)
    return {name: tensor.contiguous() for name, tensor in found.items()}


def reached(tensors: Mapping[str, Tensor], task: int) -> list[Tensor]:
    """From which inputs and units a way of non-zero weights leads to an output of `task`.

    Returns:
        bool [inputs], then bool [width] for each hidden layer.
    """
    found = [tensors[block(task)].ne(0).any(0)]
    for layer in reversed(range(depth(tensors))):
        found.append(tensors[weight(layer)][found[-1]].ne(0).any(0))
    return found[::-1]


def between(tensors: Mapping[str, Tensor], chosen: Sequence[Tensor]) -> Named:
    """Masks (bool) of the trunk's weights with both ends chosen, and of biases of chosen units.

    Args:
        tensors: Of the network.
        chosen: Of inputs and hidden layers, as `reached` returns them.
    """
    found = {}
    for layer in range(depth(tensors)):
        found[weight(layer)] = chosen[layer + 1][:, None] & chosen[layer][None]
        if bias(layer) in tensors:
            found[bias(layer)] = chosen[layer + 1].clone()
    return found
