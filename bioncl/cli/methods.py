"""`bioncl methods`: which learning methods there are."""

from __future__ import annotations

from typing import Any

import click

from bioncl.cli.options import json_option, print_json, print_table


@click.command()
@json_option
def methods(as_json: bool) -> None:
    """List the learning methods, the scenarios that they suit, and where they come from."""
    from bioncl.methods import METHODS

    found = [_facts(name, entry.summary) for name, entry in METHODS.entries.items()]
    if as_json:
        print_json({"methods": found})
        return
    rows = [(f["name"], ", ".join(f["scenarios"]), f["summary"], f["paper"]) for f in found]
    print_table([("METHOD", "SCENARIOS", "WHAT IT DOES", "PAPER"), *rows])


def _facts(name: str, summary: str) -> dict[str, Any]:
    from bioncl.methods import METHODS

    method = METHODS.load(name)
    return {
        "name": name,
        "scenarios": list(method.scenarios),
        "paper": method.paper,
        "summary": summary,
    }
