"""Rate coding against closed forms and against loops over single neurons."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bioncl.errors import InputError
from bioncl.spiking.graph.activations import activations
from bioncl.spiking.graph.normalise import normalise
from bioncl.spiking.graph.populations import Graph, Linear, Path, Population
from bioncl.spiking.graph.rate import Coding, rate_code
from bioncl.spiking.graph.tracing import trace

DOUBLE = torch.float64
CURRENTS = torch.tensor([[-0.5, 0.0, 0.125, 0.25, 0.375, 0.6875, 1.0]], dtype=DOUBLE)


def one_layer(threshold: float = 1.0) -> Graph:
    """Neurons that get the inputs as currents, each read by one output."""
    width = CURRENTS.shape[1]
    eye = [Linear(name, torch.eye(width, dtype=DOUBLE)) for name in ("in", "out")]
    first = Population("cells", (width,), (Path("input", (eye[0],)),), threshold=threshold)
    last = Population("output", (width,), (Path("cells", (eye[1],)),))
    return Graph((width,), [first, last])


@pytest.mark.parametrize("threshold", [1.0, 2.0])
@pytest.mark.parametrize("initial", [0.0, 0.5])
def test_soft_reset_counts_the_thresholds_reached(threshold: float, initial: float) -> None:
    """A neuron of constant current I ≤ θ has fired ⌊t·I/θ + start⌋ times after t steps."""
    for steps in (1, 7, 16, 100):
        found = rate_code(one_layer(threshold), CURRENTS, [steps], Coding(initial=initial))
        expected = (CURRENTS.clamp(min=0) * steps / threshold + initial).floor() / steps
        assert torch.equal(found.rates["cells"], expected)
        assert torch.equal(found.logits[steps], expected)


def test_reset_to_zero_fires_every_so_many_steps() -> None:
    """A neuron of constant current I fires every ⌈θ/I⌉ steps."""
    found = rate_code(one_layer(), CURRENTS, [3, 40], Coding("zero"))
    for steps, logits in found.logits.items():
        every = [math.ceil(1 / i) if i > 0 else 10**9 for i in CURRENTS[0].tolist()]
        assert logits[0].tolist() == [steps // period / steps for period in every]


def test_half_a_threshold_at_the_start_rounds_to_nearest() -> None:
    """The default error after T steps is at most 1/(2T) for rates up to 1."""
    error = rate_code(one_layer(), CURRENTS, [16]).rates["cells"] - CURRENTS.clamp(min=0)
    assert float(error.abs().max()) <= 1 / 32


class Small(nn.Module):
    """A convolution with max pooling, a layer beside a way around it, and an output."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool = nn.Conv1d(1, 2, 3), nn.MaxPool1d(2)
        self.fc, self.out = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.conv(x).relu()).flatten(1)
        return self.out((self.fc(x) + x).relu())


