"""Which spikes are chosen: against plain loops over the rasters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioncl.errors import InputError, TraceError
from bioncl.traces.exports import Selection
from bioncl.traces.exports.selection import by_neuron


@given(data=st.data())
def test_pieces_are_the_chosen_spikes(data, cases):
    """In order of layer, night, step, neuron."""
    run, trace, which = data.draw(cases)
    found = [
        (window.night.index, layer, step, neuron)
        for layer in which.layers_of(trace)
        for window, events in which.pieces(trace, layer)
        for step, neuron in events.tolist()
    ]
    assert found == run.events(which)


def test_layers_keep_the_order_of_the_trace(run):
    with run.recorded() as (trace, _):
        assert Selection(layers=("hidden", "input")).layers_of(trace) == ["input", "hidden"]


def test_windows_are_those_steps_that_each_night_has(run):
    """Nights of 40 and 25 steps; counted over the run, steps 30 to 50 lie in both."""
    with run.recorded() as (trace, _):
        for which, expected in [
            (Selection(start=30, stop=50), [(0, 30, 40), (1, 0, 10)]),
            (Selection(start=40), [(1, 0, 25)]),
            (Selection(night=1, start=20, stop=50), [(1, 20, 25)]),
        ]:
            found = [(w.night.index, w.start, w.stop) for w in which.windows(trace)]
            assert found == expected


@pytest.mark.parametrize(
    ("which", "message"),
    [
        (Selection(start=65), "within 0 to 65, got 65 to the end"),
        (Selection(night=1, start=25, stop=30), "within 0 to 25, got 25 to 30"),
        (Selection(start=9, stop=9), "got 9 to 9"),
    ],
)
def test_an_empty_window_is_refused(run, which, message):
    with run.recorded() as (trace, _), pytest.raises(InputError, match=message):
        which.windows(trace)


def test_unknown_nights_and_layers_are_named(run):
    with run.recorded() as (trace, _):
        with pytest.raises(TraceError, match="expected 0, 1, got 7"):
            Selection(night=7).windows(trace)
        with pytest.raises(TraceError, match="Did you mean 'hidden'"):
            Selection(layers=["hiden"]).layers_of(trace)


@given(st.lists(st.integers(0, 4), max_size=30))
def test_spikes_are_sorted_by_neuron_and_stay_in_time(neurons):
    """Against picking each neuron's steps in turn; in two pieces, and in none."""
    events = np.array([(step, neuron) for step, neuron in enumerate(neurons)]).reshape(-1, 2)
    pieces = [events[:10], events[10:]] if neurons else []
    steps, ends = by_neuron(pieces, 5)
    found = [part.tolist() for part in np.split(steps, ends[:-1])]
    assert found == [[s for s, n in enumerate(neurons) if n == neuron] for neuron in range(5)]
