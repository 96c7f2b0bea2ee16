"""`bioncl trace weights`: what a night did to the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bioncl.cli.options import print_json, print_table
from bioncl.cli.trace_options import Asked, about_night, heading, number, show_figures

if TYPE_CHECKING:
    from bioncl.analysis.night_summaries import WeightsSummary

_UNKNOWN = (
    "The trace does not hold the weights before the night, only their change: no stable ranks, no "
    "relative change. The setting trace.weights_before = true keeps them."
)


@about_night()
def weights(asked: Asked) -> None:
    """What a night of the trace FILE did to the weights into each layer.

    RELATIVE is the norm of the change over that of the weights before. STABLE RANK counts the
    directions that matter. Rows of the output are its classes, of earlier tasks and of this one.
    """
    with asked.opened() as view:
        from bioncl.analysis.night_summaries import weights_summary
        from bioncl.report.weights import weights_figure

        names = view.layers(asked.layers, view.weight_names())
        arrays = {name: view.weights(name) for name in names}
        layers = {name: weights_summary(view, name) for name in names}
        complete = all(one.before is not None for one in arrays.values())
        found = asked.answer(
            view,
            {"layers": layers, "weights_before": complete},
            lambda: weights_figure(heading(view), arrays, layers),
        )
    if asked.as_json:
        return print_json(found)
    print_table([_HEAD, *(_row(name, one) for name, one in layers.items())])
    for name, one in layers.items():
        _show_rows(name, one)
    if not complete:
        click.echo(_UNKNOWN)
    return show_figures(found["figures"])


_HEAD = ("LAYER", "SYNAPSES", "UP", "DOWN", "UNCHANGED", "MEAN", "RELATIVE", "STABLE RANK", "AFTER")


def _row(layer: str, found: WeightsSummary) -> tuple[str, ...]:
    change = found.change
    counts = (found.synapses, change.up, change.down, change.unchanged)
    ranks = (found.stable_rank_before, found.stable_rank_after)
    return (
        layer,
        *(f"{count:,}" for count in counts),
        number(change.mean, "+.3g"),
        *map(number, (change.relative, *ranks)),
    )


def _show_rows(layer: str, found: WeightsSummary) -> None:
    for age, rows in (("old", found.old_rows), ("new", found.new_rows)):
        if rows is not None and len(rows.classes):
            classes = ", ".join(map(str, rows.classes.tolist()))
            mean = number(rows.mean, "+.3g")
            click.echo(
                f"{layer}, {age} classes {classes}: {rows.up:,} up, {rows.down:,} down, mean {mean}"
            )
