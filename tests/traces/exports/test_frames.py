"""pandas frames: row by row against the rasters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioncl.traces.exports import nights_frame, to_frame


@given(data=st.data())
def test_a_row_for_each_spike(data, cases):
    """Also when there is none; the layers are categories in the order of the trace."""
    pytest.importorskip("pandas", reason="pandas is not installed")
    run, trace, which = data.draw(cases)
    frame = to_frame(trace, which)
    layers = which.layers_of(trace)
    assert list(frame.columns) == ["night", "layer", "step", "neuron"]
    assert list(frame.itertuples(index=False, name=None)) == run.events(which)
    assert list(frame["layer"].cat.categories) == layers
    assert [str(kind) for kind in frame.dtypes] == ["int32", "category", "int64", "int32"]


def test_a_row_for_each_night(run):
    """With single facts as columns; lists are left out."""
    pytest.importorskip("pandas", reason="pandas is not installed")
    with run.recorded() as (trace, _):
        frame = nights_frame(trace)
    assert frame.index.tolist() == [0, 1]
    assert frame["task"].tolist() == [10, 11]
    assert frame["recorded"].tolist() == frame["steps"].tolist() == [40, 25]
    assert frame["first_ms"].tolist() == [0.0, 40.0]
    assert frame["acc_before"].tolist() == [0.5, 0.5]
    assert frame["complete"].tolist() == [True, True]
    assert "each" not in frame
