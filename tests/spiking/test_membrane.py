"""Potentials computed anew equal, bit for bit, those of a night that was logged step by step."""

import numpy as np
import pytest
import torch

from bioncl.errors import InputError, TraceError
from bioncl.plasticity import Constant, Gated, Oja, PairSTDP, Sigmoid
from bioncl.spiking.engines.dense import Dense
from bioncl.spiking.engines.event import Event
from bioncl.spiking.membrane import membranes
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces import MemoryRecorder, Spikes

STEPS, BELOW, WIDTH = 90, 30, 70
RULES = [Gated(0.02, 0.004, 0.05), Sigmoid(0.02, 0.01, 3.0), Constant(0.01, 0.004), None]
DTYPES = {"float32": np.float32, "float64": np.float64}


def layer(dtype, rule, *, bias=False, inhibition=0.0, seed=0):
    """One layer before the night."""
    rng = np.random.default_rng(seed)
    weights = torch.from_numpy(rng.normal(0.05, 0.2, (WIDTH, BELOW)).astype(dtype))
    biases = [torch.from_numpy(rng.normal(0, 0.1, WIDTH).astype(dtype)) if bias else None]
    numbers = {"gains": [0.7], "thresholds": [0.9], "decay": 0.97, "inhibition": inhibition}
    return SpikingNetwork([weights], biases=biases, rules=[rule], **numbers)


def input_raster(seed=1):
    return np.random.default_rng(seed).random((STEPS, BELOW)) < 0.15


def logged(network, raster, engine):
    """Events of both layers and the potentials of all neurons, by an engine that runs one step.

    The engine's own membranes are what is left after the reset; where a neuron fired, the potential
    comes from the formula, spelled out in scalars of the night's precision.
    """
    kind = network.weights[0].numpy().dtype.type
    potentials, events = np.empty((STEPS, WIDTH), kind), []
    for t, row in enumerate(raster):
        weights, was = network.weights[0].numpy().copy(), network.membranes[0].numpy().copy()
        recorder = MemoryRecorder()
        engine.run(network, [Spikes.from_raster(row[None])], recorder)
        events.append(recorder.events()[1] + [t, 0])
        potentials[t] = formula(network, weights, was, row)
        silent = np.ones(WIDTH, bool)
        silent[events[-1][:, 1]] = False
        left = network.membranes[0].numpy()
        assert potentials[t][silent].tobytes() == left[silent].tobytes()
    return np.argwhere(raster), np.concatenate(events), potentials


def formula(network, weights, was, row):
    """decay·v + gain·(Σ w + bias) less inhibition, one number after another."""
    kind, bias = weights.dtype.type, network.biases[0]
    currents = []
    for i in range(WIDTH):
        total = kind(0)
        for j in np.flatnonzero(row):
            total = total + weights[i, j]
        if bias is not None:
            total = total + bias.numpy()[i]
        currents.append(kind(network.gains[0]) * total)
    if network.inhibition:
        mean = 0.0
        for u in currents:
            mean += float(u)
        share = kind(network.inhibition) * kind(mean / WIDTH)
        currents = [u - share for u in currents]
    return np.array([kind(network.decay) * v + u for v, u in zip(was, currents, strict=True)])


@pytest.mark.parametrize("engine", ["dense", "event"])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize(("bias", "inhibition"), [(False, 0.0), (True, 0.0), (True, 0.3)])
def test_equals_a_logged_night_in_every_bit(engine, dtype, rule, bias, inhibition):
    """The window lies at the end, so that the weights of the rows have moved."""
    runner = Dense() if engine == "dense" else Event(threads=1)
    network = layer(dtype, rule, bias=bias, inhibition=inhibition)
    below, fired, potentials = logged(network, input_raster(), runner)
    assert 50 < len(fired) < STEPS * WIDTH / 2
    start = layer(dtype, rule, bias=bias, inhibition=inhibition)
    neurons = [69, 3, 40]
    found = membranes(start, below, fired, neurons, (60, STEPS), engine)
    assert found.dtype == dtype
    assert found.tobytes() == np.ascontiguousarray(potentials[60:, neurons]).tobytes()
    again = layer(dtype, rule, bias=bias, inhibition=inhibition)
    assert torch.equal(start.weights[0], again.weights[0])
    assert not start.membranes[0].any()


OPTIONS = {"dc": [0.03], "refractory": 2, "bounds": [(-0.3, 0.5)], "normalise": "l1"}


def with_options(dtype, rule, inhibition):
    """The layer above with every option."""
    plain = layer(dtype, rule, bias=True, inhibition=inhibition)
    numbers = plain.gains, plain.thresholds, plain.decay, plain.inhibition
    return SpikingNetwork(plain.weights, *numbers, plain.biases, plain.rules, **OPTIONS)


