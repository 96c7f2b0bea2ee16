"""The table that `bioncl compare` prints: drawn on a terminal, plain columns elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bioncl.cli.options import print_table
from bioncl.experiments.comparison.summary import Comparison, Problem, Row
from bioncl.report.comparison_page.tables import p_text, span, spread
from bioncl.report.page.text import NOTHING, number, percent

_RESULTS = ("SETTINGS", "ACC %", "95 %", "DIFFERENCE", "P", "BWT", "FORGETTING")
HEAD = (*_RESULTS, "EXAMPLES", "BYTES", "STEPS", "SECONDS", "SEEDS")
_COSTS = ("stored_examples", "bytes", "training_steps", "seconds")


def show(comparison: Comparison, out: Path, page: Path) -> None:
    """Print a table of each problem, and where everything is."""
    for problem in comparison.problems:
        title = f"{problem.name} · {problem.scenario}-incremental · against {problem.baseline}"
        rows = [cells(problem, row) for row in problem.rows]
        if sys.stdout.isatty():
            draw(title, rows)
        else:
            click.echo(title)
            print_table([HEAD, *rows])
    click.echo(f"results  {out / 'results.csv'}")
    click.echo(f"report   {page}")


def cells(problem: Problem, row: Row) -> tuple[str, ...]:
    """A line of the table."""
    seeds = f"{len(row.values)}/{len(row.outcomes)}"
    if not row.values:
        return (row.label, *[NOTHING] * (len(HEAD) - 2), seeds)
    found = row.estimates
    difference = problem.difference(row.label)
    about = difference.estimate if difference else None
    return (
        row.label,
        spread(found["acc"]),
        span(found["acc"]),
        percent(about.mean, "+.1f") if about else NOTHING,
        p_text(difference.p_holm if difference else None),
        percent(found["bwt"].mean, "+.1f"),
        percent(found["forgetting"].mean),
        *(number(found[name].mean) for name in _COSTS),
        seeds,
    )


def draw(title: str, rows: list[tuple[str, ...]]) -> None:
    """Print a table with lines, as wide as the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold")
    for name in HEAD:
        table.add_column(name, justify="left" if name == HEAD[0] else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console().print(table, markup=False)
