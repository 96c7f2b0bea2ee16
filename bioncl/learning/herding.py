"""Exemplars and class means in feature space, as iCaRL uses them (Rebuffi et al. 2017).

Features are what the head sees, scaled to length 1. Herding lists a class's examples so that the
mean of the first m is near the mean of all, for every m: a list is cut short by dropping its end.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from bioncl.models.backbone import Backbone

FEATURE_BATCH = 2000


def features(model: Backbone, x: Tensor, device: torch.device) -> Tensor:
    """Features of inputs [n, *shape], of length 1: [n, width] on `device`; model in eval mode."""
    found: list[Tensor] = []

    def note(head: nn.Module, given: tuple[Tensor, ...]) -> None:
        found.append(normalize(given[0].flatten(1)))

    was_training = model.training
    model.eval()
    handle = model.head.register_forward_pre_hook(note)
    try:
        with torch.no_grad():
            for part in x.split(FEATURE_BATCH):
                model(part.to(device))
    finally:
        handle.remove()
        model.train(was_training)
    return torch.cat(found)


def herd(points: Tensor, count: int) -> Tensor:
    """Places of `count` rows of `points` [n, width] (length 1), the most telling first: int64.

    With μ the mean of all rows, each step takes the row that is not yet taken and has the largest
    product with w, from w = μ; then w ← w + μ − row.
    """
    mean = points.mean(0)
    w, free = mean.clone(), torch.zeros(len(points), dtype=points.dtype, device=points.device)
    chosen = []
    for _ in range(min(count, len(points))):
        best = int((points @ w + free).argmax())
        chosen.append(best)
        free[best] = -torch.inf
        w += mean - points[best]
    return torch.tensor(chosen, dtype=torch.long)


def class_means(points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of each class's rows, scaled to length 1: classes int64 [k] and means [k, width]."""
    classes, place = labels.unique(return_inverse=True)
    sums = points.new_zeros(len(classes), points.shape[1]).index_add_(0, place, points)
    return classes, normalize(sums)


def nearest(points: Tensor, classes: Tensor, means: Tensor) -> Tensor:
    """The class whose mean is nearest to each row of `points` [n, width]: int64 [n]."""
    return classes[torch.cdist(points, means).argmin(1)]
