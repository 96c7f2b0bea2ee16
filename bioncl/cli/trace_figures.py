"""`bioncl trace raster` and `bioncl trace rates`: what fired when, and how often."""

from __future__ import annotations

import click

from bioncl.cli.options import print_json, print_table
from bioncl.cli.trace_options import (
    Asked,
    about_night,
    needed_out_option,
    number,
    percent,
    show_figures,
    title_of,
)

fano_window_option = click.option(
    "--window",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Steps of the windows whose counts give the Fano factor.",
)


@about_night(steps=True, out=needed_out_option)
def raster(asked: Asked) -> None:
    """Draw the spikes of a night of the trace FILE.

    Left the whole night, right every spike of the steps chosen with --from and --to-step, by
    default 500 from its middle.
    """
    with asked.opened() as view:
        from bioncl.report.nights import raster_figure

        names = view.layers(asked.layers, view.trace.layers)
        window = None if (asked.start, asked.stop) == (0, None) else (view.start, view.stop)
        title = title_of(view.trace)
        counts = {name: {"spikes": len(view.events(name))} for name in names}
        found = asked.answer(
            view,
            {"layers": counts},
            lambda: raster_figure(title, view.trace, view.night, window, names),
        )
    if asked.as_json:
        return print_json(found)
    print_table([("LAYER", "SPIKES"), *((n, f"{c['spikes']:,}") for n, c in counts.items())])
    return show_figures(found["figures"])


@about_night(fano_window_option, steps=True)
def rates(asked: Asked, window: int) -> None:
    """How often and how regularly the layers of the trace FILE fire.

    ISI is the mean interval between spikes of a neuron, CV the variation of its intervals, FANO
    that of its spike counts: means over the neurons that have one; CV and FANO are 1 for a Poisson
    process. The figure shows the whole night.
    """
    with asked.opened() as view:
        from bioncl.analysis.night_summaries import rates_summary
        from bioncl.report.nights import rates_figure

        names, title = view.layers(asked.layers, view.trace.layers), title_of(view.trace)
        layers = {name: rates_summary(view, name, window) for name in names}
        found = asked.answer(
            view,
            {"layers": layers, "window": window},
            lambda: rates_figure(title, view.trace, view.night, names),
        )
    if asked.as_json:
        return print_json(found)
    rows = [
        (
            name,
            f"{one.neurons:,}",
            f"{one.spikes:,}",
            number(one.mean_hz),
            percent(one.silent),
            *map(number, (one.mean_isi_ms, one.mean_cv, one.mean_fano)),
        )
        for name, one in layers.items()
    ]
    head = ("LAYER", "NEURONS", "SPIKES", "MEAN Hz", "SILENT %", "ISI ms", "CV", "FANO")
    print_table([head, *rows])
    return show_figures(found["figures"])
