"""`bioncl trace raster` and `bioncl trace rates`: what fired when, and how often."""

from __future__ import annotations

from pathlib import Path

import click

from bioncl.cli.options import json_option, print_json, print_table
from bioncl.cli.trace_options import (
    answer,
    drawn,
    file_argument,
    format_option,
    from_option,
    layer_option,
    night_option,
    number,
    opened,
    out_option,
    percent,
    show_figures,
    title_of,
    to_option,
)


@click.command()
@file_argument
@night_option
@layer_option
@from_option
@to_option
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder for the figure."
)
@format_option
@json_option
def raster(
    file: Path,
    night: int | None,
    layers: tuple[str, ...],
    start: int,
    stop: int | None,
    out: Path,
    formats: tuple[str, ...],
    as_json: bool,
) -> None:
    """Draw the spikes of a night of the trace FILE.

    Left the whole night, right every spike of the steps chosen with --from and --to-step, by
    default 500 from its middle.
    """
    with opened(file, night, start, stop) as view:
        from bioncl.report.nights import raster_figure

        names = view.layers(layers, view.trace.layers)
        window = None if (start, stop) == (0, None) else (view.start, view.stop)
        figures = drawn(
            view,
            out,
            "raster",
            formats,
            lambda: raster_figure(title_of(view.trace), view.trace, view.night, window, names),
        )
        counts = {name: {"spikes": len(view.events(name))} for name in names}
        found = answer(view, counts, figures)
    if as_json:
        return print_json(found)
    print_table([("LAYER", "SPIKES"), *((n, f"{c['spikes']:,}") for n, c in counts.items())])
    return show_figures(figures)


@click.command()
@file_argument
@night_option
@layer_option
@from_option
@to_option
@click.option(
    "--window",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Steps of the windows whose counts give the Fano factor.",
)
@out_option
@format_option
@json_option
def rates(
    file: Path,
    night: int | None,
    layers: tuple[str, ...],
    start: int,
    stop: int | None,
    window: int,
    out: Path | None,
    formats: tuple[str, ...],
    as_json: bool,
) -> None:
    """How often and how regularly the layers of the trace FILE fire.

    CV is the variation of the intervals between spikes, FANO that of spike counts: means over the
    neurons that have one; both are 1 for a Poisson process. The figure shows the whole night.
    """
    with opened(file, night, start, stop) as view:
        from bioncl.analysis.night_summaries import rates_summary
        from bioncl.report.nights import rates_figure

        names = view.layers(layers, view.trace.layers)
        found = {name: rates_summary(view, name, window) for name in names}
        figures = drawn(
            view,
            out,
            "rates",
            formats,
            lambda: rates_figure(title_of(view.trace), view.trace, view.night, names),
        )
        if as_json:
            return print_json(answer(view, found, figures) | {"window": window})
    rows = [
        (
            name,
            f"{one.neurons:,}",
            f"{one.spikes:,}",
            number(one.mean_hz),
            percent(one.silent),
            number(one.mean_cv),
            number(one.mean_fano),
        )
        for name, one in found.items()
    ]
    print_table([("LAYER", "NEURONS", "SPIKES", "MEAN Hz", "SILENT %", "CV", "FANO"), *rows])
    return show_figures(figures)
