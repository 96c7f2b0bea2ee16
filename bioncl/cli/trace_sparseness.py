"""`bioncl trace sparseness`: the awake code before and after a night."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bioncl.cli.options import print_json, print_table
from bioncl.cli.trace_options import Asked, about_night, heading, number, percent, show_figures

if TYPE_CHECKING:
    from bioncl.analysis.night_summaries import CodeSummary


@about_night()
def sparseness(asked: Asked) -> None:
    """How sparse the awake code was before and after a night of the trace FILE.

    Means over the recorded examples: the share of active neurons, Treves–Rolls (small: sparse) and
    Hoyer (large: sparse); and how alike two examples of one class (WITHIN) and of two classes
    (BETWEEN) are represented. By default in all layers but the input, which sleep does not change.
    """
    with asked.opened() as view:
        from bioncl.analysis.night_summaries import sparseness_summary
        from bioncl.report.sparseness import sparseness_figure

        names = view.layers(asked.layers, view.trace.layers[1:])
        layers = {name: sparseness_summary(view, name) for name in names}
        found = asked.answer(
            view, {"layers": layers}, lambda: sparseness_figure(heading(view), layers)
        )
    if asked.as_json:
        return print_json(found)
    head = ("LAYER", "", "ACTIVE %", "TREVES-ROLLS", "HOYER", "WITHIN r", "BETWEEN r")
    rows = [
        (name, when, *_cells(code))
        for name, one in layers.items()
        for when, code in (("before", one.before), ("after", one.after))
    ]
    print_table([head, *rows])
    return show_figures(found["figures"])


def _cells(code: CodeSummary) -> tuple[str, ...]:
    numbers = (code.treves_rolls, code.hoyer, code.within, code.between)
    return (percent(code.active), *(number(value, ".3f") for value in numbers))
