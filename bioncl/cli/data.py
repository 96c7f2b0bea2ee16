"""`bioncl data`: which data sets there are, where they are, and fetching them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from bioncl.cli.options import data_dir_option, json_option, print_json, print_table, quiet_option
from bioncl.cli.progress import reporter
from bioncl.errors import DataError, describe


@click.group()
def data() -> None:
    """List, fetch and find data sets.

    A file is looked for in --data-dir, in the folder that BIONCL_DATA names, among the system's
    data sets and in the cache (BIONCL_CACHE); its checksum is verified wherever it is found.
    """


@data.command("list")
@data_dir_option
@json_option
def list_sets(data_dir: Path | None, as_json: bool) -> None:
    """List the data sets and whether they are on this machine; uses no network."""
    from bioncl.streams.labelled.catalogue import cards

    found = [_facts(card.name, data_dir) for card in cards()]
    if as_json:
        print_json({"datasets": found})
        return
    rows = [
        (f["name"], _megabytes(f["bytes"]), "yes" if f["present"] else "no", f["summary"])
        for f in found
    ]
    print_table([("DATA SET", "SIZE", "HERE", "WHAT IT IS"), *rows])


@data.command()
@click.argument("name")
@data_dir_option
@quiet_option
@json_option
def fetch(name: str, data_dir: Path | None, quiet: bool, as_json: bool) -> None:
    """Download what is missing of the data set NAME, and print where its files are."""
    from bioncl.streams.files import DataPlaces
    from bioncl.streams.labelled import catalogue

    _print_paths(
        name, catalogue.fetch(name, DataPlaces(data_dir, progress=reporter(quiet))), as_json
    )


@data.command()
@click.argument("name")
@data_dir_option
@json_option
def path(name: str, data_dir: Path | None, as_json: bool) -> None:
    """Print where the files of the data set NAME are; uses no network."""
    from bioncl.streams.files import DataPlaces
    from bioncl.streams.labelled.catalogue import status

    found = status(name, DataPlaces(data_dir, download=False))
    if not found.present:
        raise DataError(describe(f"Data set '{name}' is not here", hint=f"Way out: {found.note}."))
    _print_paths(name, found.where, as_json)


def _facts(name: str, data_dir: Path | None) -> dict[str, Any]:
    from bioncl.streams.files import DataPlaces
    from bioncl.streams.labelled.catalogue import card, status

    known, found = card(name), status(name, DataPlaces(data_dir, download=False))
    return {
        "name": name,
        "summary": known.summary,
        "source": known.source,
        "licence": known.licence,
        "bytes": known.size,
        "present": found.present,
        "files": [str(file) for file in found.where],
        "note": found.note,
    }


def _print_paths(name: str, files: Sequence[Path], as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "files": [str(file) for file in files]})
        return
    for file in files:
        click.echo(file)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size else "-"
