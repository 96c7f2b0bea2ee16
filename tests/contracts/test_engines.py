"""What every engine must do, whoever wrote it: the same tests for each name in ENGINES."""

import numpy as np
import pytest

from bioncl.errors import DivergedError, InputError, UnsupportedError
from bioncl.plasticity import Constant, Gated, Sigmoid
from bioncl.spiking import simulate
from bioncl.spiking.engines import ENGINES
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces import Spikes

GATED = Gated(inc=0.03, dec=0.004)


@pytest.fixture(params=ENGINES.names())
def engine(request):
    if request.param == "cuda":
        torch = pytest.importorskip("torch")
        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")
    try:
        ENGINES.load(request.param)()
    except UnsupportedError as error:  # its library is not installed
        pytest.skip(str(error))
    return request.param


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    return request.param


def raster(*rows):
    """Steps as strings, one character for each input: '110' is inputs 0 and 1."""
    return np.array([[character == "1" for character in row] for row in rows])


def net(seed, sizes, dtype=np.float64):
    rng = np.random.default_rng(seed)
    shapes = zip(sizes[1:], sizes[:-1], strict=True)
    return [rng.normal(0, 0.3, shape).astype(dtype) for shape in shapes]


def test_published_rule_in_one_step_by_hand(engine, dtype):
    """u = 0.5 − 0.1 = 0.4 ≥ 0.3 fires; f is 0 at 0.5 and 2 at −0.1."""
    weight = np.array([[0.5, -0.1, -0.1]], dtype)
    night = simulate(
        [weight], raster("110"), gains=[1], thresholds=[0.3], rule=GATED, engine=engine
    )
    expected = [[0.5, -0.1 + 2 * 0.03, -0.1 - 2 * 0.004]]
    np.testing.assert_allclose(night.weights[0], expected, atol=np.finfo(dtype).eps)
    assert night.weights[0].dtype == dtype
    assert night.spikes[1].tolist() == [[0, 0]]


def test_a_spike_resets_the_membrane_to_zero(engine, dtype):
    """0.4 fires at 0.3; without the reset the second step would bring 0.4 + 0.2."""
    night = simulate(
        [np.array([[0.4, 0.2]], dtype)],
        raster("10", "01", "01"),
        gains=[1],
        thresholds=[0.3],
        decay=1.0,
        engine=engine,
    )
    assert night.spikes[1].tolist() == [[0, 0], [2, 0]]


def test_rows_of_silent_neurons_stay_as_they_are(engine, dtype):
    weight = np.array([[0.5, -0.1], [-0.5, -0.1], [0.1, -0.2]], dtype)
    night = simulate(
        [weight], raster("10", "11", "10"), gains=[1], thresholds=[0.45], rule=GATED, engine=engine
    )
    assert {neuron for _, neuron in night.spikes[1].tolist()} == {0}
    assert night.weights[0][1:].tobytes() == weight[1:].tobytes()
    assert night.weights[0][0, 1] != weight[0, 1]


@pytest.mark.parametrize(
    ("steps", "rule"),
    [(0, GATED), (30, None), (30, Gated(0, 0)), (30, Constant(0, 0)), (30, Sigmoid(0, 0))],
)
def test_a_night_without_steps_or_without_rule_changes_no_bit(engine, steps, rule, dtype):
    weights = net(0, (12, 9, 4), dtype)
    noise = np.random.default_rng(1).random((steps, 12)) < 0.4
    night = simulate(weights, noise, gains=[1, 1], thresholds=[0.3, 0.3], rule=rule, engine=engine)
    assert [w.tobytes() for w in night.weights] == [w.tobytes() for w in weights]
    assert [events.shape[1] for events in night.spikes] == [2, 2, 2]
    assert (len(night.spikes[2]) > 0) == (steps > 0)


def test_no_input_below_a_positive_threshold_changes_nothing(engine):
    weights = net(0, (12, 9, 4))
    silence = np.zeros((50, 12), bool)
    night = simulate(
        weights, silence, gains=[1, 1], thresholds=[0.1, 0.1], rule=GATED, engine=engine
    )
    assert [w.tobytes() for w in night.weights] == [w.tobytes() for w in weights]
    assert [len(events) for events in night.spikes] == [0, 0, 0]


def test_threshold_zero_fires_at_rest_in_every_step(engine, dtype):
    """Constant rule: each spike takes dec from every silent input."""
    weight = np.array([[0.5, -0.25]], dtype)
    rule = Constant(inc=0.25, dec=0.125)
    night = simulate(
        [weight], np.zeros((4, 2), bool), gains=[1], thresholds=[0.0], rule=rule, engine=engine
    )
    assert night.spikes[1].tolist() == [[t, 0] for t in range(4)]
    assert night.weights[0].tolist() == [[0.0, -0.75]]


