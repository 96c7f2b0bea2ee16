"""`bioncl trace sparseness`: the awake code before and after a night."""

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
    percent,
    show_figures,
)

if TYPE_CHECKING:
    from bioncl.analysis.night_summaries import CodeSummary


@click.command()
@file_argument
@night_option
@layer_option
@out_option
@format_option
@json_option
def sparseness(
    file: Path,
    night: int | None,
    layers: tuple[str, ...],
    out: Path | None,
    formats: tuple[str, ...],
    as_json: bool,
) -> None:
    """How sparse the awake code was before and after a night of the trace FILE.

    Means over the recorded examples: the share of active neurons, Treves–Rolls (small: sparse) and
    Hoyer (large: sparse); and how alike two examples of one class (WITHIN) and of two classes
    (BETWEEN) are represented. By default in all layers but the input, which sleep does not change.
    """
    with opened(file, night) as view:
        from bioncl.analysis.night_summaries import sparseness_summary
        from bioncl.report.sparseness import sparseness_figure

        names = view.layers(layers, view.trace.layers[1:])
        found = {name: sparseness_summary(view, name) for name in names}
        figures = drawn(
            view, out, "sparseness", formats, lambda: sparseness_figure(heading(view), found)
        )
        if as_json:
            return print_json(answer(view, found, figures))
    head = ("LAYER", "", "ACTIVE %", "TREVES-ROLLS", "HOYER", "WITHIN r", "BETWEEN r")
    rows = [
        (name, when, *_cells(code))
        for name, one in found.items()
        for when, code in (("before", one.before), ("after", one.after))
    ]
    print_table([head, *rows])
    return show_figures(figures)


def _cells(code: CodeSummary) -> tuple[str, ...]:
    numbers = (code.treves_rolls, code.hoyer, code.within, code.between)
    return (percent(code.active), *(number(value, ".3f") for value in numbers))
