"""`bioncl trace weights`: what a night did to the weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bioncl.cli.options import json_option, print_json, print_table
from bioncl.cli.trace_options import (
    answer,
    drawn,
    file_argument,
    format_option,
    heading,
    layer_option,
    night_option,
    number,
    opened,
    out_option,
    show_figures,
)

if TYPE_CHECKING:
    from bioncl.analysis.night_summaries import WeightsSummary

_UNKNOWN = (
    "The trace does not hold the weights before the night, only their change: no stable ranks, no "
    "relative change. The setting trace.weights_before = true keeps them."
)


@click.command()
@file_argument
@night_option
@layer_option
@out_option
@format_option
@json_option
def weights(
    file: Path,
    night: int | None,
    layers: tuple[str, ...],
    out: Path | None,
    formats: tuple[str, ...],
    as_json: bool,
) -> None:
    """What a night of the trace FILE did to the weights into each layer.

    RELATIVE is the norm of the change over that of the weights before. STABLE RANK counts the
    directions that matter. Rows of the output are its classes, of earlier tasks and of this one.
    """
    with opened(file, night) as view:
        from bioncl.analysis.night_summaries import weights_summary
        from bioncl.report.weights import weights_figure

        names = view.layers(layers, view.weight_names())
        arrays = {name: view.weights(name) for name in names}
        found = {name: weights_summary(view, name) for name in names}
        figures = drawn(
            view, out, "weights", formats, lambda: weights_figure(heading(view), arrays)
        )
        complete = all(one.before is not None for one in arrays.values())
        result = answer(view, found, figures) | {"weights_before": complete}
    if as_json:
        return print_json(result)
    print_table([_HEAD, *(_row(name, one) for name, one in found.items())])
    for name, one in found.items():
        _show_rows(name, one)
    if not complete:
        click.echo(_UNKNOWN)
    return show_figures(figures)


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
