"""A click group that knows its commands from a table and imports one only when it is called.

click's own group asks every subcommand for its help line, which would import them all, and torch
with them; here the line stands in the table.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from bioncl.cli.options import add_debug_option
from bioncl.errors import did_you_mean

Table = Mapping[str, tuple[str, str]]


class LazyGroup(click.Group):
    """A group of commands in a table: name -> ("module:command", one line of help)."""

    def __init__(self, *args: Any, table: Table, **attributes: Any) -> None:
        """Make a group of the commands in `table`; the rest is click's."""
        super().__init__(*args, **attributes)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, or None for an unknown name."""
        if cmd_name not in self.table:
            return None
        module, _, attribute = self.table[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        add_debug_option(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with our suggestion for an unknown name."""
        name = args[0]
        if name not in self.table and not name.startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"No such command '{name}'. {did_you_mean(name, self.table)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table into the help text, importing nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.table.items()])
