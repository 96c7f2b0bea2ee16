"""Handing a trace on to the tools of the field: as files of their formats, or as their objects.

`EXPORTS` names the formats; `export` writes one, whole or not at all. Objects in memory come from
`to_neo`, `to_frame`, `nights_frame` and `to_dataset`. Every one takes a `Selection`. A new format
is a function `write(trace, out, which) -> spikes written` and its line in the table. A library that
only one format needs is imported when that is used; `bioncl.traces.exports.optional` says how to
install it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bioncl.atomic import PART, replacing
from bioncl.errors import InputError, describe
from bioncl.registry import Registry
from bioncl.traces.exports.frames import nights_frame, to_frame
from bioncl.traces.exports.neo import to_neo
from bioncl.traces.exports.selection import EVERYTHING, Selection
from bioncl.traces.exports.xarray import to_dataset

if TYPE_CHECKING:
    from bioncl.traces.hdf5_reader import Trace

__all__ = [
    "EVERYTHING",
    "EXPORTS",
    "Selection",
    "export",
    "nights_frame",
    "to_dataset",
    "to_frame",
    "to_neo",
]

EXPORTS = Registry(
    "export",
    {
        "sonata": ("bioncl.traces.exports.sonata:write", "SONATA spikes (libsonata, bmtk)"),
        "nwb": ("bioncl.traces.exports.nwb:write", "Neurodata Without Borders (pynwb, Neo)"),
        "csv": ("bioncl.traces.exports.rows:write_csv", "a row for each spike, as text"),
        "parquet": ("bioncl.traces.exports.rows:write_parquet", "a row for each spike, packed"),
        "netcdf": ("bioncl.traces.exports.xarray:write", "counts and binned rasters (xarray)"),
    },
)


def export(trace: Trace, to: str, out: Path | str, which: Selection = EVERYTHING) -> int:
    """Write the chosen part of a trace to the file `out` in the format `to`.

    Returns:
        How many spikes were written.

    Raises:
        InputError: Unknown format, nothing chosen, or `out` would replace the trace.
        UnsupportedError: The format's library is not installed.
        StorageError: The file cannot be written; whatever stood there is untouched.
    """
    out = Path(out)
    write = EXPORTS.load(to)
    which.layers_of(trace)
    which.windows(trace)
    if trace.path.resolve() in {out.resolve(), out.with_name(out.name + PART).resolve()}:
        hint = "Choose another name with --out."
        raise InputError(describe(f"{out} is the trace itself or its unfinished night", hint=hint))
    with replacing(out) as part:
        written: int = write(trace, part, which)
    return written
