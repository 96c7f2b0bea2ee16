"""Options that say what runs and where: `--set KEY=VALUE`, what is short for it, and workers."""

from __future__ import annotations

import tomllib
from typing import Any

import click

set_option = click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one setting, such as train.lr=0.05 or methods.0.memory=500; VALUE is TOML, or "
    "else text. May be repeated.",
)
device_option = click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), help="Where to compute; by default the CPU."
)
seed_option = click.option(
    "--seed",
    type=click.IntRange(min=0),
    metavar="N",
    help="Fixes everything random; by default that of the settings.",
)

workers_option = click.option(
    "--workers",
    type=click.IntRange(min=0),
    metavar="N",
    help="Processes to run in; 0 is this one. By default one for each core, where Dask is there.",
)
scheduler_option = click.option(
    "--scheduler", metavar="ADDRESS", help="Run on the workers of this Dask scheduler."
)


def parse_sets(sets: tuple[str, ...]) -> list[tuple[str, Any]]:
    """Keys and values of `--set`; values are TOML, and plain text where they are not."""
    found = []
    for item in sets:
        key, equals, text = item.partition("=")
        if not equals or not key.strip():
            message = f"'{item}' is not KEY=VALUE, such as train.lr=0.05"
            raise click.BadParameter(message, param_hint="--set")
        found.append((key.strip(), value_of(text.strip())))
    return found


def value_of(text: str) -> Any:
    """`text` as a TOML value, or as it is."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
