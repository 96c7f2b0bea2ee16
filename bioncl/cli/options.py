"""Options that several commands share, and how a result is printed as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click


@dataclass
class Shell:
    """What one call of the command line knows besides its command (click's context object).

    Attributes:
        debug: Whether an error shows its traceback.
    """

    debug: bool = False


def _set_debug(ctx: click.Context, param: click.Parameter, given: bool) -> None:
    if given:
        ctx.ensure_object(Shell).debug = True


def debug_option() -> click.Option:
    """A new `--debug`; it may stand before or after the subcommand."""
    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        callback=_set_debug,
        help="Show the traceback of an error (also: BIONCL_DEBUG=1).",
    )


def add_debug_option(command: click.Command) -> None:
    """Give `command`, and all commands below it, the option `--debug`."""
    if all(parameter.name != "debug" for parameter in command.params):
        command.params.append(debug_option())
    if isinstance(command, click.Group):
        for below in command.commands.values():
            add_debug_option(below)


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object instead of text."
)
quiet_option = click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder that holds data sets (also: BIONCL_DATA).",
)


def print_json(value: dict[str, Any]) -> None:
    """Print `value` on standard output, as one JSON object."""
    click.echo(json.dumps(value, indent=1, allow_nan=False))


def print_table(rows: list[tuple[str, ...]]) -> None:
    """Print `rows` in left-aligned columns; the last one is as wide as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())
