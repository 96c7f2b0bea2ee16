"""Herding against its definition, and class means against scikit-learn."""

from __future__ import annotations

import pytest
import torch
from sklearn.neighbors import NearestCentroid
from torch.nn.functional import normalize

from bioncl.learning.herding import class_means, features, herd, nearest
from bioncl.models.mlp import MLP


def points(count=40, width=6, seed=0):
    """Rows of length 1 in double precision, off centre."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, width, generator=generator, dtype=torch.float64)
    return normalize(noise + 0.5)


@pytest.mark.parametrize("seed", range(5))
def test_each_step_is_the_best_next_one(seed):
    """argmin over all that are left of ‖μ − mean of those chosen with it‖, in plain loops."""
    rows = points(seed=seed)
    mean, chosen = rows.mean(0), []
    for _ in range(15):
        left = [i for i in range(len(rows)) if i not in chosen]
        errors = {i: float((mean - rows[[*chosen, i]].mean(0)).norm()) for i in left}
        chosen.append(min(errors, key=errors.get))
    assert herd(rows, 15).tolist() == chosen


def test_a_shorter_list_is_the_beginning_of_a_longer_one():
    rows = points()
    longest = herd(rows, 40).tolist()
    assert sorted(longest) == list(range(40))
    for count in (0, 1, 7, 39):
        assert herd(rows, count).tolist() == longest[:count]
    assert herd(rows, 99).tolist() == longest


def test_the_mean_is_nearer_than_that_of_random_examples():
    """For every m, than the average over 200 random choices of as many."""
    rows = points(100)
    mean, chosen = rows.mean(0), herd(rows, 50)
    generator = torch.Generator().manual_seed(1)
    for count in (2, 5, 10, 20, 50):
        error = (rows[chosen[:count]].mean(0) - mean).norm()
        random = [rows[torch.randperm(100, generator=generator)[:count]] for _ in range(200)]
        assert error < 0.7 * torch.stack([(r.mean(0) - mean).norm() for r in random]).mean()


def test_nearest_means_are_those_of_scikit_learn():
    """Where the means need no scaling: the same features, mirrored, give means of one length."""
    rows = points(60)
    labels = torch.arange(60) % 3 + 4
    classes, means = class_means(rows, labels)
    assert classes.tolist() == [4, 5, 6]
    for label, mean in zip(classes.tolist(), means, strict=True):
        torch.testing.assert_close(mean, normalize(rows[labels == label].mean(0), dim=0))
    doubled = torch.cat([means, means + 1e-9])
    reference = NearestCentroid().fit(doubled.numpy(), classes.repeat(2).numpy())
    asked = points(200, seed=3)
    assert nearest(asked, classes, means).tolist() == reference.predict(asked.numpy()).tolist()


def test_features_are_what_the_head_sees():
    """Computed by hand; dropout is off, and the network stays in the mode it was in."""
    model = MLP(hidden=(5, 4), dropout=0.5).build((1, 2, 2), 3, [(0, 1, 2)], 0)
    x = torch.rand(7, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    first, second = model.hidden()
    hidden = torch.relu(second(torch.relu(first(x.flatten(1)))))
    wanted = hidden / hidden.norm(dim=1, keepdim=True).clamp(min=1e-12)
    found = features(model, x, torch.device("cpu"))
    torch.testing.assert_close(found, wanted)
    assert model.training
    assert not found.requires_grad
    assert not model.head._forward_pre_hooks
