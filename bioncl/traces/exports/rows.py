"""Spikes as rows (night, layer, step, neuron): CSV, and Parquet where pyarrow is installed.

Rows come by layer, then night, then step, then neuron; steps count from the start of their night.
Memory: one piece of about a million spikes.
"""

from __future__ import annotations

import csv
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bioncl.traces import schema
from bioncl.traces.exports.optional import require
from bioncl.traces.exports.selection import Selection

if TYPE_CHECKING:
    from bioncl.traces.hdf5_reader import Trace

COLUMNS = ("night", "layer", "step", "neuron")


def write_csv(trace: Trace, out: Path, which: Selection) -> int:
    """Write the chosen spikes to the new file `out` as CSV with a header; return how many."""
    written = 0
    with out.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for layer in which.layers_of(trace):
            for window, events in which.pieces(trace, layer):
                steps, neurons = events.T.tolist()
                table.writerows(zip(repeat(window.night.index), repeat(layer), steps, neurons))
                written += len(events)
    return written


def write_parquet(trace: Trace, out: Path, which: Selection) -> int:
    """Write the chosen spikes to the new file `out` as Parquet; return how many.

    The layer is a category. The file's metadata hold the settings of the run as JSON.

    Raises:
        UnsupportedError: pyarrow is not installed.
    """
    arrow, parquet = require("pyarrow", "frames"), require("pyarrow.parquet", "frames")
    layers = which.layers_of(trace)
    kinds = (arrow.int32(), arrow.dictionary(arrow.int32(), arrow.string()), arrow.int64())
    form = arrow.schema(list(zip(COLUMNS, (*kinds, arrow.int32()), strict=True)))
    form = form.with_metadata({"bioncl_settings": schema.to_json(trace.settings)})
    written = 0
    with parquet.ParquetWriter(out, form) as table:
        for code, layer in enumerate(layers):
            for window, events in which.pieces(trace, layer):
                size = len(events)
                names = _category(arrow, np.full(size, code, np.int32), layers)
                nights = np.full(size, window.night.index, np.int32)
                columns = [nights, names, events[:, 0], events[:, 1].astype(np.int32)]
                table.write_batch(arrow.record_batch(columns, schema=form))
                written += size
    return written


def _category(arrow: Any, codes: np.ndarray, names: list[str]) -> Any:
    return arrow.DictionaryArray.from_arrays(codes, arrow.array(names, arrow.string()))
