"""Scales of populations against NumPy, against the gains of chains, and as an identity."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from bioncl.errors import InputError, SettingsError, UnsupportedError
from bioncl.models.mlp import MLP
from bioncl.models.resnet import ResNet
from bioncl.spiking.convert import Diehl, Percentile, Published
from bioncl.spiking.graph.activations import activations
from bioncl.spiking.graph.normalise import normalise
from bioncl.spiking.graph.populations import Graph
from bioncl.spiking.graph.tracing import trace


def resnet() -> tuple[Graph, torch.Tensor]:
    torch.manual_seed(0)
    x = torch.rand(30, 1, 8, 8, dtype=torch.float64)
    model = ResNet(1, 3).build((1, 8, 8), 4, [[0, 1, 2, 3]], 0).double()
    for _ in range(3):
        model(x)
    return trace(model, x[:1]).graph, x


@pytest.mark.parametrize("kind", ["max", "percentile", "diehl"])
def test_a_normalised_graph_computes_the_same_divided_by_the_scales(kind: str) -> None:
    """Activations times λ are those of before, in a network with residual connections."""
    graph, x = resnet()
    before = activations(graph, x)
    weights = {name: op.weight.clone() for name, op in graph.layers().items()}
    scales = normalise(graph, x[:20], kind)  # type: ignore[arg-type]
    for name, values in activations(graph, x).items():
        torch.testing.assert_close(values * scales[name], before[name], rtol=1e-9, atol=1e-9)
    assert all(torch.equal(op.weight, weights[name]) for name, op in graph.layers().items())
    assert {population.threshold for population in graph.populations} == {1.0}


@pytest.mark.parametrize("percent", [50.0, 99.0, 99.9, 100.0])
def test_percentile_over_batches_is_that_of_all_data(percent: float) -> None:
    """The running percentile is NumPy's order statistic of all activations at once."""
    graph, x = resnet()
    found = activations(graph, x)
    scales = normalise(graph, x, percentile=percent, batch=7)
    source = {p.name: p.paths[0].source for p in graph.populations}
    for name in source:
        values = np.sort(found[name].relu().numpy().ravel())
        top = values[max(1, round(len(values) * percent / 100)) - 1]
        expected = top if top > 0 else scales[source[name]]
        np.testing.assert_allclose(scales[name], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "gains"),
    [("published", Published()), ("diehl", Diehl()), ("percentile", Percentile(percentile=97.0))],
)
def test_gains_of_a_chain_are_those_of_convert(
    kind: str, gains: Published | Diehl | Percentile
) -> None:
    """For perceptrons the graph's gains are the ones that nights of chains use."""
    model = MLP((9, 8, 7), output="relu", initial="he").build((4,), 3, [[0, 1, 2]], 0)
    x = torch.rand(50, 4)
    graph = trace(model, x[:1]).graph
    normalise(graph, x, kind, percentile=97.0)  # type: ignore[arg-type]
    found = [population.paths[0].gain for population in graph.populations]
    np.testing.assert_allclose(found, gains.of(model, x), rtol=1e-6)


def test_a_silent_population_gets_gain_one() -> None:
    """Nothing to divide by: the scale of its source."""
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    model[2].weight.data.fill_(-1.0)
    model[2].bias.data.fill_(-1.0)
    graph = trace(model, torch.zeros(1, 2)).graph
    scales = normalise(graph, torch.rand(9, 2))
    assert graph.populations[1].paths[0].gain == 1.0
    assert scales["3"] == scales["1"]


def test_normalising_again_changes_nothing_more() -> None:
    """On the same data all scales are then 1."""
    graph, x = resnet()
    normalise(graph, x, "max")
    gains = [path.gain for p in graph.populations for path in p.paths]
    again = normalise(graph, x, "max")
    np.testing.assert_allclose(list(again.values()), 1.0, rtol=1e-12)
    now = [path.gain for p in graph.populations for path in p.paths]
    np.testing.assert_allclose(now, gains, rtol=1e-12)


def test_what_cannot_be_normalised_is_refused() -> None:
    """Published gains need a chain; unknown kinds and bad inputs are told."""
    graph, x = resnet()
    with pytest.raises(UnsupportedError, match="reads several paths"):
        normalise(graph, x, "published")
    with pytest.raises(SettingsError, match="got median"):
        normalise(graph, x, "median")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="Percentile"):
        normalise(graph, x, percentile=0.0)
    for wrong in (x[:0], x[:, :, 1:]):
        with pytest.raises(InputError, match="at least one of shape"):
            normalise(graph, wrong)
    assert {path.gain for p in graph.populations for path in p.paths} == {1.0}
