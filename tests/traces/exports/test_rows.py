"""CSV and Parquet: read back by the standard library, pyarrow and pandas."""

from __future__ import annotations

import csv

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioncl.traces.exports import export


@settings(max_examples=30)
@given(data=st.data())
def test_csv_holds_the_same_spikes(data, cases, tmp_path_factory):
    """Names of layers hold a comma."""
    run, trace, which = data.draw(cases)
    folder = tmp_path_factory.getbasetemp()
    written = export(trace, "csv", folder / "out.csv", which)
    with (folder / "out.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["night", "layer", "step", "neuron"]
    assert [(int(n), layer, int(s), int(i)) for n, layer, s, i in rows] == run.events(which)
    assert written == len(rows)


@settings(max_examples=30)
@given(data=st.data())
def test_parquet_holds_the_same_spikes(data, cases, tmp_path_factory):
    reason = "pyarrow is not installed"
    parquet = pytest.importorskip("pyarrow.parquet", reason=reason)
    run, trace, which = data.draw(cases)
    folder = tmp_path_factory.getbasetemp()
    written = export(trace, "parquet", folder / "out.parquet", which)
    table = parquet.read_table(folder / "out.parquet")
    assert table.schema.metadata[b"bioncl_settings"] == b'{"seed": 3}'
    rows = [tuple(row.values()) for row in table.to_pylist()]
    assert rows == run.events(which)
    assert written == len(rows)


def test_pandas_reads_the_layers_of_parquet_as_categories(run):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    with run.recorded() as (trace, folder):
        export(trace, "parquet", folder / "out.parquet")
        frame = pandas.read_parquet(folder / "out.parquet")
    assert list(frame["layer"].cat.categories) == ["input", "hidden"]
    assert list(frame.itertuples(index=False, name=None)) == run.events()
