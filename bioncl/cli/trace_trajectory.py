"""`bioncl trace trajectory`: the path of the weights through training and sleep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bioncl.cli.options import json_option, print_json, print_table
from bioncl.cli.trace_options import (
    drawn,
    file_argument,
    format_option,
    layer_option,
    number,
    out_option,
    percent,
    plain,
    show_figures,
    title_of,
)

if TYPE_CHECKING:
    from bioncl.analysis.night_weights import TrajectorySummary


@click.command()
@file_argument
@layer_option
@out_option
@format_option
@json_option
def trajectory(
    file: Path, layers: tuple[str, ...], out: Path | None, formats: tuple[str, ...], as_json: bool
) -> None:
    """The path of the weights through training and sleep, from the trace FILE alone.

    Points are the weights before and after each night, seen along the principal components of all
    of them. SLEPT is the distance from before to after a night, LEARNT that from after it to before
    the next. By default of each layer and of all weights together.
    """
    from bioncl.analysis.night_weights import trajectory_summary
    from bioncl.report.trajectory import trajectory_figure
    from bioncl.traces.hdf5_reader import open_trace

    with open_trace(file) as trace:
        found, title = trajectory_summary(trace, layers), title_of(trace)
        path = str(trace.path)
    figures = drawn(out, formats, "trajectory", lambda: trajectory_figure(title, found))
    if as_json:
        return print_json({"file": path, "layers": plain(found), "figures": figures})
    for name, one in found.items():
        _show(name, one)
    return show_figures(figures)


def _show(name: str, found: TrajectorySummary) -> None:
    shares = ", ".join(percent(float(share)) for share in found.path.explained)
    click.echo(f"{name}: components explain {shares} % of the variance")
    lengths = [float(length) for length in found.lengths]
    slept, learnt = lengths[::2], [*lengths[1::2], None]
    rows = [
        (str(night), *map(_place, found.path.coordinates[2 * i : 2 * i + 2]), *map(number, pair))
        for i, (night, *pair) in enumerate(zip(found.nights[::2], slept, learnt, strict=True))
    ]
    print_table([("NIGHT", "BEFORE", "AFTER", "SLEPT", "LEARNT"), *rows])
    click.echo()


def _place(coordinates: list[float]) -> str:
    return ", ".join(number(float(one), "+.3g") for one in coordinates)
