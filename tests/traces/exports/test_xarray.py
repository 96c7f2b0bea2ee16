"""xarray datasets: cell by cell against counting the spikes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioncl.errors import InputError
from bioncl.traces.exports import Selection, export, to_dataset

pytest.importorskip("xarray", reason="xarray is not installed")


@given(data=st.data(), bin_steps=st.integers(1, 12))
def test_counts_rates_and_bins(data, cases, bin_steps):
    """A plain loop over the spikes puts each into its cell."""
    run, trace, which = data.draw(cases)
    found = to_dataset(trace, which, bin_steps)
    windows, layers = which.windows(trace), which.layers_of(trace)
    nights = [window.night.index for window in windows]
    units = [(layer, i) for layer in layers for i in range(run.layers[layer])]
    starts = found["bin_start"].values.tolist()
    binned = np.zeros((len(nights), len(starts), len(units)))
    for night, layer, step, neuron in run.events(which):
        column = max(i for i, start in enumerate(starts) if start <= step)
        assert step - starts[column] < bin_steps
        binned[nights.index(night), column, units.index((layer, neuron))] += 1
    lengths = np.array([window.stop - window.start for window in windows])
    assert found["night"].values.tolist() == nights
    assert list(zip(found["layer"].values, found["neuron"].values, strict=True)) == units
    assert np.array_equal(found["binned"], binned)
    assert np.array_equal(found["counts"], binned.sum(axis=1))
    np.testing.assert_allclose(found["rates"], binned.sum(axis=1) / lengths[:, None] * 1000)
    steps = [
        [sum(w.start <= s < w.stop for s in range(x, x + bin_steps)) for x in starts]
        for w in windows
    ]
    assert found["recorded"].values.tolist() == steps


def test_layers_are_parted_by_name(run):
    with run.recorded() as (trace, _):
        found = to_dataset(trace)
        totals = found["counts"].groupby("layer").sum()
        for night in (0, 1):
            for layer in run.layers:
                total = totals.sel(night=night, layer=layer)
                assert int(total) == trace.counts(layer, night).sum()


def test_netcdf_comes_back(run):
    """By the same library, with names of layers and settings."""
    pytest.importorskip("h5netcdf", reason="h5netcdf is not installed")
    import xarray

    with run.recorded() as (trace, folder):
        written = export(trace, "netcdf", folder / "out.nc", Selection(layers=["hidden"]))
        expected = to_dataset(trace, Selection(layers=["hidden"]))
        with xarray.open_dataset(folder / "out.nc", engine="h5netcdf") as found:
            xarray.testing.assert_equal(found, expected)
            assert found.attrs == expected.attrs
    assert written == len(run.events(Selection(layers=["hidden"])))


def test_a_bin_has_at_least_one_step(run):
    with run.recorded() as (trace, _), pytest.raises(InputError, match="1 or more, got 0"):
        to_dataset(trace, bin_steps=0)
