"""What the page's raster viewer gets of each layer and night.

A picture of the whole night, binned, and each single spike of as long a stretch from its middle as
`EXACT` spikes allow: of the whole night in most layers. `raster.js` reads them.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bioncl.analysis.night import NightView
from bioncl.analysis.raster import binned_raster
from bioncl.analysis.rates import bin_edges
from bioncl.report.page import pictures

EXACT = 20_000
_TIME_BINS = 400
_NEURON_GROUPS = 150


@dataclass(frozen=True)
class Raster:
    """One layer's spikes in one night, ready for the viewer.

    Attributes:
        steps: Of the night.
        neurons: Of the layer.
        binned: Picture as a data URI: neurons upwards, steps to the right; opaque is `top_hz`.
        bins: Its columns and rows.
        top_hz: Rate from which a cell is opaque.
        start: First step of the stretch of single spikes.
        stop: The step after its last.
        spikes: Single spikes, see `packed`.
        total: All spikes of the night.
    """

    kind: ClassVar[str] = "raster"
    steps: int
    neurons: int
    binned: str
    bins: tuple[int, int]
    top_hz: float
    start: int
    stop: int
    spikes: str
    total: int


def raster(view: NightView, layer: str) -> Raster:
    """Read a layer's spikes piece by piece, and pack them for the viewer."""
    trace, neurons, steps = view.trace, view.trace.sizes[layer], view.night.recorded
    columns = bin_edges(0, steps, _TIME_BINS)
    rows = bin_edges(0, neurons, _NEURON_GROUPS)
    counts = np.zeros((len(columns) - 1, len(rows) - 1), np.int64)
    for piece in trace.pieces(layer, view.night.index):
        counts += binned_raster(piece, columns, rows)
    seconds = np.diff(columns) * trace.step_ms / 1000
    rates = counts / np.outer(seconds, np.diff(rows))
    fired = rates[rates > 0]
    top = float(np.quantile(fired, 0.95)) if len(fired) else 0.0
    start, stop, events = _exact(view, layer, int(counts.sum()))
    return Raster(
        steps=steps,
        neurons=neurons,
        binned=pictures.cells(rates.T[::-1] / (top or 1.0)),
        bins=counts.shape,
        top_hz=top,
        start=start,
        stop=stop,
        spikes=packed(events, neurons),
        total=int(counts.sum()),
    )


def _exact(view: NightView, layer: str, total: int) -> tuple[int, int, NDArray[np.int64]]:
    """First step, end and spikes of the stretch that is shown spike by spike."""
    steps = view.night.recorded
    length = steps if total <= EXACT else max(steps * EXACT // total, 1)
    while True:
        start = (steps - length) // 2
        events = view.trace.spikes(layer, view.night.index, start, start + length)
        if len(events) <= EXACT or length == 1:
            return start, start + length, events
        length = max(length // 2, 1)


def packed(events: NDArray[np.int64], neurons: int) -> str:
    """Spikes as a short text.

    Each spike is step × neurons + neuron; differences from one to the next are written as bytes of
    7 bits, lowest first, of which all but the last have the highest bit set; all that in base64.

    Args:
        events: (step, neuron) by step, then neuron: int64 [events, 2].
        neurons: Of the layer.
    """
    keys = events[:, 0] * neurons + events[:, 1]
    gaps = np.diff(keys, prepend=0)
    shifts = 7 * np.arange(9)
    groups = gaps[:, None] >> shifts
    more = (groups[:, 1:] > 0) * 128
    pieces = (groups & 127) + np.hstack([more, np.zeros((len(gaps), 1), np.int64)])
    kept = np.hstack([np.ones((len(gaps), 1), bool), groups[:, 1:] > 0])
    return base64.b64encode(pieces[kept].astype(np.uint8).tobytes()).decode("ascii")
