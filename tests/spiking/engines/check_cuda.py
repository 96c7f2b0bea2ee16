"""What the `cuda` engine must do, in Triton's interpreter as on a GPU.

Not collected by itself: test_cuda.py starts it in a process of its own, because Triton decides when
it is imported whether it interprets.
"""

import itertools

import numpy as np
import pytest
import torch

from bioncl.errors import DivergedError, InputError, UnsupportedError
from bioncl.plasticity import Constant, Gated, Oja, Sigmoid
from bioncl.spiking.engines import cuda_events
from bioncl.spiking.engines.cuda import Cuda
from bioncl.spiking.engines.cuda_events import Events
from bioncl.spiking.engines.dense import Dense
from bioncl.spiking.engines.event import Event
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces import MemoryRecorder, Spikes

RULES = {
    "gated": Gated(0.03, 0.004, 0.05),
    "sigmoid": Sigmoid(0.02, 0.01, -3.0),
    "constant": Constant(0.01, 0.005),
    "none": None,
}
SIZES = (40, 66, 33, 5)


def network(seed, dtype=torch.float64, rules=(None,) * 3, sizes=SIZES, biased=False, **numbers):
    """A random network; on a grid of sixteenths, so that sums meet thresholds exactly."""
    rng = np.random.default_rng(seed)
    shapes = zip(sizes[1:], sizes[:-1], strict=True)
    weights = [torch.tensor(np.round(rng.normal(0, 0.3, s) * 16) / 16, dtype=dtype) for s in shapes]
    biases = [torch.tensor(rng.normal(0, 0.1, n), dtype=dtype) for n in sizes[1:]]
    numbers = {"gains": [1.0, 1.1, 4.0], "thresholds": [0.75, 0.5, 0.5], "decay": 0.9} | numbers
    return SpikingNetwork(weights, biases=biases if biased else (), rules=list(rules), **numbers)


