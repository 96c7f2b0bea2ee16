"""Options and rules of a network: each engine that knows them against plain Python floats."""

from __future__ import annotations

import itertools
import math
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bioncl.errors import DivergedError
from bioncl.plasticity import Constant, Gated, Oja, PairSTDP, Sigmoid, Traces
from bioncl.spiking import simulate
from bioncl.spiking.engines import event, rowwise
from bioncl.spiking.engines.checks import options, refuse_options
from bioncl.spiking.engines.dense import Dense
from bioncl.spiking.engines.event import Event
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces import MemoryRecorder, Spikes

STEP = st.sampled_from([0.0, 1 / 64, 0.01, 0.1])
EXACT = st.one_of(
    st.none(),
    st.builds(Constant, STEP, STEP),
    st.builds(Oja, STEP),
    st.builds(PairSTDP, STEP, STEP, st.sampled_from([1.5, 20.0]), st.sampled_from([0.5, 7.0])),
)
SMOOTH = st.one_of(
    st.builds(Gated, STEP, STEP, st.sampled_from([0.001, 0.05])),
    st.builds(Sigmoid, STEP, STEP, st.sampled_from([-3.0, 1.0])),
)
BOUNDS = st.sampled_from([None, None, (-0.25, 0.5), (0.0, 1.0), (-0.1, 0.1)])


def moved(rule, w, x, y, trace_pre, trace_post):
    """One weight after one step, from the formula; x and y: whether input and neuron fired."""
    if isinstance(rule, PairSTDP):
        w = w + rule.a_plus * trace_pre if y else w
        return w - rule.a_minus * trace_post if x else w
    if not y:
        return w
    if isinstance(rule, Oja):
        return w + rule.rate * (x - w)
    f = {
        Constant: lambda: 1.0,
        Gated: lambda: 2 * (1 - 1 / (1 + math.exp(min(-w / rule.scale, 700)))),
        Sigmoid: lambda: 1 / (1 + math.exp(-rule.slope * w)),
    }[type(rule)]()
    return w + rule.inc * f if x else w - rule.dec * f


def added(numbers):
    """Their sum from left to right; sum() compensates for rounding from Python 3.12 on."""
    total = 0.0
    for number in numbers:
        total += number
    return total


def norm(row, kind):
    return added(map(abs, row)) if kind == "l1" else math.sqrt(added(w * w for w in row))


class NaiveLayer:
    """One layer as lists of Python floats; nothing here is shared with the package."""

    def __init__(self, weights, rule, gain, threshold, bias, dc, bounds, common):
        self.rows, self.rule = [list(map(float, row)) for row in weights], rule
        self.gain, self.threshold, self.bias, self.dc = gain, threshold, bias, dc
        self.bounds, self.common = bounds, common
        self.v, self.rest = [0.0] * len(self.rows), [0] * len(self.rows)
        self.x, self.y = [0.0] * len(self.rows[0]), [0.0] * len(self.rows)
        self.norms = [norm(row, common["normalise"]) for row in self.rows]

    def step(self, pre):
        common, inputs = self.common, [j for j, fires in enumerate(pre) if fires]
        u = [
            self.gain * (added(row[j] for j in inputs) + b)
            for row, b in zip(self.rows, self.bias, strict=True)
        ]
        mean = added(u) / len(u)
        post = []
        for i, current in enumerate(u):
            total = current - common["inhibition"] * mean + self.dc
            if self.rest[i]:
                self.rest[i] -= 1
                post.append(False)
                continue
            self.v[i] = common["decay"] * self.v[i] + total
            post.append(self.v[i] >= self.threshold)
            if post[i]:
                self.v[i], self.rest[i] = 0.0, common["refractory"]
        if self.rule is not None:
            self.learn(pre, post)
        return post

    def learn(self, pre, post):
        paired = isinstance(self.rule, PairSTDP)
        if paired:
            left = math.exp(-1 / self.rule.tau_pre), math.exp(-1 / self.rule.tau_post)
            self.x = [left[0] * x + s for x, s in zip(self.x, pre, strict=True)]
            self.y = [left[1] * y + s for y, s in zip(self.y, post, strict=True)]
        for i, row in enumerate(self.rows):
            for j, w in enumerate(row):
                row[j] = moved(self.rule, w, pre[j], post[i], self.x[j], self.y[i])
            if post[i] and self.common["normalise"] != "none":
                now = norm(row, self.common["normalise"])
                row[:] = [w * (self.norms[i] / now) if now else w for w in row]
            if self.bounds:
                lower, upper = self.bounds
                for j, w in enumerate(row):
                    if post[i] or (paired and pre[j]):
                        row[j] = min(max(w, lower), upper)


