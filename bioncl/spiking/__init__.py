"""Spiking twins: conversion from an artificial network, the noise that drives them, engines.

`simulate` runs one night on plain arrays; it is imported when first used, because the list of
engines lives in this package and has to stay quick to read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bioncl.spiking.simulation import Night as Night
    from bioncl.spiking.simulation import simulate as simulate

_LAZY = ("Night", "simulate")


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _LAZY:
        message = f"module 'bioncl.spiking' has no attribute '{name}'"
        raise AttributeError(message)
    from bioncl.spiking import simulation

    return getattr(simulation, name)
