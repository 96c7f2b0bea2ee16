"""The perceptron against plain NumPy: forward, dropout, activations, re-entry, the chain."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bioncl.errors import UnsupportedError
from bioncl.models.mlp import MLP, Dropout

SHAPE, OUTPUTS, GROUPS = (1, 3, 4), 4, ((0, 1), (2, 3))


def network(seed=0, started=2, **settings):
    settings = {"hidden": (7, 5), "initial": "torch"} | settings
    model = MLP(**settings).build(SHAPE, OUTPUTS, GROUPS, seed)
    for index in range(started):
        model.start_task(index)
    return model.double()


def inputs(count=6):
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(9)).double()


def by_numpy(model, x):
    """Activations of hidden layers and logits, layer by layer from the state alone."""
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    h, found = x.reshape(len(x), -1).numpy(), []
    for i in range(2):
        h = np.maximum(h @ state[f"trunk.{i}.weight"].T + state.get(f"trunk.{i}.bias", 0.0), 0)
        found.append(h)
    logits = h @ state["head.linear.weight"].T + state.get("head.linear.bias", 0.0)
    return [*found, logits]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("output", ["softmax", "relu"])
def test_forward_and_activations(bias, output):
    model = network(bias=bias, output=output).eval()
    *hidden, logits = by_numpy(model, inputs())
    np.testing.assert_allclose(model(inputs()).detach().numpy(), logits, rtol=1e-12, atol=1e-14)
    found = [a.detach().numpy() for a in model.activations(inputs())]
    exps = np.exp(logits)
    last = np.maximum(logits, 0) if output == "relu" else exps / exps.sum(1, keepdims=True)
    for got, wanted in zip(found, [*hidden, last], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("head", ["single", "masked", "per-task", "growing"])
def test_activations_reenter_at_their_layer(head):
    model = network(head=head, dropout=0.3, dropout_scaling="test").eval()
    full = model(inputs())
    assert model.layers == ("hidden1", "hidden2", "output")
    found = zip(model.layers[:-1], model.activations(inputs()), strict=False)
    for name, activation in found:
        torch.testing.assert_close(model(activation, entry=name), full, rtol=0, atol=0)


@pytest.mark.parametrize("entry", ["hidden9", "output"])
def test_unknown_entry_is_refused(entry):
    with pytest.raises(UnsupportedError, match=f"input, hidden1, hidden2, got {entry}"):
        network()(inputs(), entry=entry)


@pytest.mark.parametrize("scaling", ["train", "test"])
def test_dropout_scales_once(scaling):
    """Kept activations and those in evaluation have one of the two factors, never both."""
    torch.manual_seed(0)
    layer, x = Dropout(0.25, scaling), torch.full((200_000,), 2.0)
    trained, tested = layer.train()(x), layer.eval()(x)
    kept = 2.0 / 0.75 if scaling == "train" else 2.0
    assert trained.unique().tolist() == pytest.approx([0.0, kept])
    share = (trained == 0).double().mean()
    assert share == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / len(x)) ** 0.5)
    torch.testing.assert_close(tested, torch.full_like(x, 2.0 if scaling == "train" else 1.5))
    assert trained.double().mean() == pytest.approx(float(tested.double().mean()), rel=0.01)


def test_no_dropout_draws_no_random_numbers():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    network(dropout=0.0).train()(inputs())
    assert torch.equal(torch.get_rng_state(), before)


def test_dropout_masks_hidden_units_only():
    """In training some hidden activations are zero that evaluation has; inputs are never masked."""
    model = network(dropout=0.5)
    awake = model.eval().activations(inputs(200))[0]
    torch.manual_seed(0)
    trained = model.train().activations(inputs(200))[0]
    dropped = ((trained == 0) & (awake > 0)).sum() / (awake > 0).sum()
    assert dropped == pytest.approx(0.5, abs=0.07)
    kept = trained != 0
    torch.testing.assert_close(trained[kept], 2 * awake[kept])


def test_seed_fixes_the_network_and_layers_differ():
    first, again, other = network(3), network(3), network(4)
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
        assert not torch.equal(value, other.state_dict()[name])
    square = MLP(hidden=(5, 5)).build((5,), 5, [(0,)], 0).stack()
    assert not torch.equal(square[0].weight, square[1].weight)
    assert not torch.equal(square[1].weight, square[2].weight)


def test_published_network_has_no_bias_and_small_weights():
    model = network(bias=False, output="relu", initial="uniform", initial_scale=0.01)
    assert all(layer.bias is None for layer in model.stack())
    assert all(0.009 < layer.weight.abs().max() <= 0.01 for layer in model.stack())


@pytest.mark.parametrize("head", ["single", "masked", "per-task", "growing"])
@pytest.mark.parametrize("bias", [True, False])
def test_stack_is_a_chain_equal_to_the_network(head, bias):
    """ReLU between the layers of the stack gives the logits with which all tasks compete."""
    model = network(head=head, bias=bias).eval()
    model.use_task(None)
    h = inputs().flatten(1)
    for place, layer in enumerate(model.stack()):
        h = h @ layer.weight.T + (0 if layer.bias is None else layer.bias)
        h = h.relu() if place < 2 else h
    torch.testing.assert_close(h, model(inputs()))
    assert [layer.name for layer in model.stack()] == list(model.layers)


@pytest.mark.parametrize("head", ["single", "masked", "per-task", "growing"])
def test_write_stack_puts_every_weight_where_stack_found_it(head):
    model = network(head=head)
    shapes = [layer.weight.shape for layer in model.stack()]
    biases = [layer.bias.clone() for layer in model.stack()]
    wanted = [torch.randn(s, generator=torch.Generator().manual_seed(1)).double() for s in shapes]
    model.write_stack(wanted)
    for layer, weight, bias in zip(model.stack(), wanted, biases, strict=True):
        assert torch.equal(layer.weight, weight)
        assert torch.equal(layer.bias, bias)
    assert model.use_task(None) is None
    hidden = model.eval().activations(inputs())[1]
    torch.testing.assert_close(model(inputs()), hidden @ wanted[2].T + biases[2])


def test_written_weights_still_learn():
    """Writing goes around autograd, not into it."""
    model = network()
    model.write_stack([layer.weight.detach() * 2 for layer in model.stack()])
    model(inputs()).sum().backward()
    assert all(p.is_leaf and p.grad is not None for p in model.parameters())