@st.composite
def nights(draw, rules):
    """Weights, arguments and raster of a night with options."""
    sizes = draw(st.lists(st.integers(1, 20), min_size=2, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = len(sizes) - 1
    weights = [rng.normal(0.05, 0.3, s) for s in zip(sizes[1:], sizes[:-1], strict=True)]

    def each(*values):
        return [draw(st.sampled_from(values)) for _ in range(count)]

    arguments = {
        "gains": each(1.0, 0.5, 3.3),
        "thresholds": each(0.25, 1.0, 0.3, 0.0),
        "biases": [rng.normal(0, 0.1, n) for n in sizes[1:]],
        "dc": each(0.0, 0.0, 0.03, -0.1),
        "bounds": [draw(BOUNDS) for _ in range(count)],
        "rule": [draw(rules) for _ in range(count)],
        "decay": draw(st.sampled_from([0.999, 0.5, 1.0])),
        "inhibition": draw(st.sampled_from([0.0, 0.0, 0.3])),
        "refractory": draw(st.sampled_from([0, 0, 1, 4])),
        "normalise": draw(st.sampled_from(["none", "none", "l1", "l2"])),
    }
    raster = rng.random((draw(st.integers(0, 40)), sizes[0])) < draw(st.sampled_from([0.02, 0.3]))
    return weights, arguments, raster


def naive(weights, arguments, raster):
    names = ("rule", "gains", "thresholds", "biases", "dc", "bounds")
    common = {k: v for k, v in arguments.items() if k not in names}
    parts = zip(weights, *(arguments[name] for name in names), strict=True)
    layers = [NaiveLayer(*part, common) for part in parts]
    spikes = [[] for _ in layers]
    for t, row in enumerate(raster.tolist()):
        fires = row
        for found, layer in zip(spikes, layers, strict=True):
            fires = layer.step(fires)
            found += [[t, i] for i, one in enumerate(fires) if one]
    return [layer.rows for layer in layers], spikes


@pytest.mark.parametrize("engine", ["dense", "event"])
@settings(max_examples=60, deadline=None)
@given(night=nights(EXACT | SMOOTH))
def test_equals_plain_python_floats(engine, night):
    """Spike for spike; the twin adds in another order here and there, hence the tolerance."""
    weights, arguments, raster = night
    true_weights, true_spikes = naive(*night)
    found = simulate(weights, raster, engine=engine, **arguments)
    assert [events.tolist() for events in found.spikes[1:]] == true_spikes
    for one, true in zip(found.weights, true_weights, strict=True):
        np.testing.assert_allclose(one, true, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=60, deadline=None)
@given(night=nights(EXACT))
def test_event_equals_dense_in_every_bit(dtype, night):
    """Rules without exp leave no room for another last bit, in both precisions."""
    weights, arguments, raster = night
    weights = [w.astype(dtype) for w in weights]
    dense, event = (simulate(weights, raster, engine=e, **arguments) for e in ("dense", "event"))
    for one, true in zip(event.spikes, dense.spikes, strict=True):
        np.testing.assert_array_equal(one, true)
    for one, true in zip(event.weights, dense.weights, strict=True):
        np.testing.assert_array_equal(one, true)


OPTIONS = {
    "gains": [0.8, 1.0],
    "thresholds": [0.6, 0.5],
    "decay": 0.95,
    "dc": [0.02, 0.0],
    "refractory": 2,
    "bounds": [(-0.4, 0.5), None],
    "normalise": "l2",
}
RULES = [Gated(0.02, 0.004, 0.05), Oja(0.05), PairSTDP(0.02, 0.03, 5.0, 7.0)]


def busy(dtype=np.float64, sizes=(30, 50, 20)):
    """Weights of two layers, and input that makes them fire."""
    rng = np.random.default_rng(0)
    shapes = zip(sizes[1:], sizes[:-1], strict=True)
    return [rng.normal(0.05, 0.2, s).astype(dtype) for s in shapes], rng.random((90, 30)) < 0.2


@pytest.mark.parametrize("inhibition", [0.0, 0.2])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_chunks_and_threads_change_no_bit(rule, inhibition):
    weights, raster = busy()
    nights = []
    for chunk, threads in ((1000, 1), (1, 1), (7, 3), (1000, 2)):
        with mock.patch.object(rowwise, "WORTH_THREADS", -1):
            arguments = {"inhibition": inhibition, "rule": rule, "chunk": chunk, **OPTIONS}
            nights.append(simulate(weights, raster, threads=threads, **arguments))
    assert all(len(events) > 30 for events in nights[0].spikes)
    assert not np.array_equal(nights[0].weights[0], weights[0])
    for other, first in itertools.product(nights[1:], nights[:1]):
        assert [w.tobytes() for w in other.weights] == [w.tobytes() for w in first.weights]
        assert [e.tolist() for e in other.spikes] == [e.tolist() for e in first.spikes]


@pytest.mark.parametrize("engine", [Dense(), Event()], ids=["dense", "event"])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_two_nights_are_one_when_the_state_is_kept(engine, rule):
    """Membranes, rest, traces and norms go on from where they stood."""
    weights, raster = busy()
    left = []
    for parts in ((raster[:31], raster[31:]), (raster,)):
        names = {"rules": [rule] * 2} | OPTIONS
        network = SpikingNetwork([torch.from_numpy(w.copy()) for w in weights], **names)
        for part in parts:
            engine.run(network, [Spikes.from_raster(part)], MemoryRecorder())
        state = [*network.weights, *network.membranes, *network.resting]
        left.append(state + [t for both in network.traces for t in (both.pre, both.post)])
    assert all(torch.equal(a, b) for a, b in zip(*left, strict=True))
    assert not np.array_equal(left[0][0], weights[0])


@pytest.mark.parametrize("engine", ["dense", "event"])
def test_refractory_by_hand(engine):
    """A neuron that would fire in every step fires in every fourth; it integrates nothing between:
    the other one, at 0.5 a step, needs two steps after its rest."""
    night = simulate(
        [np.array([[1.0], [0.5]])],
        np.ones((12, 1), bool),
        gains=[1],
        thresholds=[1.0],
        decay=1.0,
        refractory=3,
        engine=engine,
    )
    steps = [night.spikes[1][night.spikes[1][:, 1] == i, 0].tolist() for i in (0, 1)]
    assert steps == [[0, 4, 8], [1, 6, 11]]


@pytest.mark.parametrize("engine", ["dense", "event"])
def test_direct_current_is_untouched_by_gain_and_inhibition(engine):
    """0.25 a step without decay reaches 1 in every fourth step, whatever gain and inhibition."""
    night = simulate(
        [np.zeros((2, 3))],
        np.ones((9, 3), bool),
        gains=[5.0],
        thresholds=[1.0],
        decay=1.0,
        inhibition=0.5,
        dc=[0.25],
        engine=engine,
    )
    assert night.spikes[1].tolist() == [[t, i] for t in (3, 7) for i in (0, 1)]


@pytest.mark.parametrize("engine", ["dense", "event"])
def test_diverging_weights_are_reported(engine):
    weights = [np.full((1, 1), 3e38, np.float32)]
    with pytest.raises(DivergedError, match="layer1"):
        simulate(
            weights,
            np.ones((3, 1), bool),
            gains=[1e-38],
            thresholds=[1],
            rule=PairSTDP(3e38, 0.0),
            engine=engine,
        )


def test_weights_stay_in_their_memory_whatever_its_layout():
    """A transposed view is changed in place as well."""
    weight = torch.zeros(3, 2, dtype=torch.float64)
    network = SpikingNetwork([weight.T], [1.0], [0.0], rules=[Oja(0.5)])
    Event().run(network, [Spikes.from_raster(np.array([[True, False, True]]))], MemoryRecorder())
    assert weight.tolist() == [[0.5, 0.5], [0.0, 0.0], [0.5, 0.5]]


def test_options_are_told_by_name():
    plain = SpikingNetwork([torch.ones(1, 1)] * 2, [1.0] * 2, [1.0] * 2, rules=[RULES[0]] * 2)
    assert options(plain) == []
    assert refuse_options(plain) is None
    network = SpikingNetwork([torch.ones(1, 1)] * 2, names=["first", "second"], **OPTIONS)
    told = "a refractory period, the norm l2, the direct current of first, the bounds of first"
    assert refuse_options(network) == f"it does not know {told}"


def test_state_stays_in_its_memory_whatever_its_layout():
    """Every other number of longer tensors: traces and membranes are changed in place as well."""
    weight, wide = torch.full((2, 3), 0.25, dtype=torch.float64), torch.zeros(10).double()
    networks = []
    for pre, post, membrane in (
        (wide[:6:2], wide[6:10:2], torch.zeros(4).double()[::2]),
        [None] * 3,
    ):
        state = {} if pre is None else {"traces": [Traces(pre, post)], "membranes": [membrane]}
        rules = [PairSTDP(0.1, 0.1, 2.0, 3.0)]
        networks.append(SpikingNetwork([weight.clone()], [1.0], [0.4], rules=rules, **state))
        raster = np.array([[True, True, False], [True, False, False]])
        Event().run(networks[-1], [Spikes.from_raster(raster)], MemoryRecorder())
    strided, plain = networks
    assert wide[:6:2].tolist() == plain.traces[0].pre.tolist()
    assert wide[6:10:2].tolist() == plain.traces[0].post.tolist()
    assert plain.traces[0].post.all()
    assert torch.equal(strided.membranes[0], plain.membranes[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rule", [RULES[0], Sigmoid(0.02, 0.01), Constant(0.01, 0.004), None])
def test_rows_and_tiles_leave_the_same_bits(rule, dtype):
    """A night without options may go either way, exp included."""
    weights, raster = busy(dtype)
    arguments = {"gains": [0.8, 1.0], "thresholds": [0.6, 0.5], "rule": rule}
    tiles = simulate(weights, raster, **arguments)
    with mock.patch.object(event, "plain", return_value=False):
        rows = simulate(weights, raster, **arguments)
    assert [w.tobytes() for w in rows.weights] == [w.tobytes() for w in tiles.weights]
    assert [e.tolist() for e in rows.spikes] == [e.tolist() for e in tiles.spikes]
