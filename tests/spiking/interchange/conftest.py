"""Twins of many shapes, and the slow way to run them."""

import numpy as np
import pytest
import torch

from bioncl.errors import UnsupportedError
from bioncl.spiking.graph.populations import (
    INPUT,
    Convolution,
    Flatten,
    Graph,
    Linear,
    Path,
    Pool,
    Population,
    Scale,
)
from bioncl.spiking.libraries import library
from bioncl.spiking.network import SpikingNetwork


@pytest.fixture
def need():
    """A function that returns a library, or skips the test where it is not installed."""

    def load(name):
        try:
            return library(name)
        except UnsupportedError as error:
            pytest.skip(str(error))

    return load


@pytest.fixture
def branched():
    """A function that makes a graph with residual paths, groups, scales, strides and pooling.

    input [2, 6, 6] ─► a [3, 6, 6] ─► b [6, 3, 3] ─► output [4]; b also reads the input.
    """

    def make(seed=0, dtype=torch.float64, pool="avg", batchnorm=True):
        rng = np.random.default_rng(seed)

        def tensor(*shape, scale=0.5):
            return torch.tensor(rng.normal(0.1, scale, shape), dtype=dtype)

        once = ((1, 1), (1, 1), (1, 1))
        window = Pool(pool, (2, 2), (2, 2), (0, 0))
        first = Convolution("conv1", tensor(3, 2, 3, 3), *once)
        grouped = Convolution("block.conv2", tensor(6, 1, 3, 3), *once, groups=3)
        side = Convolution("side", tensor(6, 2, 1, 1), (2, 2), (0, 0), (1, 1))
        scale = Scale("block.norm", tensor(6, scale=1.0))
        last = Linear("fc", tensor(4, 54))
        main = (window, grouped, scale) if batchnorm else (window, grouped)
        return Graph(
            (2, 6, 6),
            [
                Population("a", (3, 6, 6), (Path(INPUT, (first,), 0.5),), tensor(3, 1, 1), 0.75),
                Population(
                    "block.b",
                    (6, 3, 3),
                    (Path("a", main, 0.8), Path(INPUT, (side,), 0.7)),
                    tensor(6, 1, 1, scale=0.1),
                ),
                Population("output", (4,), (Path("block.b", (Flatten(), last), 1.5),), tensor(4)),
            ],
        )

    return make


@pytest.fixture
def chain():
    """A function that makes a network of three layers; on a grid, sums meet thresholds exactly."""

    def make(seed=0, decay=0.999, *, grid=False, inhibition=0.0, dtype=torch.float32, dc=()):
        rng = np.random.default_rng(seed)
        sizes = (30, 40, 20, 5)
        shapes = zip(sizes[1:], sizes[:-1], strict=True)
        weights = [rng.normal(0.05, 0.3, shape) for shape in shapes]
        biases = [rng.normal(0, 0.05, n) for n in sizes[1:]]
        if grid:
            weights, biases = ([np.round(v * 16) / 16 for v in vs] for vs in (weights, biases))
        tensors = [torch.tensor(w, dtype=dtype) for w in weights]
        extra = [torch.tensor(b, dtype=dtype) for b in biases]
        values = {"gains": [1, 0.5, 2], "thresholds": [1, 0.5, 0.5], "dc": dc}
        return SpikingNetwork(tensors, decay=decay, inhibition=inhibition, biases=extra, **values)

    return make


@pytest.fixture
def slowly():
    """A function that runs a twin by the formulas of its docstring, in the precision it has."""

    def run(twin, inputs):
        """Inputs [steps, n, *shape] -> what the output hands on [steps, n, *shape]."""
        membranes, outputs = {}, []
        for x in inputs:
            found = {INPUT: x}
            for population in twin.graph.populations:
                u = sum(path.gain * path(found[path.source]) for path in population.paths)
                u = u if population.bias is None else u + population.bias
                found[population.name] = u
                if twin.fires(population):
                    start = torch.full_like(u, twin.start * population.threshold)
                    v = twin.decay * membranes.get(population.name, start) + u
                    fired = v >= population.threshold
                    rest = v - population.threshold if twin.reset == "subtract" else 0 * v
                    membranes[population.name] = torch.where(fired, rest, v)
                    found[population.name] = fired.to(u.dtype)
            outputs.append(found[twin.graph.populations[-1].name])
        return torch.stack(outputs)

    return run


@pytest.fixture
def stepwise():
    """A function that runs a stateful module (x, state) -> (output, state) step by step."""

    def run(module, inputs):
        state, outputs = None, []
        with torch.no_grad():
            for x in inputs:
                output, state = module(x, state)
                outputs.append(output)
        return torch.stack(outputs)

    return run
