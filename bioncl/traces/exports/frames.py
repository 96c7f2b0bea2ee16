"""pandas frames of a trace: one of its spikes, one of its nights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bioncl.traces.exports.optional import require
from bioncl.traces.exports.selection import EVERYTHING, Selection

if TYPE_CHECKING:
    import pandas

    from bioncl.traces.hdf5_reader import Night, Trace


def to_frame(trace: Trace, which: Selection = EVERYTHING) -> pandas.DataFrame:
    """One row a spike, by layer, then night, then step, then neuron.

    Columns: night (int32), layer (category, input first), step (int64, from the start of its
    night), neuron (int32). All spikes are held in memory, 18 bytes each, and thrice that meanwhile;
    choose a night or a window of a long run.

    Raises:
        UnsupportedError: pandas is not installed.
    """
    pd = require("pandas", "frames")
    layers = which.layers_of(trace)
    parts = [_columns(0, 0, np.zeros((0, 2), np.int64))]  # so that there is one in any case
    for code, layer in enumerate(layers):
        for window, events in which.pieces(trace, layer):
            parts.append(_columns(window.night.index, code, events))
    nights, codes, steps, neurons = (np.concatenate(part) for part in zip(*parts, strict=True))
    names = pd.Categorical.from_codes(codes, categories=layers)
    return pd.DataFrame({"night": nights, "layer": names, "step": steps, "neuron": neurons})


def nights_frame(trace: Trace) -> pandas.DataFrame:
    """One row a night, indexed by it: task, steps, what was recorded, and single-valued facts.

    Raises:
        UnsupportedError: pandas is not installed.
    """
    pd = require("pandas", "frames")
    rows = [_night_row(night, trace.step_ms) for night in trace.nights]
    index = pd.Index([night.index for night in trace.nights], name="night")
    return pd.DataFrame(rows, index=index)


def _columns(night: int, layer: int, events: np.ndarray) -> tuple[np.ndarray, ...]:
    size = len(events)
    nights = np.full(size, night, np.int32)
    layers = np.full(size, layer, np.int16)
    return nights, layers, events[:, 0].copy(), events[:, 1].astype(np.int32)


def _night_row(night: Night, step_ms: float) -> dict[str, Any]:
    facts = {k: v for k, v in night.facts.items() if isinstance(v, int | float | str)}
    return {
        **facts,
        "task": night.task,
        "steps": night.steps,
        "recorded": night.recorded,
        "first_step": night.first_step,
        "first_ms": night.first_step * step_ms,
        "complete": night.complete,
    }
