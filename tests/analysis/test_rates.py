"""Rates against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from bioncl.analysis.rates import bin_edges, mean_rates, population_rate


def test_a_neuron_that_fires_every_fourth_step_fires_at_250_hz() -> None:
    """One step is a millisecond unless said otherwise."""
    counts = np.array([25, 100, 0])
    assert mean_rates(counts, 100).tolist() == [250.0, 1000.0, 0.0]
    assert mean_rates(counts, 100, step_ms=0.5).tolist() == [500.0, 2000.0, 0.0]
    assert mean_rates(np.zeros(2, np.int64), 0).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("start", "stop", "bins"), [(0, 10, 3), (5, 8, 100), (0, 1, 1), (7, 107, 10)]
)
def test_bins_cover_all_steps_and_differ_by_one_at_most(start: int, stop: int, bins: int) -> None:
    """Never an empty bin."""
    edges = bin_edges(start, stop, bins)
    assert (edges[0], edges[-1]) == (start, stop)
    assert len(edges) == min(bins, stop - start) + 1
    widths = np.diff(edges)
    assert widths.min() >= 1
    assert widths.max() - widths.min() <= 1


def test_population_rate_of_a_layer_that_starts_to_fire() -> None:
    """Silent for 10 steps, then all 4 neurons fire in each of the last 5 of 10 steps: 500 Hz."""
    steps = np.repeat(np.arange(15, 20), 4)
    assert population_rate(steps, 4, np.array([0, 10, 20])).tolist() == [0.0, 500.0]
    assert population_rate(steps, 4, np.array([0, 16, 20])).tolist() == [62.5, 1000.0]


def test_population_rates_of_pieces_add_up() -> None:
    """So that a night can be read piece by piece."""
    random = np.random.default_rng(0)
    steps = np.sort(random.integers(0, 1000, 5000))
    edges = bin_edges(0, 1000, 7)
    parts = sum(population_rate(part, 10, edges) for part in np.array_split(steps, 4))
    np.testing.assert_allclose(parts, population_rate(steps, 10, edges), rtol=1e-12)