@pytest.mark.parametrize("chunk", [1, 1000])
def test_a_negative_threshold_is_reached_from_below_without_input(engine, chunk):
    """v = −1, −0.5 and −0.25 after one, two and three steps; −0.3 is passed in the third.

    64 neurons, so that none of the vectors an engine may use has idle lanes.
    """
    night = simulate(
        [np.full((64, 1), -1.0)],
        raster("1", "0", "0"),
        gains=[1],
        thresholds=[-0.3],
        decay=0.5,
        engine=engine,
        chunk=chunk,
    )
    assert night.spikes[1].tolist() == [[2, i] for i in range(64)]


def test_constant_drive_follows_the_closed_form(engine, dtype):
    """u_t = c·(1 − 0.999^t)/0.001 reaches θ for the first time after log(1 − 0.001·θ/c)/log 0.999
    steps, and again as many steps after each reset."""
    c, threshold = 1.0, 50.0
    period = int(np.ceil(np.log(1 - 0.001 * threshold / c) / np.log(0.999)))
    night = simulate(
        [np.array([[c]], dtype)],
        np.ones((5 * period, 1), bool),
        gains=[1],
        thresholds=[threshold],
        engine=engine,
    )
    assert night.spikes[1][:, 0].tolist() == [k * period - 1 for k in range(1, 6)]


def test_a_bias_drives_without_input(engine):
    """gain · bias = 2 · 0.25 a step without decay: θ = 1 in every second step."""
    night = simulate(
        [np.zeros((2, 3))],
        np.zeros((6, 3), bool),
        gains=[2],
        thresholds=[1.0],
        decay=1.0,
        biases=[np.array([0.25, 0.0])],
        engine=engine,
    )
    assert night.spikes[1].tolist() == [[1, 0], [3, 0], [5, 0]]


def test_lateral_inhibition_takes_its_share_of_the_mean_current(engine):
    """Currents 1, 3 and 5, mean 3: half of it leaves −0.5, 1.5 and 3.5."""
    night = simulate(
        [np.array([[1.0], [3.0], [5.0]])],
        raster("1"),
        gains=[1],
        thresholds=[1.5],
        inhibition=0.5,
        engine=engine,
    )
    assert night.spikes[1].tolist() == [[0, 1], [0, 2]]


def test_spikes_pass_through_all_layers_within_one_step(engine):
    night = simulate(
        [np.ones((1, 1))] * 3, raster("0", "1"), gains=[1] * 3, thresholds=[1] * 3, engine=engine
    )
    assert [events.tolist() for events in night.spikes] == [[[1, 0]]] * 4


@pytest.mark.parametrize("inhibition", [0.0, 0.4])
def test_the_length_of_a_chunk_changes_no_bit(engine, inhibition, dtype):
    weights = net(3, (30, 40, 20, 6), dtype)
    noise = np.random.default_rng(4).random((60, 30)) < 0.2
    nights = [
        simulate(
            weights,
            noise,
            gains=[1.0, 0.8, 1.0],
            thresholds=[1.0, 0.9, 0.7],
            inhibition=inhibition,
            rule=[GATED, Sigmoid(0.02, 0.004), Constant(0.01, 0.002)],
            engine=engine,
            chunk=chunk,
        )
        for chunk in (1, 7, 1000)
    ]
    assert all(len(events) > 20 for events in nights[0].spikes)
    for other in nights[1:]:
        assert [w.tobytes() for w in other.weights] == [w.tobytes() for w in nights[0].weights]
        assert [e.tolist() for e in other.spikes] == [e.tolist() for e in nights[0].spikes]


def test_inputs_are_left_alone(engine):
    weights = net(5, (8, 6))
    noise = np.random.default_rng(6).random((40, 8)) < 0.5
    kept = [w.copy() for w in weights], noise.copy()
    for array in (*weights, noise):
        array.flags.writeable = False
    night = simulate(weights, noise, gains=[1], thresholds=[0.3], rule=GATED, engine=engine)
    assert weights[0].tobytes() == kept[0][0].tobytes()
    assert noise.tobytes() == kept[1].tobytes()
    assert night.weights[0].tobytes() != weights[0].tobytes()
    assert not np.shares_memory(night.weights[0], weights[0])


def test_diverging_weights_are_reported_with_layer_and_steps(engine):
    """The second layer overflows in the fourth step, in the second chunk of three."""
    weights = [np.ones((1, 1), np.float32), np.full((1, 1), 3e38, np.float32)]
    quiet_until = raster("0", "0", "0", "1", "0", "0")
    with pytest.raises(DivergedError, match=r"layer2 .*steps 3 to 5.*inc and dec"):
        simulate(
            weights,
            quiet_until,
            gains=[1, 1],
            thresholds=[1, 1],
            rule=[None, Constant(3e38, 0)],
            engine=engine,
            chunk=3,
        )


