"""BatchNorm at other weights: what normalises, and what running statistics become."""

from __future__ import annotations

import copy

import pytest
import torch

from bioncl.models.convnet import ConvNet
from bioncl.models.normalisation import batch_statistics, measure_statistics, statistics_kept


@pytest.fixture
def model():
    """A network with one BatchNorm and dropout, whose statistics have seen something."""
    settings = ConvNet(channels=(3,), kernel=3, hidden=(4,), batch_norm=True, dropout=0.5)
    model = settings.build((1, 4, 4), 2, [(0, 1)], 0)
    model.train()
    model(torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0)))
    return model


def inputs(seed, count=5):
    return torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(seed))


def norm_of(model):
    return next(m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d))


def before_norm(model, x):
    """Outputs of the convolution, by hand."""
    conv = next(m for m in model.modules() if isinstance(m, torch.nn.Conv2d))
    return torch.nn.functional.conv2d(x, conv.weight, padding=1)


def state(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def test_training_goes_by_the_batch_and_changes_no_statistics(model):
    plain, x, before = copy.deepcopy(model), inputs(1), state(model)
    torch.manual_seed(0)
    with statistics_kept(model):
        found = model(x)
    assert same(state(model), before)
    torch.manual_seed(0)
    assert torch.equal(found, plain(x))
    assert not same(state(plain), before)


def test_evaluation_inside_of_it_still_goes_by_running_statistics(model):
    model.eval()
    wanted = model(inputs(1))
    with statistics_kept(model):
        assert torch.equal(model(inputs(1)), wanted)


def test_afterwards_statistics_run_again(model):
    for context in (statistics_kept, batch_statistics):
        with pytest.raises(KeyError), context(model):
            raise KeyError
        before = state(model)
        model.train()
        model(inputs(1))
        assert not same(state(model), before)


@pytest.mark.parametrize("training", [True, False])
def test_batch_statistics_drop_nothing_and_keep_the_mode(model, training):
    """The normalised maps of a batch have mean 0 and variance 1, whatever has run before."""
    model.train(training)
    before, seen = state(model), []
    norm_of(model).register_forward_hook(lambda *a: seen.append(a[2].detach()))
    with batch_statistics(model):
        first, second = model(inputs(2)), model(inputs(2))
    assert torch.equal(first, second)  # no dropout
    torch.testing.assert_close(seen[0].mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    assert same(state(model), before)
    assert {module.training for module in model.modules()} == {training}


def test_measured_statistics_are_means_over_batches(model):
    """Mean, and variance with n − 1 as torch keeps it, of the convolution's outputs."""
    model.eval()
    batches = [inputs(3, 4), inputs(4, 4)]
    maps = [before_norm(model, x) for x in batches]
    measure_statistics(model, batches)
    norm = norm_of(model)
    mean = torch.stack([m.mean((0, 2, 3)) for m in maps]).mean(0)
    variance = torch.stack([m.var((0, 2, 3)) for m in maps]).mean(0)
    torch.testing.assert_close(norm.running_mean, mean)
    torch.testing.assert_close(norm.running_var, variance)
    assert norm.momentum == 0.1
    assert not any(module.training for module in model.modules())


def test_without_batchnorm_no_batch_is_drawn():
    def never():
        raise AssertionError("drawn")
        yield

    measure_statistics(torch.nn.Linear(2, 2), never())
