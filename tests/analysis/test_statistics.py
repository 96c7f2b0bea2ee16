"""Intervals and their variation against elephant, a loop, and cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bioncl.analysis.statistics import (
    Intervals,
    coefficient_of_variation,
    cv2,
    fano_factor,
    interval_histogram,
    intervals,
    local_variation,
)
from bioncl.analysis.windows import regular_windows, window_counts

MEASURES = [coefficient_of_variation, cv2, local_variation]


def random_events(seed, neurons=15, steps=400):
    random = np.random.default_rng(seed)
    chance = random.random(neurons) * 0.3
    chance[0] = 0.0
    return np.argwhere(random.random((steps, neurons)) < chance)


@pytest.mark.parametrize("seed", range(5))
def test_intervals_are_those_of_a_loop_over_neurons(seed):
    """In any order of the events, and also if the first step is not 0."""
    events = random_events(seed) + np.array([1000, 0])
    found = intervals(np.random.default_rng(seed).permutation(events), 15)
    for neuron in range(15):
        own = np.diff(np.sort(events[events[:, 1] == neuron, 0]))
        assert found.lengths[found.owners == neuron].tolist() == own.tolist()
        expected = own.mean() if len(own) else np.nan
        np.testing.assert_allclose(found.mean()[neuron], expected, rtol=1e-14)


@pytest.mark.parametrize("pieces", [1, 2, 7, 1000])
def test_the_histogram_of_intervals_does_not_depend_on_the_pieces(pieces):
    """Also where a neuron's next spike stands several pieces later, and in empty pieces."""
    events = random_events(3)
    edges = np.array([1, 2, 3, 5, 8, 40, 400])
    found = interval_histogram(np.array_split(events, pieces), 15, edges)
    expected, _ = np.histogram(intervals(events, 15).lengths, edges)
    assert found.tolist() == expected.tolist()
    assert found.sum() > 100


@pytest.mark.parametrize("seed", range(5))
def test_variations_equal_those_of_elephant(seed):
    statistics = pytest.importorskip("elephant.statistics", reason="needs elephant")
    events = random_events(seed)
    found = intervals(events, 15)
    for neuron in range(15):
        gaps = statistics.isi(np.sort(events[events[:, 1] == neuron, 0]))
        assert gaps.tolist() == found.lengths[found.owners == neuron].tolist()
        if len(gaps) < 2:
            continue
        for ours, theirs in zip(
            MEASURES, (statistics.cv, statistics.cv2, statistics.lv), strict=True
        ):
            np.testing.assert_allclose(ours(found)[neuron], theirs(gaps), rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_fano_factors_equal_those_of_elephant(seed):
    """Elephant takes the trains of one neuron in all windows."""
    statistics = pytest.importorskip("elephant.statistics", reason="needs elephant")
    events, windows = random_events(seed), regular_windows(400, 50)
    found = fano_factor(window_counts(events, 15, windows))
    for neuron in range(15):
        own = events[events[:, 1] == neuron, 0]
        trains = [own[(own >= start) & (own < stop)] for start, stop in windows]
        np.testing.assert_allclose(found[neuron], statistics.fanofactor(trains), rtol=1e-12)


def test_published_example_of_intervals():
    """The intervals 3, 5, 7, 9 by hand: mean 6, variance 5, contrasts 1/4, 1/6, 1/8."""
    gaps = Intervals(1, np.zeros(4, np.int64), np.array([3, 5, 7, 9]))
    assert coefficient_of_variation(gaps)[0] == pytest.approx(np.sqrt(5) / 6)
    assert cv2(gaps)[0] == pytest.approx(2 * (1 / 4 + 1 / 6 + 1 / 8) / 3)
    assert local_variation(gaps)[0] == pytest.approx(3 * (1 / 16 + 1 / 36 + 1 / 64) / 3)


@pytest.mark.parametrize("spikes", [0, 1, 2])
def test_too_few_spikes_have_no_variation(spikes):
    """No spikes, one spike, one interval: NaN; and the neuron beside it keeps its value."""
    events = np.array([[step, 0] for step in range(spikes)] + [[5 * k, 1] for k in range(9)])
    found = intervals(events.astype(np.int64), 2)
    for measure in MEASURES:
        assert np.isnan(measure(found)[0])
        assert measure(found)[1] == 0.0


def test_no_events_at_all():
    found = intervals(np.zeros((0, 2), np.int64), 3)
    assert len(found.lengths) == 0
    for values in (found.mean(), *(measure(found) for measure in MEASURES)):
        assert values.shape == (3,)
        assert np.isnan(values).all()


def test_all_neurons_firing_at_all_steps_are_clocks():
    """Every interval is 1; each window has as many spikes."""
    events = np.argwhere(np.ones((30, 4), bool))
    found = intervals(events, 4)
    assert found.mean().tolist() == [1.0] * 4
    for measure in MEASURES:
        assert measure(found).tolist() == [0.0] * 4
    assert fano_factor(window_counts(events, 4, regular_windows(30, 10))).tolist() == [0.0] * 4


def test_poisson_spikes_have_unit_variations():
    """Which is what the measures are scaled for (a rate of 0.01 is nearly continuous)."""
    events = np.argwhere(np.random.default_rng(0).random((200_000, 1)) < 0.01)
    found = intervals(events, 1)
    for measure in MEASURES:
        assert measure(found)[0] == pytest.approx(1.0, abs=0.07)
    counts = window_counts(events, 1, regular_windows(200_000, 200))
    assert fano_factor(counts)[0] == pytest.approx(1.0, abs=0.15)


def test_fano_factor_needs_two_windows_and_a_spike():
    assert np.isnan(fano_factor(np.array([[3, 1]]))).all()
    assert np.isnan(fano_factor(np.zeros((0, 2), np.int64))).all()
    found = fano_factor(np.array([[0, 0], [0, 4]]))
    assert np.isnan(found[0])
    assert found[1] == 2.0
