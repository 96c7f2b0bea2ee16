"""`bioncl version`: what to name in a report."""

from __future__ import annotations

import importlib.metadata
import platform

import click

from bioncl import __version__
from bioncl.cli.options import json_option, print_json, print_table

LIBRARIES = ("torch", "numpy", "numba", "h5py")


@click.command()
@json_option
def version(as_json: bool) -> None:
    """Print the versions of bioncl, Python and the main libraries, and the platform."""
    found = {"bioncl": __version__, "python": platform.python_version()}
    found |= {name: _installed(name) for name in LIBRARIES}
    found["platform"] = platform.platform()
    if as_json:
        print_json(found)
    else:
        print_table(list(found.items()))


def _installed(name: str) -> str:
    """The installed version of a library, read without importing it."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
