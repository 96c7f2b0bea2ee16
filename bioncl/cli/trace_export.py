"""`bioncl trace export`: a trace in the format of another tool."""

from __future__ import annotations

from pathlib import Path

import click

from bioncl.cli.options import json_option, print_json
from bioncl.cli.trace_options import file_argument, layer_option, to_option


@click.command()
@file_argument
@click.option("--to", required=True, help="sonata, nwb, csv, parquet or netcdf.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The new file.")
@click.option("--night", type=click.IntRange(min=0), help="One night, by its index; else all.")
@layer_option
@click.option("--from", "start", type=click.IntRange(min=0), default=0, help="First step.")
@to_option
@json_option
def export(
    file: Path,
    to: str,
    out: Path,
    night: int | None,
    layers: tuple[str, ...],
    start: int,
    stop: int | None,
    as_json: bool,
) -> None:
    """Write the spikes of the trace FILE for other tools.

    \b
    sonata   SONATA spikes, for libsonata and bmtk
    nwb      Neurodata Without Borders, for pynwb and Neo (extra: nwb)
    csv      a row for each spike: night, layer, step, neuron
    parquet  the same, packed, for pandas (extra: frames)
    netcdf   spike counts, rates and binned rasters, for xarray (extra: xarray)

    Steps count from the start of the night with --night, else from the start of the run. A format
    with an extra needs its library: pip install 'bioncl[EXTRA]'.
    """  # noqa: D301 - click wants the character itself
    from bioncl.traces.exports import Selection
    from bioncl.traces.exports import export as write
    from bioncl.traces.hdf5_reader import open_trace

    which = Selection(night, layers, start, stop)
    with open_trace(file) as trace:
        spikes = write(trace, to, out, which)
        names = which.layers_of(trace)
        nights = [window.night.index for window in which.windows(trace)]
    if as_json:
        print_json(
            {"file": str(out), "format": to, "layers": names, "nights": nights, "spikes": spikes}
        )
        return
    click.echo(f"{out}: {spikes:,} spikes of {', '.join(names)}")
