"""BatchNorm where a network is evaluated at other weights than those that it was trained at.

Running statistics belong to the weights that they were taken at. Weights that are only visited must
leave them alone, and weights that no step has led to need new ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

Norm = nn.BatchNorm1d | nn.BatchNorm2d


def norms(model: nn.Module) -> list[Norm]:
    """All BatchNorms of `model` that have running statistics."""
    found = [m for m in model.modules() if isinstance(m, Norm)]
    return [norm for norm in found if norm.track_running_stats]


@contextmanager
def statistics_kept(model: nn.Module) -> Iterator[None]:
    """Training mode as it is, but running statistics do not change."""
    own = norms(model)
    for norm in own:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in own:
            norm.track_running_stats = True


@contextmanager
def batch_statistics(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, but BatchNorm goes by each batch; running statistics do not change."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    for norm in norms(model):
        norm.train()
    try:
        with statistics_kept(model):
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@torch.no_grad()
def measure_statistics(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace running statistics by their means over `batches` of inputs at the present weights."""
    own = norms(model)
    if not own:
        return
    modes = {module: module.training for module in model.modules()}
    momenta = [norm.momentum for norm in own]
    model.eval()
    for norm in own:
        norm.reset_running_stats()
        norm.train()
        norm.momentum = None  # a plain mean
    for x in batches:
        model(x)
    for norm, momentum in zip(own, momenta, strict=True):
        norm.momentum = momentum
    for module, mode in modes.items():
        module.training = mode
