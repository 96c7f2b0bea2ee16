"""Nights of hand-made graphs: the definition, a twin neuron by neuron, and dense matrices."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path as File
from unittest import mock

import numpy as np
import pytest
import torch

from bioncl.errors import DivergedError, InputError, UnsupportedError
from bioncl.plasticity import Constant, Gated, Sigmoid
from bioncl.spiking.engines.dense import Dense
from bioncl.spiking.engines.event import Event
from bioncl.spiking.graph import night, tied
from bioncl.spiking.graph.chain import as_network
from bioncl.spiking.graph.populations import (
    Convolution,
    Flatten,
    Graph,
    Linear,
    Path,
    Pool,
    Population,
    Scale,
)
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces.recorder import MemoryRecorder
from bioncl.traces.spikes import Spikes

_spec = importlib.util.spec_from_file_location(
    "slow_night", File(__file__).parent / "slow_night.py"
)
slow = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(slow)

FLAT = Flatten()
RULE = Constant(1 / 64, 1 / 128)


def grid(rng, shape, scale=0.4):
    """Weights on a coarse grid, whose sums no order of additions rounds."""
    return torch.from_numpy(np.round(rng.normal(0.1, scale, shape) * 16) / 16)


def raster_of(rng, steps, neurons, rate=0.3):
    return rng.random((steps, neurons)) < rate


def run(graph, raster, rules, decay=0.5, shared="mean", chunk=1000):
    """Weights by layer, and spikes [steps, neurons] by population, after a night."""
    recorder = MemoryRecorder()
    chunks = (Spikes.from_raster(raster[t : t + chunk]) for t in range(0, len(raster), chunk))
    night.run(graph, chunks, recorder, rules=rules, decay=decay, shared=shared)
    names = ["input", *(p.name for p in graph.populations)]
    sizes = [graph.input_shape, *(p.shape for p in graph.populations)]
    spikes = {}
    for name, size, events in zip(names, sizes, recorder.events(), strict=True):
        spikes[name] = np.zeros((len(raster), int(np.prod(size))), bool)
        spikes[name][tuple(events.T)] = True
    return {name: layer.weight.numpy() for name, layer in graph.layers().items()}, spikes


def agrees(graph, raster, rules, shared="mean", decay=0.5):
    """Run the night and the slow one; compare every spike and every weight."""
    wanted, fired = slow.slow_night(graph, raster, rules, decay, shared)
    before = {name: layer.weight.clone().numpy() for name, layer in graph.layers().items()}
    weights, spikes = run(graph, raster, rules, decay, shared)
    for name, true in fired.items():
        np.testing.assert_array_equal(spikes[name], true, name)
        assert 0 < true.mean() < 1, name
    for name, true in wanted.items():
        np.testing.assert_allclose(weights[name], true, rtol=0, atol=1e-12, err_msg=name)
        assert (weights[name] != before[name]).any() == (rules.get(name) is not None), name


def conv(name, weight, stride=1, padding=0, dilation=1, groups=1):
    size = weight.dim() - 2
    each = [(n,) * size for n in (stride, padding, dilation)]
    return Convolution(name, weight, *each, groups)


def chain(seed, sizes=(12, 9, 8, 5), bias=False):
    rng = np.random.default_rng(seed)
    names = ["input", "one", "two", "output"]
    pops = [
        Population(
            names[i + 1],
            (post,),
            (Path(names[i], (Linear(f"l{i}", grid(rng, (post, pre))),), [1.0, 0.5, 2.0][i]),),
            grid(rng, (post,), 0.1) if bias else None,
            0.5,
        )
        for i, (pre, post) in enumerate(pairwise(sizes))
    ]
    return Graph((sizes[0],), pops), raster_of(rng, 120, sizes[0])


def dense(graph, raster, rules, decay, engine=Dense()):  # noqa: B008
    """The chain by an ordinary engine, laid out here by hand."""
    layers = [pop.paths[0].ops[0] for pop in graph.populations]
    network = SpikingNetwork(
        [layer.weight.clone() for layer in layers],
        [pop.paths[0].gain for pop in graph.populations],
        [pop.threshold for pop in graph.populations],
        decay,
        biases=[
            None if pop.bias is None else pop.bias / pop.paths[0].gain for pop in graph.populations
        ],
        rules=[rules.get(layer.name) for layer in layers],
    )
    recorder = MemoryRecorder()
    engine.run(network, [Spikes.from_raster(raster)], recorder)
    return network.weights, recorder.events()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shared", ["mean", "sum"])
def test_a_chain_equals_the_definition_bit_for_bit(seed, bias, shared):
    graph, raster = chain(seed, bias=bias)
    rules = {"l0": RULE, "l1": None, "l2": Constant(1 / 32, 1 / 64)}
    weights, events = dense(graph, raster, rules, 0.5)
    found, spikes = run(graph, raster, rules, shared=shared, chunk=50)
    for own, true in zip(found.values(), weights, strict=True):
        assert np.array_equal(own, true.numpy())
    for own, true in zip(spikes.values(), events, strict=True):
        np.testing.assert_array_equal(np.argwhere(own), true)
        assert len(true) > 10


@pytest.mark.parametrize("rule", [Gated(0.03, 0.004), Sigmoid(0.03, 0.01)])
def test_a_chain_with_a_gated_rule_equals_the_definition(rule):
    graph, raster = chain(7)
    rules = dict.fromkeys(("l0", "l1", "l2"), rule)
    weights, _ = dense(graph, raster, rules, 0.999)
    found, _ = run(graph, raster, rules, 0.999)
    for own, true in zip(found.values(), weights, strict=True):
        np.testing.assert_allclose(own, true.numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("bias", [False, True])
def test_a_chain_goes_to_the_ordinary_engines(bias):
    """Flattening between populations does not matter; weights are shared, the result is equal."""
    graph, raster = chain(3, bias=bias)
    graph.input_shape = (3, 4)
    first = graph.populations[0].paths[0]
    first.ops = (FLAT, *first.ops)
    rules = {"l0": RULE, "l2": RULE}
    other, _ = chain(3, bias=bias)
    wanted, events = dense(other, raster, rules, 0.5, Event())
    network = as_network(graph, rules, 0.5)
    recorder = MemoryRecorder()
    Event().run(network, [Spikes.from_raster(raster)], recorder)
    for layer, true in zip(graph.layers().values(), wanted, strict=True):
        assert torch.equal(layer.weight, true)
    for found, true in zip(recorder.events(), events, strict=True):
        np.testing.assert_array_equal(found, true)


def residual(rng, rule_scale=0.3):
    """A convolution that two populations read, one of them scaled; then a mean over pixels."""
    stem = conv("stem", grid(rng, (3, 2, 3, 3), rule_scale), padding=1)
    inner = conv("inner", grid(rng, (3, 3, 3, 3), rule_scale), padding=1)
    head = Linear("head", grid(rng, (4, 3)))
    scale = Scale("norm", torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64))
    pops = [
        Population("a", (3, 5, 5), (Path("input", (stem,)),), threshold=0.5),
        Population(
            "b",
            (3, 5, 5),
            (Path("input", (stem, scale)), Path("a", (inner, scale), 0.5)),
            torch.tensor([0.25, 0.0, 0.125]).double().view(3, 1, 1),
            0.5,
        ),
        Population(
            "output",
            (4,),
            (Path("b", (Pool("avg", (5, 5), (5, 5), (0, 0)), FLAT, head)),),
            threshold=0.125,
        ),
    ]
    return Graph((2, 5, 5), pops)


CONVOLUTIONS = {
    "plain": ((2, 6, 6), (3, 2, 3, 3), {}),
    "padded": ((2, 5, 5), (3, 2, 3, 3), {"padding": 1}),
    "strided": ((2, 7, 6), (3, 2, 3, 2), {"stride": 2, "padding": 1}),
    "dilated": ((1, 7, 7), (2, 1, 2, 3), {"dilation": 2, "padding": 2}),
    "grouped": ((4, 5, 5), (6, 2, 3, 3), {"groups": 2, "padding": 1}),
    "depthwise": ((3, 5, 5), (3, 1, 3, 3), {"groups": 3}),
    "one dimension": ((2, 9), (3, 2, 3), {"stride": 2, "padding": 1}),
}


@pytest.mark.parametrize("kind", CONVOLUTIONS)
@pytest.mark.parametrize("shared", ["mean", "sum"])
def test_a_convolution_equals_the_loop_over_its_synapses(kind, shared):
    size, shape, options = CONVOLUTIONS[kind]
    rng = np.random.default_rng(1)
    layer = conv("kernel", grid(rng, shape), **options)
    out = tuple(layer(torch.zeros(1, *size).double()).shape[1:])
    pop = Population("maps", out, (Path("input", (layer,), 0.5),), threshold=0.75)
    agrees(Graph(size, [pop]), raster_of(rng, 40, int(np.prod(size))), {"kernel": RULE}, shared)


@pytest.mark.parametrize("shared", ["mean", "sum"])
@pytest.mark.parametrize("rule", [RULE, Gated(0.05, 0.01, 0.1)])
def test_a_kernel_moves_as_its_copies_in_a_dense_matrix_do_together(shared, rule):
    """One step: the matrix learns by the rule itself, then its copies are averaged or summed."""
    rng = np.random.default_rng(5)
    size, layer = (2, 5, 5), conv("kernel", grid(rng, (3, 2, 3, 3)), padding=1)
    matrix, owner = slow.matrix_of(layer, size)
    raster = raster_of(rng, 1, 50)
    pop = Population("maps", (3, 5, 5), (Path("input", (layer,)),), threshold=0.25)
    before = layer.weight.clone()
    weights, spikes = run(Graph(size, [pop]), raster, {"kernel": rule}, shared=shared)
    post = spikes["maps"][0]
    np.testing.assert_array_equal(post, matrix @ raster[0] >= 0.25)
    moved = rule.change(*map(torch.from_numpy, (matrix, raster[0], post))).numpy() - matrix
    asked = {}
    for (row, column), index in owner.items():
        if post[row]:
            asked.setdefault(index, []).append(moved[row, column])
    assert len({len(each) for each in asked.values()}) > 1  # the border was met
    for index, each in asked.items():
        wanted = np.sum(each) / (len(each) if shared == "mean" else 1)
        assert weights["kernel"][index] - before[index] == pytest.approx(wanted, abs=1e-15)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shared", ["mean", "sum"])
@pytest.mark.parametrize(
    "rules",
    [
        {"stem": RULE, "inner": RULE, "head": RULE},
        {"stem": Gated(0.02, 0.01, 0.1), "head": Sigmoid(0.01, 0.01)},
        {"inner": RULE},
    ],
    ids=["all", "two", "one"],
)
def test_a_residual_net_equals_the_loop_over_its_synapses(seed, shared, rules):
    """All posts of a layer in several paths count; a negative scale turns the sign of its rule."""
    rng = np.random.default_rng(seed)
    agrees(residual(rng), raster_of(rng, 30, 50), rules, shared)


@pytest.mark.parametrize(("kind", "behind"), [("max", False), ("avg", False), ("avg", True)])
def test_pooling_before_and_behind_a_layer(kind, behind):
    rng = np.random.default_rng(2)
    pool = Pool(kind, (2, 2), (2, 2), (0, 0))
    layer = conv("kernel", grid(rng, (3, 2, 3, 3)), padding=1)
    head = Linear("head", grid(rng, (4, 27)))
    ops = (layer, pool) if behind else (pool, layer)
    pops = [
        Population("maps", (3, 3, 3), (Path("input", ops),), threshold=0.5),
        Population("output", (4,), (Path("maps", (FLAT, head), 0.25),), threshold=0.5),
    ]
    graph = Graph((2, 6, 6), pops)
    agrees(graph, raster_of(rng, 40, 72), {"kernel": RULE, "head": RULE})


def test_a_maximum_of_spikes_fires_where_any_neuron_of_its_window_does():
    """A population that reads nothing but the maximum repeats it, spike for spike."""
    pool = Pool("max", (2, 2), (2, 2), (0, 0))
    one = Linear("one", torch.eye(9, dtype=torch.float64))
    pop = Population("seen", (9,), (Path("input", (pool, FLAT, one)),))
    raster = raster_of(np.random.default_rng(0), 50, 36, 0.1)
    _, spikes = run(Graph((1, 6, 6), [pop]), raster, {})
    windows = raster.reshape(50, 3, 2, 3, 2).any((2, 4)).reshape(50, 9)
    np.testing.assert_array_equal(spikes["seen"], windows)


def test_a_skip_without_operations_hands_spikes_on():
    rng = np.random.default_rng(4)
    layer = Linear("layer", grid(rng, (6, 6)))
    paths = (Path("input", (layer,)), Path("input", (), 0.25))
    graph = Graph((6,), [Population("sum", (6,), paths, threshold=0.5)])
    agrees(graph, raster_of(rng, 60, 6), {"layer": RULE})


def test_a_linear_layer_at_many_places_shares_its_weights():
    rng = np.random.default_rng(6)
    layer = Linear("layer", grid(rng, (3, 4)))
    graph = Graph((5, 4), [Population("rows", (5, 3), (Path("input", (layer,)),), threshold=0.5)])
    agrees(graph, raster_of(rng, 40, 20), {"layer": RULE})


@pytest.mark.parametrize("block", [1, 3, 64])
@pytest.mark.parametrize("chunk", [1, 7, 30])
def test_blocks_and_chunks_do_not_matter(block, chunk):
    """On the grid no sum is rounded, so the night is the same to the last bit."""
    rules = {"head": RULE, "stem": Constant(1 / 64, 0.0), "inner": Constant(0.0, 1 / 64)}
    results = []
    for size, steps in ((64, 30), (block, chunk)):
        rng = np.random.default_rng(0)
        graph, raster = residual(rng), raster_of(rng, 30, 50, 0.02)
        with mock.patch.object(tied, "BLOCK", size):
            results.append(run(graph, raster, rules, shared="sum", chunk=steps))
    for name in ("stem", "inner", "head"):
        np.testing.assert_array_equal(results[0][0][name], results[1][0][name])
    for name in ("a", "b", "output"):
        assert results[0][1][name].any()
        np.testing.assert_array_equal(results[0][1][name], results[1][1][name])


def test_long_chunks_are_taken_in_pieces():
    graphs, found = [residual(np.random.default_rng(0)) for _ in range(2)], []
    raster = raster_of(np.random.default_rng(1), 40, 50)
    for graph, memory in zip(graphs, (2**25, 1500), strict=True):
        with mock.patch.object(night, "MEMORY", memory):
            found.append(run(graph, raster, {"stem": RULE}))
    np.testing.assert_allclose(found[0][0]["stem"], found[1][0]["stem"], atol=1e-12)
    np.testing.assert_array_equal(found[0][1]["output"], found[1][1]["output"])


def test_layers_without_a_rule_keep_every_bit():
    rng = np.random.default_rng(0)
    graph = residual(rng)
    before = {name: layer.weight.clone() for name, layer in graph.layers().items()}
    weights, spikes = run(graph, raster_of(rng, 30, 50), {"inner": RULE, "stem": None})
    assert torch.equal(before["stem"], torch.from_numpy(weights["stem"]))
    assert torch.equal(before["head"], torch.from_numpy(weights["head"]))
    assert not torch.equal(before["inner"], torch.from_numpy(weights["inner"]))
    assert spikes["output"].any()


def test_membranes_are_what_is_left_after_the_last_step():
    layer = Linear("layer", torch.tensor([[0.5], [0.25]], dtype=torch.float64))
    graph = Graph((1,), [Population("two", (2,), (Path("input", (layer,)),), threshold=0.75)])
    chunks = [Spikes.from_raster(np.ones((2, 1), bool))]
    left = night.run(graph, chunks, MemoryRecorder(), rules={}, decay=0.5)
    # 0.5, then 0.25 + 0.5 fires; 0.25, then 0.125 + 0.25 does not
    assert left["two"].tolist() == [[0.0, 0.375]]


@pytest.mark.parametrize("maximum", [False, True])
def test_a_layer_without_neurons_behind_it_cannot_learn(maximum):
    first = conv("squeeze", torch.ones(1, 1, 1, 1).double())
    second = conv("expand", torch.ones(1, 1, 1, 1).double())
    pool = Pool("max", (1, 1), (1, 1), (0, 0))
    path = Path("input", (first, pool) if maximum else (first, second))
    graph = Graph((1, 2, 2), [Population("output", (1, 2, 2), (path,))])
    raster = np.ones((2, 4), bool)
    with pytest.raises(UnsupportedError, match="'squeeze' cannot learn"):
        run(graph, raster, {"squeeze": RULE})
    _, spikes = run(graph, raster, {"squeeze": None})
    assert spikes["output"].all()


def test_an_unknown_layer_and_foreign_spikes_are_refused():
    graph = residual(np.random.default_rng(0))
    with pytest.raises(InputError, match=r"unknown layer 'steam'.*'stem'"):
        run(graph, np.ones((1, 50), bool), {"steam": RULE})
    with pytest.raises(InputError, match="expected 50 inputs, got 49"):
        run(graph, np.ones((1, 49), bool), {"stem": RULE})


@dataclass(frozen=True)
class Exploding:
    """A rule that no weight survives."""

    def change(self, weight, pre, post):
        return torch.where(post.unsqueeze(1), weight * 1e300 * 1e300, weight)

    def scaled(self, factor):
        return self


@pytest.mark.parametrize("name", ["stem", "head"])
def test_weights_that_diverge_are_named(name):
    rng = np.random.default_rng(0)
    raster = raster_of(rng, 60, 50)
    with pytest.raises(DivergedError, match=f"Weights of {name} .* in steps 0 to 29"):
        run(residual(rng), raster, {name: Exploding()}, chunk=30)


@pytest.mark.parametrize(
    "ops",
    [
        (conv("c", torch.ones(1, 1, 1, 1)), FLAT),
        (FLAT, Linear("l", torch.ones(4, 4)), Scale("s", torch.ones(4))),
        (Linear("l", torch.ones(2, 2)), FLAT),
    ],
    ids=["convolution", "scale", "many places"],
)
def test_what_is_no_chain_is_not_taken_for_one(ops):
    pop = Population("output", (4,), (Path("input", ops),))
    assert as_network(Graph((1, 2, 2), [pop]), {}, 0.9) is None


def test_two_populations_with_one_layer_are_no_chain():
    layer = Linear("l", torch.ones(4, 4))
    pops = [Population(n, (4,), (Path(s, (layer,)),)) for n, s in (("a", "input"), ("b", "a"))]
    assert as_network(Graph((4,), pops), {}, 0.9) is None
    pops[1].paths = (Path("a", (Linear("m", torch.ones(4, 4)),)),)
    assert as_network(Graph((4,), pops), {}, 0.9) is not None
    pops[1].paths = (Path("input", (Linear("m", torch.ones(4, 4)),)),)
    assert as_network(Graph((4,), pops), {}, 0.9) is None
