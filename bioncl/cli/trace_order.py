"""`bioncl trace order`: in which order classes are replayed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bioncl.cli.options import print_json, print_table
from bioncl.cli.trace_options import (
    NOTHING,
    REPLAY_OPTIONS,
    Asked,
    about_night,
    heading,
    number,
    show_figures,
)

if TYPE_CHECKING:
    from bioncl.analysis.controls import Control
    from bioncl.analysis.night_replay import OrderSummary
    from bioncl.analysis.night_summaries import Templates


@about_night(*REPLAY_OPTIONS, steps=True)
def order(
    asked: Asked,
    window: int,
    shuffles: int,
    seed: int,
    control: Control,
    templates: Templates,
) -> None:
    """In which order a night of the trace FILE replays classes.

    Windows are decoded as by `bioncl trace replay`. RUNS are windows of one class in a row, DWELL
    their mean length, FIRST where the first begins and CENTRE the mean of all, in steps. Each
    transition is compared with the same windows in random order.
    """
    with asked.opened() as view:
        from bioncl.analysis.night_replay import order_summary
        from bioncl.analysis.night_summaries import ReplaySettings, replay_summary
        from bioncl.report.order import order_figure

        how = ReplaySettings(window, shuffles, seed, control, templates)
        names = view.layers(asked.layers, view.trace.layers[1:])
        layers = {name: order_summary(replay_summary(view, name, how)) for name in names}
        found = asked.answer(
            view, {"layers": layers, "how": vars(how)}, lambda: order_figure(heading(view), layers)
        )
    if asked.as_json:
        return print_json(found)
    for name, one in layers.items():
        _show(name, one)
    return show_figures(found["figures"])


def _show(layer: str, found: OrderSummary) -> None:
    decoded = int((found.decoded >= 0).sum())
    click.echo(f"{layer}: {len(found.decoded):,} windows, {decoded:,} decoded (q ≤ 0.05)")
    columns = (found.classes, found.episodes, found.dwell, found.first, found.centre)
    rows = [
        (
            str(label),
            str(runs),
            number(dwell, ",.0f"),
            NOTHING if first < 0 else f"{first:,}",
            number(centre, ",.0f"),
        )
        for label, runs, dwell, first, centre in zip(*columns, strict=True)
    ]
    print_table([("CLASS", "RUNS", "DWELL", "FIRST", "CENTRE"), *rows])
    test = found.test
    click.echo(f"order    {number(test.information)} bits a step, p {number(test.information_p)}")
    if found.drift is not None:
        drift = found.drift
        click.echo(f"drift    to new classes {number(drift.rho, '+.2f')}, p {number(drift.p)}")
    click.echo()
