"""`bioncl trace line`: loss and accuracy on the way from awake to asleep weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bioncl.cli.options import data_dir_option, print_json, print_table, quiet_option
from bioncl.cli.settings_options import parse_sets, set_option
from bioncl.cli.trace_options import Asked, about_night, heading, number, percent, show_figures

if TYPE_CHECKING:
    from bioncl.experiments.line import NightLine

_NEAR = 1e-3

points_option = click.option(
    "--points",
    type=click.IntRange(min=2),
    default=21,
    show_default=True,
    help="Points of the line, both ends included.",
)


@about_night(points_option, data_dir_option, set_option, quiet_option, layers=False)
def line(
    asked: Asked, points: int, data_dir: Path | None, sets: tuple[str, ...], quiet: bool
) -> None:
    """Loss and accuracy on the line from awake to asleep weights of a night of the trace FILE.

    Stream and network are made from the settings in the trace, so its data has to be here. At α the
    weights are (1 − α) times those before the night plus α times those after it; scored on the test
    data of the tasks so far. The barrier is the largest loss above the straight line between the
    two ends.
    """
    from bioncl.cli.progress import reporter

    given = [("data.dir", str(data_dir))] if data_dir else []
    with asked.opened() as view:
        from bioncl.experiments.line import night_line
        from bioncl.report.line import line_figure

        progress = reporter(quiet or asked.as_json)
        walked = night_line(view, points, [*parse_sets(sets), *given], progress)
        numbers = {**vars(walked.line), **vars(walked)}
        del numbers["line"]
        found = asked.answer(view, numbers, lambda: line_figure(heading(view), walked))
    if asked.as_json:
        return print_json(found)
    _show(walked)
    return show_figures(found["figures"])


def _show(found: NightLine) -> None:
    head = ("ALPHA", "LOSS", "ACCURACY %", *(f"task {i} %" for i in range(len(found.tasks))))
    at = zip(found.line.alphas, found.line.loss, found.line.accuracy, strict=True)
    rows = [
        (f"{alpha:.3g}", number(loss, ".4g"), percent(accuracy), *map(percent, tasks))
        for (alpha, loss, accuracy), tasks in zip(at, found.task_accuracy.tolist(), strict=True)
    ]
    print_table([head, *rows])
    click.echo(f"barrier  {number(found.barrier, '.4g')}")
    if found.recorded is None:
        return
    away = abs(found.task_accuracy[[0, -1]] - found.recorded).max()
    if away > _NEAR:
        click.echo(
            f"note     the ends are up to {100 * away:.1f} points from what the trace recorded: "
            "other data, settings or versions?"
        )
