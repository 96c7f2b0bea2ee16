"""`bioncl trace reactivation`: sleep spikes of the neurons most active awake for each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bioncl.cli.options import print_json, print_table
from bioncl.cli.trace_options import (
    Asked,
    about_night,
    heading,
    number,
    seed_option,
    show_figures,
    shuffles_option,
)

if TYPE_CHECKING:
    from bioncl.analysis.night_replay import ReactivationSummary

top_option = click.option(
    "--top",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many neurons a class has.",
)


@about_night(top_option, shuffles_option, seed_option, steps=True)
def reactivation(asked: Asked, top: int, shuffles: int, seed: int) -> None:
    """Whether the neurons most active awake for a class fire more in a night of the trace FILE.

    TOP and OTHERS are mean spike counts of the class's --top neurons and of all others, p the share
    of random sets of neurons that fired as much. EXAMPLES takes the top neurons of each example
    instead, as published. By default of all layers but input and output.
    """
    with asked.opened() as view:
        from bioncl.analysis.night_replay import reactivation_summary
        from bioncl.report.reactivation import reactivation_figure

        names = view.layers(asked.layers, view.trace.layers[1:-1] or view.trace.layers[1:])
        layers = {name: reactivation_summary(view, name, top, shuffles, seed) for name in names}
        found = asked.answer(
            view, {"layers": layers}, lambda: reactivation_figure(heading(view), layers)
        )
    if asked.as_json:
        return print_json(found)
    for name, one in layers.items():
        _show(name, one)
    return show_figures(found["figures"])


def _show(layer: str, found: ReactivationSummary) -> None:
    mean = number(found.mean)
    click.echo(f"{layer}: top {found.top} neurons of each class, mean of all {mean} spikes")
    columns = (
        found.classes,
        found.ages,
        found.by_class.top,
        found.by_class.others,
        found.by_class.p,
        found.by_example.mean,
        found.by_example.deviation,
    )
    rows = [
        (
            str(label),
            str(age),
            *map(number, (mine, others, p)),
            f"{number(mean)} ± {number(spread)}",
        )
        for label, age, mine, others, p, mean, spread in zip(*columns, strict=True)
    ]
    print_table([("CLASS", "TASK", "TOP", "OTHERS", "p", "EXAMPLES"), *rows])
    click.echo()
