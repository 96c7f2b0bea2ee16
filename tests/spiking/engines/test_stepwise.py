"""Nights on neurons of snntorch and norse are those of `dense`, bit for bit."""

import functools
import importlib

import numpy as np
import pytest
import torch

from bioncl.errors import DivergedError, UnsupportedError
from bioncl.plasticity import Constant, Gated, Oja, PairSTDP, Sigmoid
from bioncl.spiking.engines import ENGINES
from bioncl.spiking.engines.dense import Dense
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces import MemoryRecorder, Spikes

STEPS = 500
MODULES = {"snntorch": "snntorch", "norse": "norse"}
RULES = (Gated(0.02, 0.003), Sigmoid(0.01, 0.004), Constant(1 / 64, 1 / 256), None)


@pytest.fixture(params=MODULES)
def engine(request):
    try:
        return ENGINES.load(request.param)()
    except UnsupportedError as error:
        pytest.skip(str(error))


def build(seed, dtype):
    """A random net, every other one on a grid of sixteenths, where sums meet thresholds exactly."""
    rng = np.random.default_rng(seed)
    sizes = [18, rng.integers(8, 20), 5]
    shapes = zip(sizes[1:], sizes[:-1], strict=True)
    weights = [rng.normal(0.05, 0.3, shape) for shape in shapes]
    biases = [rng.normal(0, 0.1, n) if rng.random() < 0.5 else None for n in sizes[1:]]
    values = {
        "gains": rng.uniform(0.5, 2, 2),
        "thresholds": rng.uniform(0.2, 1.5, 2),
        "decay": 0.999,
        "inhibition": rng.choice([0.0, 0.0, 0.3]),
        "rules": [RULES[i] for i in rng.integers(0, 4, 2)],
    }
    if seed % 2:
        weights = [np.round(w * 16) / 16 for w in weights]
        biases = [b if b is None else np.round(b * 16) / 16 for b in biases]
        values |= {"gains": [1.0, 0.5], "thresholds": [1.0, 0.25]}
        values |= {"decay": (1.0, 0.5)[seed % 4 // 2], "inhibition": 0.0}
        values["rules"] = [RULES[i] for i in rng.integers(2, 4, 2)]
    return SpikingNetwork(
        [torch.tensor(w, dtype=dtype) for w in weights],
        biases=[b if b is None else torch.tensor(b, dtype=dtype) for b in biases],
        **values,
    )


def night(engine, seed, dtype):
    """Everything that is left of a night, as bytes: weights, membranes, spikes; and the network."""
    network, recorder = build(seed, dtype), MemoryRecorder()
    noise = np.random.default_rng(1000 + seed).random((STEPS, network.sizes[0])) < 0.15
    engine.run(
        network, [Spikes.from_raster(noise[:123]), Spikes.from_raster(noise[123:])], recorder
    )
    return network, recorder.events()


true_night = functools.cache(functools.partial(night, Dense()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("seed", range(20))
def test_equals_dense_bit_for_bit(engine, seed, dtype):
    network, events = night(engine, seed, dtype)
    true, true_events = true_night(seed, dtype)
    for found, wanted in zip(events, true_events, strict=True):
        np.testing.assert_array_equal(found, wanted)
    for found, wanted in zip(network.weights, true.weights, strict=True):
        assert found.numpy().tobytes() == wanted.numpy().tobytes()
    for found, wanted in zip(network.membranes, true.membranes, strict=True):
        assert torch.equal(found, wanted)


def test_the_nights_compared_are_eventful():
    """Hundreds of spikes in most layers, weights that moved, and sums that meet their threshold."""
    counts, moved = [], 0
    for seed in range(20):
        network, events = true_night(seed, torch.float64)
        counts += [len(e) for e in events[1:]]
        pairs = zip(network.weights, build(seed, torch.float64).weights, strict=True)
        moved += sum(not torch.equal(after, before) for after, before in pairs)
    assert np.median(counts) > 200
    assert moved > 15


def test_a_sum_that_meets_the_threshold_fires(engine):
    """Three sixteenths and one sixteenth meet a quarter exactly: both libraries compare with >."""
    network = SpikingNetwork([torch.tensor([[3 / 16, 1 / 16]])], [1.0], [0.25])
    recorder = MemoryRecorder()
    engine.run(network, [Spikes.from_raster(np.array([[True, True], [True, False]]))], recorder)
    assert recorder.events()[1].tolist() == [[0, 0]]
    assert network.membranes[0].item() == np.float32(3 / 16)


@pytest.mark.parametrize("threshold", [0.0, -0.5])
def test_thresholds_of_zero_and_below_reset_as_dense_does(engine, threshold):
    """Membranes are already above them when they rest at 0."""
    raster = np.random.default_rng(0).random((60, 6)) < 0.3
    nights = []
    for runner in (engine, Dense()):
        weight = torch.from_numpy(np.random.default_rng(1).normal(0, 0.5, (5, 6)))
        network, recorder = (
            SpikingNetwork([weight], [1.0], [threshold], decay=0.9),
            MemoryRecorder(),
        )
        runner.run(network, [Spikes.from_raster(raster)], recorder)
        nights.append((recorder.events()[1].tolist(), network.membranes[0].tolist()))
    assert nights[0] == nights[1]
    assert 60 < len(nights[0][0]) < 300


class Homeostasis(Constant):
    """A rule that is not ours: it also changes rows of silent neurons."""

    def change(self, weight, pre, post):
        return weight * torch.where(post, 0.5, 2.0).unsqueeze(1)


def test_a_rule_that_is_not_ours_sees_the_whole_matrix(engine):
    network = SpikingNetwork([torch.tensor([[1.0], [0.25]])], [1], [1], rules=[Homeostasis(1, 1)])
    engine.run(network, [Spikes.from_raster(np.ones((1, 1), bool))], MemoryRecorder())
    assert network.weights[0].flatten().tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    "options",
    [
        {"rules": [PairSTDP(0.01, 0.005), None]},
        {"rules": [Oja(0.01)] * 2},
        {"rules": [RULES[0]] * 2, "bounds": [(-0.1, 0.2)] * 2},
        {"rules": [RULES[2]] * 2, "normalise": "l2", "dc": [0.01, 0.2]},
    ],
)
def test_rules_and_options_are_those_of_dense(engine, options):
    """Traced rules, bounds, norms and direct currents."""
    raster = np.random.default_rng(2).random((80, 12)) < 0.2
    nights = []
    for runner in (engine, Dense()):
        rng = np.random.default_rng(3)
        weights = [torch.from_numpy(rng.normal(0.05, 0.2, shape)) for shape in ((9, 12), (4, 9))]
        network, recorder = SpikingNetwork(weights, [1, 1], [0.6, 0.4], **options), MemoryRecorder()
        runner.run(network, [Spikes.from_raster(raster)], recorder)
        nights.append(([w.tolist() for w in weights], [e.tolist() for e in recorder.events()]))
    assert nights[0] == nights[1]
    assert len(nights[0][1][2]) > 10


def test_other_precisions_are_refused_by_name(engine):
    network = SpikingNetwork([torch.ones(1, 1, dtype=torch.float16)], [1], [1])
    assert "float16" in engine.refuses(network)
    with pytest.raises(UnsupportedError, match=r"Engine '(snntorch|norse)'.*float16"):
        engine.run(network, [], MemoryRecorder())


def test_a_refractory_period_is_refused_by_name(engine):
    network = SpikingNetwork([torch.ones(1, 1)], [1], [1], refractory=2)
    assert "refractory" in engine.refuses(network)


def test_an_overflowing_current_is_reported_though_weights_are_finite(engine):
    weight = torch.full((1, 2), 3e38)
    network = SpikingNetwork([weight], [1], [1], names=["top"])
    with pytest.raises(DivergedError, match="current of top overflowed in steps 0 to 3"):
        engine.run(network, [Spikes.from_raster(np.ones((4, 2), bool))], MemoryRecorder())


@pytest.mark.parametrize("name", MODULES)
def test_a_missing_library_says_how_to_install_it(monkeypatch, name):
    kind, importing = ENGINES.load(name), importlib.import_module

    def refuse(module, *rest):
        if module.split(".")[0] == MODULES[name]:
            raise ModuleNotFoundError(f"No module named '{module}'")
        return importing(module, *rest)

    monkeypatch.setattr("importlib.import_module", refuse)
    with pytest.raises(UnsupportedError, match=rf"{MODULES[name]}.*pip install 'bioncl\[snn\]'"):
        kind()