def by_hand(model: Small, graph: Graph, inputs: np.ndarray, coding: Coding) -> np.ndarray:
    """Mean output current of one sample, neuron by neuron; inputs [steps, 8]."""
    conv, fc, out = graph.populations
    start = coding.start()
    v = {"conv": np.full((2, 6), start), "fc": np.full(6, start)}
    counts, before, total = np.zeros((2, 6)), np.zeros(6), np.zeros(3)
    k, w, o = (m.weight.detach().numpy() for m in (model.conv, model.fc, model.out))
    b, c, d = (p.bias.numpy().ravel() for p in (conv, fc, out))

    def fire(name: str, at: object, current: float) -> float:
        v[name][at] = coding.decay * v[name][at] + current
        if v[name][at] < 1:
            return 0.0
        v[name][at] = v[name][at] - 1 if coding.reset == "subtract" else 0.0
        return 1.0

    for x in inputs:
        spikes = np.zeros((2, 6))
        for channel in range(2):
            for place in range(6):
                u = sum(k[channel, 0, j] * x[place + j] for j in range(3))
                u = conv.paths[0].gain * u + b[channel]
                spikes[channel, place] = fire("conv", (channel, place), u)
        counts += spikes
        seen = counts if coding.pooling == "count" else spikes
        pooled = np.array(
            [max(seen[i // 3, 2 * (i % 3)], seen[i // 3, 2 * (i % 3) + 1]) for i in range(6)]
        )
        passed = pooled - before if coding.pooling == "count" else pooled
        before = pooled
        hidden = np.zeros(6)
        for i in range(6):
            u = sum(w[i, j] * passed[j] for j in range(6)) * fc.paths[0].gain
            hidden[i] = fire("fc", i, u + fc.paths[1].gain * passed[i] + c[i])
        total += [
            sum(o[i, j] * hidden[j] for j in range(6)) * out.paths[0].gain + d[i] for i in range(3)
        ]
    return total / len(inputs)


@pytest.mark.parametrize(
    "coding",
    [
        Coding(),
        Coding("zero", decay=0.9),
        Coding(pooling="spikes", decay=0.99, initial=0.25),
        Coding(inputs="bernoulli"),
        Coding("zero", inputs="bernoulli", pooling="spikes"),
    ],
)
def test_against_loops_over_single_neurons(coding: Coding) -> None:
    """Convolution, max pooling and a residual connection, one neuron at a time."""
    torch.manual_seed(5)
    model = Small().double()
    x = torch.rand(4, 1, 8, dtype=DOUBLE)
    graph = trace(model, x[:1]).graph
    normalise(graph, x, "max")
    noise = torch.Generator().manual_seed(9)
    trains = torch.stack([torch.bernoulli(x, generator=noise) for _ in range(25)])
    trains = trains if coding.inputs == "bernoulli" else x.expand(25, -1, -1, -1)
    found = rate_code(graph, x, [10, 25], coding, torch.Generator().manual_seed(9))
    for steps, logits in found.logits.items():
        for sample in range(len(x)):
            inputs = trains[:steps, sample, 0].numpy()
            expected = by_hand(model, graph, inputs, coding)
            np.testing.assert_allclose(logits[sample].numpy(), expected, atol=1e-12)


def test_pooled_counts_are_maxima_of_counts() -> None:
    """Two neurons that alternate do not pass for one that fires all the time."""
    model = nn.Sequential(nn.Conv1d(1, 1, 1), nn.ReLU(), nn.MaxPool1d(4)).double()
    model[0].weight.data.fill_(1.0)
    model[0].bias.data.fill_(0.0)
    x = torch.tensor([[[0.25, 0.5, 0.0, 0.375]]], dtype=DOUBLE)
    graph = trace(model, x).graph
    counted = rate_code(graph, x, [32]).logits[32].item()
    stepwise = rate_code(graph, x, [32], Coding(pooling="spikes")).logits[32].item()
    assert counted == 0.5
    assert stepwise > 0.6


def late_inhibition() -> tuple[Graph, Tensor]:
    """A cell excited at rate 1/2 and, from later on, inhibited by more."""
    first = Linear("first", torch.eye(2, dtype=DOUBLE))
    second = Linear("second", torch.tensor([[1.0, -2.5]], dtype=DOUBLE))
    out = Linear("out", torch.eye(1, dtype=DOUBLE))
    return Graph(
        (2,),
        [
            Population("a", (2,), (Path("input", (first,)),)),
            Population("b", (1,), (Path("a", (second,)),)),
            Population("output", (1,), (Path("b", (out,)),)),
        ],
    ), torch.tensor([[0.5, 0.25]], dtype=DOUBLE)


def test_signed_spikes_take_back_what_came_too_early() -> None:
    """The mean current of b is −1/8, so its activation is 0; it fires before inhibition comes."""
    graph, x = late_inhibition()
    assert activations(graph, x)["b"].item() == 0.0
    assert rate_code(graph, x, [64]).rates["b"].item() > 0
    assert rate_code(graph, x, [64], Coding(signed=True)).rates["b"].item() == 0.0


def test_longer_twins_come_closer() -> None:
    """For rates below 1 the output's error falls to a few spikes in T."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 3)).double()
    x = torch.rand(50, 6, dtype=DOUBLE)
    graph = trace(model, x[:1]).graph
    normalise(graph, x, "max")
    exact = activations(graph, x)["output"]
    found = rate_code(graph, x, [16, 64, 256, 1024]).logits
    errors = [float((found[steps] - exact).abs().max()) for steps in (16, 64, 256, 1024)]
    weight = graph.populations[-1].paths[0].gain * model[2].weight.abs().sum(1).max().item()
    bound = [weight / 2 / steps for steps in (16, 64, 256, 1024)]
    assert all(error <= limit * (1 + 1e-9) for error, limit in zip(errors, bound, strict=True))


def test_bad_inputs_are_refused() -> None:
    """No time to read, or probabilities outside [0, 1]."""
    with pytest.raises(InputError, match="Steps"):
        rate_code(one_layer(), CURRENTS, [])
    with pytest.raises(InputError, match="Steps"):
        rate_code(one_layer(), CURRENTS, [0, 4])
    with pytest.raises(InputError, match="probabilities"):
        rate_code(one_layer(), CURRENTS, [4], Coding(inputs="bernoulli"))
