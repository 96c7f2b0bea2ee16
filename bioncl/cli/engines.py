"""`bioncl engines`: which engines can run a night here."""

from __future__ import annotations

import click

from bioncl.cli.options import json_option, print_json, print_table


@click.command()
@json_option
def engines(as_json: bool) -> None:
    """List the engines, and for one that cannot be used on this machine, why."""
    from bioncl.spiking.engines import ENGINES

    found = [(name, entry.summary, _obstacle(name)) for name, entry in ENGINES.entries.items()]
    if as_json:
        keys = ("name", "summary", "available", "reason")
        rows = [(name, line, reason is None, reason) for name, line, reason in found]
        print_json({"engines": [dict(zip(keys, row, strict=True)) for row in rows]})
        return
    table = [(name, line, "yes" if why is None else f"no: {why}") for name, line, why in found]
    print_table([("ENGINE", "WHAT IT IS", "AVAILABLE"), *table])


def _obstacle(name: str) -> str | None:
    """Why the engine cannot be made here, or None if it can."""
    from bioncl.errors import UnsupportedError
    from bioncl.spiking.engines import ENGINES

    try:
        ENGINES.load(name)()
    except (ImportError, UnsupportedError) as error:
        return str(error)
    return None
