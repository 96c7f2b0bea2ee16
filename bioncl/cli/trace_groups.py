"""`bioncl trace groups`: what a night did to synapses of old and of new tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bioncl.cli.options import print_json, print_table
from bioncl.cli.trace_options import Asked, about_night, heading, number, percent, show_figures

if TYPE_CHECKING:
    from bioncl.analysis.night_weights import GroupsSummary


@about_night()
def groups(asked: Asked) -> None:
    """What a night of the trace FILE did to synapses that serve old tasks and the new one.

    A neuron serves the task of the class for which it is most active awake, an output that of its
    own class; – are neurons without preference and outputs of classes not seen yet. A row is about
    all synapses FROM such neurons of the layer below TO such neurons of the layer.
    """
    with asked.opened() as view:
        from bioncl.analysis.night_weights import groups_summary
        from bioncl.report.groups import groups_figure

        names = view.layers(asked.layers, view.weight_names())
        layers = {name: groups_summary(view, name) for name in names}
        found = asked.answer(view, {"layers": layers}, lambda: groups_figure(heading(view), layers))
    if asked.as_json:
        return print_json(found)
    rows = [row for name, one in layers.items() for row in _rows(name, one)]
    head = ("LAYER", "FROM", "TO", "SYNAPSES", "UP %", "DOWN %", "MEAN BEFORE", "MEAN CHANGE")
    print_table([head, *rows])
    return show_figures(found["figures"])


def _rows(layer: str, found: GroupsSummary) -> list[tuple[str, ...]]:
    """A row for each pair of groups between which there are synapses."""
    change, rows = found.change, []
    for j, below in enumerate(found.groups):
        for i, group in enumerate(found.groups):
            if count := int(change.synapses[i, j]):
                before = change.before[i, j] / count if found.known else None
                shares = (percent(float(part[i, j] / count)) for part in (change.up, change.down))
                means = number(before, "+.3g"), number(float(found.mean_change[i, j]), "+.3g")
                rows.append((layer, below, group, f"{count:,}", *shares, *means))
    return rows
