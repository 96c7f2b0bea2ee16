"""`bioncl trace confusion`: decisions on the test data before and after a night."""

from __future__ import annotations

import click

from bioncl.cli.options import print_json, print_table
from bioncl.cli.trace_options import NOTHING, Asked, about_night, heading, percent, show_figures


@about_night(layers=False)
def confusion(asked: Asked) -> None:
    """Which classes are taken for which before and after a night of the trace FILE.

    On the test data of all tasks. TAKEN FOR is the class that most of the wrongly decided examples
    were taken for.
    """
    with asked.opened() as view:
        from bioncl.analysis.night_outputs import confusion_summary
        from bioncl.report.confusion import confusion_figure

        summary = confusion_summary(view)
        found = asked.answer(view, vars(summary), lambda: confusion_figure(heading(view), summary))
    if asked.as_json:
        return print_json(found)
    rows = [
        (
            str(label),
            str(summary.ages[label]),
            percent(float(summary.accuracy_before[label])),
            percent(float(summary.accuracy_after[label])),
            _class(int(summary.wrong_before[label])),
            _class(int(summary.wrong_after[label])),
        )
        for label in range(len(summary.before))
        if summary.before[label].any()
    ]
    head = ("CLASS", "TASK", "BEFORE %", "AFTER %", "TAKEN FOR: BEFORE", "AFTER")
    print_table([head, *rows])
    click.echo(
        f"all      {percent(summary.all_before)} % before, {percent(summary.all_after)} % after"
    )
    return show_figures(found["figures"])


def _class(label: int) -> str:
    return NOTHING if label < 0 else str(label)
