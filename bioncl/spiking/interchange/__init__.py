"""Spiking twins for other libraries: as NIR graphs, as modules of snntorch and norse.

    SpikingNetwork ─► chain_twin ─┐
                                  ├─► Twin ─► write(twin, to, path) ─► file ─► their loaders or ours
    populations.Graph ────────────┘             nir        nir.read, then snntorch, norse, …
                                                snntorch   load_snntorch(path) -> nn.Module
                                                norse      load_norse(path) -> nn.Module

A new format is a function `write(twin, path)` and its line in `FORMATS`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bioncl.registry import Registry

if TYPE_CHECKING:
    from bioncl.spiking.interchange.twin import Twin

FORMATS = Registry(
    "format",
    {
        "nir": ("bioncl.spiking.interchange.nir_format:write", "NIR graph, hard reset"),
        "snntorch": ("bioncl.spiking.interchange.snntorch_module:write", "module of snntorch"),
        "norse": ("bioncl.spiking.interchange.norse_module:write", "module of norse"),
    },
)


def write(twin: Twin, to: str, path: Path | str) -> None:
    """Write `twin` to the file `path` in the format `to`, whole or not at all.

    Raises:
        InputError: Unknown format.
        UnsupportedError: The format cannot say what this twin is, or its library is missing.
        StorageError: The file cannot be written; whatever stood there is untouched.
    """
    FORMATS.load(to)(twin, Path(path))
