"""The command `bioncl`: the table of its commands, and the way in and out."""

from __future__ import annotations

import sys

import click

from bioncl import __version__
from bioncl.cli.errors import run_command
from bioncl.cli.lazy import LazyGroup
from bioncl.cli.options import add_debug_option

COMMANDS = {
    "run": ("bioncl.cli.run:run", "Run an experiment: all tasks, and the nights between them."),
    "train": ("bioncl.cli.train:train", "Learn one task, awake."),
    "sleep": ("bioncl.cli.sleep:sleep", "Let a checkpoint sleep for one night."),
    "eval": ("bioncl.cli.eval:evaluate", "Accuracy of a checkpoint on each task."),
    "compare": ("bioncl.cli.compare:compare", "Compare several settings on the same seeds."),
    "convert": ("bioncl.cli.convert:convert", "Write a spiking twin for another library."),
    "tune": ("bioncl.cli.tune:tune", "Search for settings on validation data."),
    "data": ("bioncl.cli.data:data", "List, fetch and find data sets."),
    "trace": ("bioncl.cli.trace:trace", "Look into the nights of a recorded run."),
    "methods": ("bioncl.cli.methods:methods", "List the learning methods."),
    "engines": ("bioncl.cli.engines:engines", "List the engines that can run a night."),
    "version": ("bioncl.cli.version:version", "Versions of bioncl and what it runs on."),
}


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Continual learning with sleep.

    Results go to standard output, progress to standard error. Exit codes: 0 done, 1 the run failed,
    2 the input is wrong, 130 interrupted.
    """


add_debug_option(cli)


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    sys.exit(run_command(cli))
