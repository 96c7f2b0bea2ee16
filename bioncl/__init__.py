"""bioncl: continual learning with sleep.

A network learns task after task; after each it may sleep: it is turned into a spiking twin, driven
by noise, changed by a local Hebbian rule and turned back. `import bioncl` itself loads nothing
heavy: the names below are imported when first used.

    run         run an experiment from a settings file, return its result
    sleep       let any torch network sleep through one night
    open_trace  open the recording of a run's nights
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bioncl.experiments.run import run as run
    from bioncl.nights.any_model import sleep as sleep
    from bioncl.traces.hdf5_reader import open_trace as open_trace

__version__ = "0.1.0"

_LAZY = {
    "run": "bioncl.experiments.run",
    "sleep": "bioncl.nights.any_model",
    "open_trace": "bioncl.traces.hdf5_reader",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _LAZY:
        message = f"module 'bioncl' has no attribute '{name}'"
        raise AttributeError(message)
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The names that are there and those that would be imported."""
    return sorted({*globals(), *_LAZY})
