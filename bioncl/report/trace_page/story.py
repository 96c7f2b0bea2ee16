"""The main numbers of a night in words."""

from __future__ import annotations

import numpy as np

from bioncl.report.page.blocks import Missing
from bioncl.report.page.text import number, percent
from bioncl.report.trace_page.numbers import LayerNumbers, NightNumbers
from bioncl.report.trace_page.tables import accuracy


def in_short(night: NightNumbers) -> list[tuple[str, str]]:
    """(what, sentence) for each part of the night of which the file tells something."""
    lines = [("in", _went_in(night))]
    for what, tell in (("fired", _fired), ("replayed", _replayed), ("changed", _changed)):
        told = [f"{name} {text}" for name, one in night.layers.items() if (text := tell(one))]
        lines.append((what, "; ".join(told)))
    lines.append(("accuracy", _accuracy(night)))
    return [(what, f"{text}.") for what, text in lines if text]


def _went_in(night: NightNumbers) -> str:
    if isinstance(night.drive, Missing):
        return ""
    rate = number(night.drive.summary.mean_hz)
    return f"{night.drive.summary.spikes:,} input spikes in {night.recorded:,} steps, {rate} Hz"


def _fired(layer: LayerNumbers) -> str:
    if isinstance(layer.firing, Missing):
        return ""
    found = layer.firing.summary
    return f"at {number(found.mean_hz)} Hz, {percent(found.silent, '.0f')} % of it silent"


def _replayed(layer: LayerNumbers) -> str:
    found = layer.replay
    if isinstance(found, Missing):
        return ""
    text = f"{np.sum(found.decoded >= 0):,} of {len(found.windows):,} windows decoded"
    if found.tasks is not None and not found.tasks.new.all():
        old, new = (number(r, "+.2f") for r in (found.tasks.old_score, found.tasks.new_score))
        return f"{text} (r with old classes {old}, with new ones {new})"
    return text


def _changed(layer: LayerNumbers) -> str:
    found = layer.weights
    if isinstance(found, Missing):
        return ""
    up, down = (share / max(found.synapses, 1) for share in (found.change.up, found.change.down))
    return f"{percent(up)} % of weights grown, {percent(down)} % shrunk"


def _accuracy(night: NightNumbers) -> str:
    before, after = (accuracy(night, when) for when in ("before", "after"))
    if before is None or after is None:
        return ""
    return f"from {percent(before)} to {percent(after)} % on all classes"