@pytest.mark.parametrize("engine", ["dense", "event"])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("inhibition", [0.0, 0.3])
@pytest.mark.parametrize(
    "rule", [RULES[0], Oja(0.05), PairSTDP(0.02, 0.02, 5.0, 7.0)], ids=lambda r: type(r).__name__
)
def test_options_lead_to_the_membranes_that_the_engine_leaves(engine, dtype, rule, inhibition):
    """Whoever is silent keeps its potential; who fired was above the threshold, who rests is at 0.

    The potentials of a window hang on all learning before it and in it.
    """
    runner, network = (
        Dense() if engine == "dense" else Event(1),
        with_options(dtype, rule, inhibition),
    )
    left, events, rest = [], [], []
    for t, row in enumerate(input_raster()):
        rest.append(network.resting[0].numpy() > 0)
        recorder = MemoryRecorder()
        runner.run(network, [Spikes.from_raster(row[None])], recorder)
        events.append(recorder.events()[1] + [t, 0])
        left.append(network.membranes[0].numpy().copy())
    below, fired = np.argwhere(input_raster()), np.concatenate(events)
    assert len(fired) > 50
    start, spiked = with_options(dtype, rule, inhibition), np.zeros((STEPS, WIDTH), bool)
    spiked[fired[:, 0], fired[:, 1]] = True
    neurons = [69, 3, 40, *np.bincount(fired[:, 1]).argsort()[-3:]]
    found = membranes(start, below, fired, neurons, (30, STEPS), engine)
    fires, rests = spiked[30:, neurons], np.array(rest)[30:, neurons]
    np.testing.assert_array_equal(found[~fires], np.array(left)[30:, neurons][~fires])
    assert (found[fires] >= dtype(0.9)).all()
    assert fires.any()
    assert rests.any()
    assert not found[rests].any()


@pytest.mark.parametrize("window", [(0, STEPS), (0, 0), (37, 38), (STEPS, STEPS), (30, 60)])
def test_any_window_of_the_same_night(window):
    """Also when the spikes go on behind it."""
    below, fired, potentials = logged(layer(np.float64, RULES[0]), input_raster(), Event(1))
    found = membranes(layer(np.float64, RULES[0]), below, fired, [5, 6], window)
    np.testing.assert_array_equal(found, potentials[slice(*window), 5:7])


def test_a_night_longer_than_a_chunk(monkeypatch):
    below, fired, potentials = logged(layer(np.float32, RULES[1]), input_raster(), Event(1))
    monkeypatch.setattr("bioncl.spiking.membrane.CHUNK", 7)
    found = membranes(layer(np.float32, RULES[1]), below, fired, range(WIDTH), (80, STEPS))
    np.testing.assert_array_equal(found, potentials[80:])


@pytest.fixture(scope="module")
def night():
    """Events of both layers."""
    return logged(layer(np.float64, RULES[0]), input_raster(), Event(1))[:2]


@pytest.mark.parametrize("engine", ["dense", "event"])
@pytest.mark.parametrize("damage", ["lost", "added", "moved", "twice"])
def test_spikes_that_do_not_follow_are_noticed(night, damage, engine):
    """Before the window as well as in it; the message tells the step and the neuron."""
    below, fired = night
    neuron = int(np.bincount(fired[:, 1]).argmax())
    own = np.flatnonzero(fired[:, 1] == neuron)
    place = own[len(own) // 2]
    wrong, (step, _) = fired.copy(), fired[place]
    if damage == "lost":
        wrong = np.delete(wrong, place, axis=0)
    if damage == "twice":
        wrong = np.insert(wrong, place, wrong[place], axis=0)
    if damage == "moved":
        wrong[place, 0] += 1
    if damage == "added":
        silent = min(set(range(STEPS)) - set(fired[own, 0].tolist()))
        wrong = np.insert(wrong, np.searchsorted(wrong[:, 0], silent), [silent, neuron], axis=0)
        step = silent
    said = rf"in neuron {neuron}\b" if damage == "twice" else rf"step {step} .* neuron {neuron}\b"
    for window in ((0, STEPS), (STEPS - 1, STEPS)):
        with pytest.raises(TraceError, match=said):
            membranes(layer(np.float64, RULES[0]), below, wrong, [neuron], window, engine)


def test_lost_spikes_of_the_layer_below_are_noticed(night):
    below, fired = night
    with pytest.raises(TraceError, match="differ first"):
        membranes(layer(np.float64, RULES[0]), below[20:], fired, range(WIDTH), (0, STEPS))


def test_other_neurons_spikes_do_not_matter(night):
    """Without inhibition neurons do not see each other: a damaged one spoils no other."""
    below, fired = night
    found = membranes(layer(np.float64, RULES[0]), below, fired, [0], (0, STEPS))
    without = fired[fired[:, 1] != 1]
    np.testing.assert_array_equal(
        membranes(layer(np.float64, RULES[0]), below, without, [0], (0, STEPS)), found
    )


@pytest.mark.parametrize(
    ("neurons", "window", "message"),
    [
        ([], (0, 5), "from 0 to 69, got none"),
        ([70], (0, 5), r"from 0 to 69, got \[70\]"),
        ([-1, 2], (0, 5), r"got \[-1\]"),
        ([0], (5, 4), "Window"),
        ([0], (-1, 4), "Window"),
    ],
)
def test_wrong_neurons_and_windows_are_refused(night, neurons, window, message):
    with pytest.raises(InputError, match=message):
        membranes(layer(np.float64, RULES[0]), *night, neurons, window)
