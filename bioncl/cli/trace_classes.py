"""`bioncl trace classes`: output spikes of each class."""

from __future__ import annotations

from bioncl.cli.options import print_json, print_table
from bioncl.cli.trace_options import (
    Asked,
    about_night,
    heading,
    number,
    percent,
    show_figures,
    window_option,
)


@about_night(window_option, layers=False, steps=True)
def classes(asked: Asked, window: int) -> None:
    """How often the output of each class fires in a night of the trace FILE.

    TASK tells classes of earlier tasks (old) from those of the night's own (new). The figure shows
    them over the night, in windows.
    """
    with asked.opened() as view:
        from bioncl.analysis.night_outputs import classes_summary
        from bioncl.report.classes import classes_figure

        summary = classes_summary(view, window)
        found = asked.answer(view, vars(summary), lambda: classes_figure(heading(view), summary))
    if asked.as_json:
        return print_json(found)
    columns = (summary.classes, summary.ages, summary.spikes, summary.share, summary.rates_hz)
    rows = [
        (str(label), str(age), f"{spikes:,}", percent(share), number(rate))
        for label, age, spikes, share, rate in zip(*columns, strict=True)
    ]
    print_table([("CLASS", "TASK", "SPIKES", "SHARE %", "MEAN Hz"), *rows])
    return show_figures(found["figures"])