def raster(seed, steps=16, rate=0.15):
    """Busy at first, then with silent steps in between, silent at the end."""
    rng = np.random.default_rng(seed)
    found = rng.random((steps, SIZES[0])) < rate
    found[steps // 2 :: 2] = False
    found[-4:] = False
    return found


def chunked(found, lengths=(9, 0, 3, 4)):
    edges = itertools.accumulate(lengths, initial=0)
    return [Spikes.from_raster(found[a:b]) for a, b in itertools.pairwise(edges)]


def outcome(engine, net, chunks):
    """Everything a night leaves behind, as arrays: spikes, membranes, weights."""
    recorder = MemoryRecorder()
    engine.run(net, chunks, recorder)
    return recorder.events(), [m.numpy() for m in net.membranes], [w.numpy() for w in net.weights]


def assert_same_bits(one, other):
    for a, b in zip(itertools.chain(*one), itertools.chain(*other), strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize(("seed", "biased"), [(0, False), (1, True), (2, False), (3, True)])
def test_equals_dense_in_float64(seed, biased):
    """Spikes and membranes of every layer are the same, weights within 1e-12; rules take turns."""
    rules = (2 * list(RULES.values()))[seed : seed + 3]
    chunks = chunked(raster(1))
    found = outcome(Cuda(), network(seed, rules=rules, biased=biased), chunks)
    true = outcome(Dense(), network(seed, rules=rules, biased=biased), chunks)
    assert all(len(events) > 10 for events in true[0][:-1])
    for a, b in zip(found[0], true[0], strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(itertools.chain(*found[1:]), itertools.chain(*true[1:]), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_a_rule_that_needs_exp_every_bit_is_that_of_dense(dtype):
    """Sums in the same order, two roundings in decay·v + u, and Constant's steps exactly."""
    rules = [Constant(0.01, 0.005), None, Constant(0.02, 0.0)]
    chunks = chunked(raster(2))
    true = outcome(Dense(), network(3, dtype, rules), chunks)
    assert_same_bits(outcome(Cuda(), network(3, dtype, rules), chunks), true)


def test_float32_is_event_within_a_few_units_in_the_last_place():
    rules = [RULES["gated"], RULES["sigmoid"], RULES["constant"]]
    chunks = chunked(raster(4))
    found = outcome(Cuda(), network(5, torch.float32, rules), chunks)
    true = outcome(Event(), network(5, torch.float32, rules), chunks)
    for a, b in zip(found[0], true[0], strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(found[2], true[2], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "numbers",
    [
        {"thresholds": [0.0, -0.5, 0.5]},
        {"gains": [-1.0, 1.0, 3.3]},
        {"decay": 0.0},
        {"decay": 1.0},
    ],
    ids=str,
)
def test_odd_numbers_equal_dense(numbers):
    """A threshold of 0 or less fires at rest, in lanes that hold a neuron and only there."""
    chunks = chunked(raster(6, steps=12), (7, 5))
    rules = [Constant(0.01, 0.005)] * 3
    true = outcome(Dense(), network(7, rules=rules, **numbers), chunks)
    assert_same_bits(outcome(Cuda(), network(7, rules=rules, **numbers), chunks), true)


def test_a_membrane_above_the_threshold_fires_without_input():
    """Silent steps may be jumped over only while nothing can fire."""
    net = SpikingNetwork([torch.ones(1, 1)], [1.0], [1.0], decay=0.5)
    net.membranes[0][0] = 5.0
    spikes, membranes, _ = outcome(Cuda(), net, [Spikes.from_raster(np.zeros((4, 1), bool))])
    assert spikes[1].tolist() == [[0, 0]]
    assert membranes[0].tolist() == [0.0]


@pytest.mark.parametrize("engine", [{"lanes": 64}, {"lanes": 128}, {"programs": 1}], ids=str)
def test_tiles_and_programs_change_no_bit(engine):
    rules = [RULES["gated"], RULES["sigmoid"], RULES["gated"]]
    chunks = chunked(raster(8))
    true = outcome(Cuda(), network(9, torch.float32, rules), chunks)
    assert_same_bits(outcome(Cuda(**engine), network(9, torch.float32, rules), chunks), true)


def test_twice_the_same_night_is_the_same_night():
    rules = [RULES["gated"]] * 3
    one, other = (outcome(Cuda(), network(10, rules=rules), chunked(raster(11))) for _ in range(2))
    assert_same_bits(one, other)


def test_a_population_is_its_nights_run_alone():
    """Nights with rules, numbers and streams of their own, three of them on two streams."""
    streams = [1, 0, 1]
    rules = [[RULES["gated"]] * 3, [None, RULES["sigmoid"], None], [Constant(0.01, 0.0)] * 3]
    numbers = [{}, {"decay": 0.5, "biased": True}, {"gains": [2.0, 1.0, 1.0]}]
    inputs = [chunked(raster(12, 12), (5, 7)), chunked(raster(13, 12), (5, 7))]

    def nights():
        return [network(i, rules=rules[i], **numbers[i]) for i in range(3)]

    together, recorders = nights(), [MemoryRecorder() for _ in range(3)]
    Cuda().run_many(together, zip(*inputs, strict=True), streams, recorders)
    for i, alone in enumerate(nights()):
        true = outcome(Cuda(), alone, inputs[streams[i]])
        weights = [w.numpy() for w in together[i].weights]
        membranes = [m.numpy() for m in together[i].membranes]
        assert_same_bits((recorders[i].events(), membranes, weights), true)


def test_a_night_in_two_halves_is_the_whole_night():
    """Membranes and weights go on where they were left."""
    rules = [RULES["gated"]] * 3
    first, second = chunked(raster(14), (9, 7))
    halves = network(15, rules=rules)
    for chunk in (first, second):
        Cuda().run(halves, [chunk], MemoryRecorder())
    _, membranes, weights = outcome(Cuda(), network(15, rules=rules), [first, second])
    assert_same_bits(([m.numpy() for m in halves.membranes],), (membranes,))
    assert_same_bits(([w.numpy() for w in halves.weights],), (weights,))


def test_weights_stay_in_their_memory_whatever_its_layout():
    """A transposed view is changed in place as well."""
    weight = torch.zeros(3, 2, dtype=torch.float64)
    net = SpikingNetwork([weight.T], [1.0], [0.0], rules=[Constant(0.5, 0.25)])
    Cuda().run(net, [Spikes.from_raster(np.array([[True, False, True]]))], MemoryRecorder())
    assert weight.tolist() == [[0.5, 0.5], [-0.25, -0.25], [0.5, 0.5]]


def test_a_night_that_breaks_names_layer_and_steps():
    weights = [torch.ones(1, 1), torch.full((1, 1), 3e38)]
    net = SpikingNetwork(weights, [1, 1], [1, 1], rules=[None, Constant(3e38, 0)])
    steps = np.array([[False], [False], [True], [False]])
    with pytest.raises(DivergedError, match=r"layer2 .*steps 2 to 3"), np.errstate(over="ignore"):
        Cuda().run(net, chunked(steps, (2, 2)), MemoryRecorder())


@pytest.mark.parametrize(
    ("net", "reason"),
    [
        (SpikingNetwork([torch.ones(1, 1)], [1], [1], inhibition=0.3), "inhibition"),
        (SpikingNetwork([torch.ones(1, 1)], [1], [1], rules=[Oja(0.1)]), "Oja"),
        (SpikingNetwork([torch.ones(1, 1, dtype=torch.float16)], [1], [1]), "float16"),
        (SpikingNetwork([torch.ones(1, 1, device="meta")], [1], [1]), "meta"),
        (SpikingNetwork([torch.ones(1, 1)], [1], [1], refractory=2), "refractory"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_says_what_it_cannot_do(net, reason):
    assert reason in Cuda().refuses(net)
    with pytest.raises(UnsupportedError, match=reason):
        Cuda().run(net, [], MemoryRecorder())


def silent(steps, neurons=40):
    return Spikes.from_raster(np.zeros((steps, neurons), bool))


@pytest.mark.parametrize(
    ("sizes", "chunk", "streams", "recorders", "reason"),
    [
        ((SIZES, (40, 66, 33, 6)), [silent(2)], [0, 0], 2, "population"),
        ((SIZES, SIZES), [silent(2)], [0], 2, "Streams"),
        ((SIZES, SIZES), [silent(2)], [0, 1], 2, "0 to 1"),
        ((SIZES, SIZES), [silent(2)], [0, 0], 1, "Recorders"),
        ((SIZES, SIZES), [silent(2), silent(3)], [0, 1], 2, "2 steps"),
        ((SIZES, SIZES), [silent(2), silent(2, 39)], [0, 1], 2, "40 inputs"),
    ],
    ids=["sizes", "too few streams", "no such stream", "recorders", "lengths", "inputs"],
)
def test_nights_that_do_not_fit_each_other_are_refused(sizes, chunk, streams, recorders, reason):
    networks = [network(i, sizes=each) for i, each in enumerate(sizes)]
    listeners = [MemoryRecorder() for _ in range(recorders)]
    with pytest.raises(InputError, match=reason):
        Cuda().run_many(networks, [chunk], streams, listeners)


def test_no_nights_are_run_without_a_word():
    Cuda().run_many([], [[silent(2)]], [], [])


@pytest.mark.parametrize("at_once", [1, 3, 1 << 22])
def test_bits_and_spikes_say_the_same(at_once, monkeypatch):
    """There and back over all words, neuron 31 included, which is a word's sign."""
    monkeypatch.setattr(cuda_events, "WORDS_AT_ONCE", at_once)
    found = np.random.default_rng(16).random((2, 5, 70)) < 0.2
    found[:, 1, 31], found[:, 2] = True, False
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    events = Events.from_spikes([Spikes.from_raster(each) for each in found], device)
    words = np.packbits(found, axis=2, bitorder="little")
    words = np.pad(words, ((0, 0), (0, 0), (0, 3))).view(np.int32)
    np.testing.assert_array_equal(events.bits.cpu(), words)
    back = Events.from_bits(events.bits, 70).spikes()
    for spikes, true in zip(back, found, strict=True):
        np.testing.assert_array_equal(spikes.raster(), true)
        assert spikes.ids.dtype == np.int32
        assert spikes.offsets.dtype == np.int64