def test_spikes_are_handed_on_chunk_by_chunk_and_layer_by_layer(engine):
    class Listener:
        def __init__(self):
            self.calls = []

        def spikes(self, layer, first_step, spikes):
            self.calls.append((layer, first_step, spikes.steps, spikes.neurons))

    import torch

    network = SpikingNetwork([torch.ones(3, 2), torch.ones(1, 3)], [1, 1], [1, 1])
    chunks = (Spikes.from_raster(np.ones((steps, 2), bool)) for steps in (4, 0, 2))
    listener = Listener()
    ENGINES.load(engine)(threads=1).run(network, chunks, listener)
    sizes = [(0, 2), (1, 3), (2, 1)]
    expected = [(la, first, n, m) for first, n in ((0, 4), (4, 0), (4, 2)) for la, m in sizes]
    assert listener.calls == expected


def test_input_spikes_of_another_width_are_refused(engine):
    import torch

    network = SpikingNetwork([torch.ones(3, 2)], [1], [1])
    for wrong in (
        Spikes.from_raster(np.ones((4, 3), bool)),
        Spikes(2, np.array([0, 1]), np.array([2], np.int32)),
    ):
        with pytest.raises(InputError, match="Input spikes"):
            ENGINES.load(engine)(threads=1).run(network, [wrong], None)


def test_membranes_go_on_from_where_they_stood(engine):
    """Two nights of one network are one night when the membranes are kept."""
    import torch

    from bioncl.traces import MemoryRecorder

    rasters = np.random.default_rng(7).random((2, 20, 10)) < 0.3
    events = []
    for parts in (rasters, rasters.reshape(1, 40, 10)):
        network = SpikingNetwork([torch.from_numpy(net(8, (10, 7))[0])], [1], [1.5], rules=[GATED])
        recorder = MemoryRecorder()
        for first, part in zip((0, 20), parts, strict=False):
            shifted = Shift(recorder, first)
            ENGINES.load(engine)(threads=1).run(network, [Spikes.from_raster(part)], shifted)
        events.append((network.weights[0].numpy().tobytes(), recorder.events()[1].tolist()))
    assert events[0] == events[1]
    assert len(events[0][1]) > 5


class Shift:
    """Hands on spikes with steps counted from `first`."""

    def __init__(self, recorder, first):
        self.recorder, self.first = recorder, first

    def spikes(self, layer, first_step, spikes):
        self.recorder.spikes(layer, self.first + first_step, spikes)


def naive_night(weights, noise, gains, thresholds, biases):
    """The published night as written in the paper's code, number by number (scale 0.001)."""
    weights = [w.tolist() for w in weights]
    membranes = [[0.0] * len(w) for w in weights]
    events = [[] for _ in weights]
    for t, row in enumerate(noise.tolist()):
        below = row
        for layer, weight in enumerate(weights):
            spikes = []
            for i, w in enumerate(weight):
                impulse = sum(w[j] for j in range(len(w)) if below[j])
                impulse = gains[layer] * (impulse + biases[layer][i])
                v = 0.999 * membranes[layer][i] + impulse
                spikes.append(v >= thresholds[layer])
                membranes[layer][i] = 0.0 if spikes[i] else v
                for j in range(len(w)):
                    f = 2 * (1 - 1 / (1 + np.exp(-w[j] / 0.001)))
                    if spikes[i] and below[j]:
                        w[j] += GATED.inc * f
                    elif spikes[i]:
                        w[j] -= GATED.dec * f
            events[layer] += [[t, i] for i in range(len(weight)) if spikes[i]]
            below = spikes
    return weights, events


@pytest.mark.parametrize("seed", range(3))
def test_equals_a_naive_double_loop(engine, seed):
    rng = np.random.default_rng(seed)
    weights = [0.1 * w for w in net(seed, (15, 11, 7, 3))]
    biases = [rng.uniform(-0.01, 0.01, len(w)) for w in weights]
    noise = rng.random((60, 15)) < 0.2
    settings = {"gains": [1.0, 2.0, 3.0], "thresholds": [0.05, 0.05, 0.02], "biases": biases}
    expected, events = naive_night(weights, noise, **settings)
    night = simulate(weights, noise, rule=GATED, engine=engine, **settings)
    assert [e.tolist() for e in night.spikes[1:]] == events
    assert all(len(e) > 5 for e in events)
    for found, wanted in zip(night.weights, expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-13)
