"""`bioncl trace report`: all nights of a run as one HTML page."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bioncl.cli.options import json_option, print_json
from bioncl.cli.progress import reporter
from bioncl.cli.trace_options import file_argument, seed_option, shuffles_option, title_of

if TYPE_CHECKING:
    from bioncl.progress import Progress
    from bioncl.report.trace_page.numbers import PageSettings


@click.command()
@file_argument
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PAGE",
    help="The page; by default FILE with .html for its ending.",
)
@click.option(
    "--night",
    "nights",
    type=click.IntRange(min=0),
    multiple=True,
    help="Only this night, by its index; may be repeated.",
)
@click.option(
    "--window",
    type=click.IntRange(min=1),
    help="Steps of a window in which replay is looked for; by default 500, or a tenth of a night "
    "that is shorter than 5,000 steps.",
)
@shuffles_option
@seed_option
@json_option
def report(
    file: Path,
    out: Path | None,
    nights: tuple[int, ...],
    window: int | None,
    shuffles: int,
    seed: int,
    as_json: bool,
) -> None:
    """Write a page about the trace FILE.

    What went into each night, what fired, what was replayed, what changed, and what it did to the
    accuracy. One HTML file for any browser, without a network: the reader picks night and layer,
    and zooms into the rasters. All its numbers stand in it as JSON.
    """
    page = out or file.with_suffix(".html")
    if page.resolve() == file.resolve():
        raise click.UsageError(f"{page} is the trace itself: name another page with --out.")
    from bioncl.report.trace_page.numbers import PageSettings

    how = PageSettings(window, shuffles, seed)
    write_report(file, page, nights, how, reporter(quiet=not sys.stderr.isatty()))
    if as_json:
        return print_json({"page": str(page), "bytes": page.stat().st_size})
    return click.echo(str(page))


def write_report(
    file: Path, page: Path, nights: Sequence[int], how: PageSettings, progress: Progress
) -> None:
    """Write the page about the trace `file`; no `nights` stands for all."""
    from bioncl.atomic import write_text
    from bioncl.report.trace_page.page import trace_page
    from bioncl.traces.hdf5_reader import open_trace

    with open_trace(file) as trace:
        text = trace_page(trace, title_of(trace), nights, how, progress)
    write_text(page, text)
