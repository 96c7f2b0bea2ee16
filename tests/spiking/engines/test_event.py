"""The compiled engine equals the definition: a family of random nights, drawn by hypothesis."""

import itertools
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bioncl.errors import InputError, UnsupportedError
from bioncl.plasticity import Constant, Gated, Sigmoid
from bioncl.spiking.engines import rowwise, tiled
from bioncl.spiking.engines.dense import Dense
from bioncl.spiking.engines.event import TILES, Event
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces import MemoryRecorder, Spikes

STEP = st.sampled_from([0.0, 1 / 64, 0.01, 0.1])
RULES = st.one_of(
    st.none(),
    st.builds(Constant, STEP, STEP),
    st.builds(Gated, STEP, STEP, st.sampled_from([0.001, 0.05, 1.0])),
    st.builds(Sigmoid, STEP, STEP, st.sampled_from([-3.0, 0.0, 1.0, 1000.0])),
)


@st.composite
def nights(draw):
    """A network (as a function that builds it anew in a dtype) and the chunks of a night."""
    sizes = draw(st.lists(st.integers(1, 40), min_size=2, max_size=5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = len(sizes) - 1
    shapes = zip(sizes[1:], sizes[:-1], strict=True)
    weights = [rng.normal(0, draw(st.sampled_from([0.01, 0.3])), shape) for shape in shapes]
    biases = [rng.normal(0, 0.1, n) if draw(st.booleans()) else None for n in sizes[1:]]
    if draw(st.booleans()):  # on a coarse grid sums meet the threshold exactly
        weights = [np.round(w * 16) / 16 for w in weights]
        biases = [b if b is None else np.round(b * 16) / 16 for b in biases]
    values = {
        "gains": [draw(st.sampled_from([1.0, 0.5, 3.3, -1.0])) for _ in range(count)],
        "thresholds": [draw(st.sampled_from([0.25, 1.0, 0.3, 0.0, -0.5])) for _ in range(count)],
        "decay": draw(st.sampled_from([0.999, 0.5, 0.0, 1.0])),
        "inhibition": draw(st.sampled_from([0.0, 0.0, 0.3, 1.0])),
        "rules": [draw(RULES) for _ in range(count)],
    }
    rate = draw(st.sampled_from([0.0, 0.02, 0.3, 1.0]))
    raster = rng.random((draw(st.integers(0, 40)), sizes[0])) < rate
    raster[draw(st.integers(0, 40)) :] = False
    chunk = draw(st.sampled_from([1, 7, 50]))
    chunks = [Spikes.from_raster(raster[t : t + chunk]) for t in range(0, len(raster), chunk)]

    def build(dtype):
        tensors = [torch.tensor(w, dtype=dtype) for w in weights]
        extra = [b if b is None else torch.tensor(b, dtype=dtype) for b in biases]
        return SpikingNetwork(tensors, biases=extra, **values)

    return build, chunks or [Spikes.from_raster(raster)]


def run(engine, build, chunks, dtype=torch.float64):
    """Weights, membranes and spikes after a night; threads are used however small the layer."""
    network, recorder = build(dtype), MemoryRecorder()
    with (
        mock.patch.object(tiled, "WORTH_THREADS", -1),
        mock.patch.object(rowwise, "WORTH_THREADS", -1),
    ):
        engine.run(network, chunks, recorder)
    return network.weights, network.membranes, recorder.events()


ENGINES = st.builds(Event, st.integers(1, 3), st.sampled_from((0, *TILES)))


@settings(max_examples=200)
@given(nights(), ENGINES)
def test_equals_dense_spike_for_spike(night, engine):
    weights, membranes, spikes = run(engine, *night)
    true_weights, true_membranes, true_spikes = run(Dense(), *night)
    for found, true in zip(spikes, true_spikes, strict=True):
        np.testing.assert_array_equal(found, true)
    for found, true in zip(weights, true_weights, strict=True):
        torch.testing.assert_close(found, true, rtol=0, atol=1e-12)
    for found, true in zip(membranes, true_membranes, strict=True):
        torch.testing.assert_close(found, true, rtol=1e-12, atol=1e-12)


@settings(max_examples=50)
@given(nights(), ENGINES)
def test_tiles_and_threads_change_no_bit_in_float32(night, engine):
    """Only NaN, which no night here makes, could differ from itself."""
    first = run(Event(threads=1), *night, torch.float32)
    second = run(engine, *night, torch.float32)
    for a, b in zip(itertools.chain(*first), itertools.chain(*second), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@pytest.mark.parametrize("inhibition", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(4))
def test_float32_equals_dense_over_a_short_night(seed, inhibition):
    """The factor f is within some units in the last place, so weights of size 1 are within 1e-6."""
    rng = np.random.default_rng(seed)
    raster = rng.random((100, 60)) < 0.1
    weights = [rng.normal(0, 0.2, shape) for shape in ((70, 60), (50, 70), (10, 50))]
    rules = [Gated(0.01, 0.001), Sigmoid(0.01, 0.002), Constant(0.01, 0.005)]

    def build(dtype):
        tensors = [torch.tensor(w, dtype=dtype) for w in weights]
        return SpikingNetwork(tensors, [1.0, 1, 2], [0.7] * 3, inhibition=inhibition, rules=rules)

    chunks = [Spikes.from_raster(raster)]
    weights_found, _, spikes = run(Event(), build, chunks, torch.float32)
    weights_true, _, spikes_true = run(Dense(), build, chunks, torch.float32)
    assert all(len(events) > 50 for events in spikes)
    for found, true in zip(spikes, spikes_true, strict=True):
        np.testing.assert_array_equal(found, true)
    for found, true in zip(weights_found, weights_true, strict=True):
        torch.testing.assert_close(found, true, rtol=0, atol=1e-6)


def test_rounds_twice_where_a_fused_operation_would_round_once():
    """v = 0.999·v + u: with one rounding this membrane would end elsewhere."""
    u, decay, start = 0.3, 0.999, 3.0
    twice = decay * start + u
    exact = np.longdouble(decay) * np.longdouble(start) + np.longdouble(u)
    assert float(exact) != twice, "the example must tell the two apart"
    network = SpikingNetwork([torch.tensor([[u]], dtype=torch.float64)], [1.0], [9.0], decay=decay)
    network.membranes[0][0] = start
    Event().run(network, [Spikes.from_raster(np.ones((1, 1), bool))], MemoryRecorder())
    assert network.membranes[0].item() == twice


def test_a_membrane_above_the_threshold_fires_without_input():
    """Silent steps may be jumped over only while nothing can fire."""
    network = SpikingNetwork([torch.ones(1, 1)], [1.0], [1.0], decay=0.5)
    network.membranes[0][0] = 5.0
    recorder = MemoryRecorder()
    Event().run(network, [Spikes.from_raster(np.zeros((4, 1), bool))], recorder)
    assert recorder.events()[1].tolist() == [[0, 0]]


def test_weights_stay_in_their_memory_whatever_its_layout():
    """A transposed view is changed in place as well."""
    weight = torch.zeros(3, 2, dtype=torch.float64)
    network = SpikingNetwork([weight.T], [1.0], [0.0], rules=[Constant(0.5, 0.25)])
    Event().run(network, [Spikes.from_raster(np.array([[True, False, True]]))], MemoryRecorder())
    assert weight.tolist() == [[0.5, 0.5], [-0.25, -0.25], [0.5, 0.5]]


class OtherRule(Constant):
    """Not one of ours, though it derives from one."""


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (SpikingNetwork([torch.ones(1, 1, dtype=torch.float16)], [1], [1]), "float16"),
        (SpikingNetwork([torch.ones(1, 1, device="meta")], [1], [1]), "meta"),
        (SpikingNetwork([torch.ones(1, 1)], [1], [1], rules=[OtherRule(1, 1)]), "OtherRule"),
    ],
)
def test_says_what_it_cannot_do(network, reason):
    assert reason in Event().refuses(network)
    with pytest.raises(UnsupportedError, match=reason):
        Event().run(network, [], MemoryRecorder())


def test_dense_runs_a_rule_that_is_not_ours():
    network = SpikingNetwork([torch.ones(1, 1)], [1], [1], rules=[OtherRule(0.5, 0)])
    assert Dense().refuses(network) is None
    Dense().run(network, [Spikes.from_raster(np.ones((1, 1), bool))], MemoryRecorder())
    assert network.weights[0].item() == 1.5


@pytest.mark.parametrize("wrong", [{"threads": -1}, {"tile": 7}])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(InputError, match=str(next(iter(wrong.values())))):
        Event(**wrong)
