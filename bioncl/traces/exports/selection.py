"""Which spikes of a trace are exported: nights, layers, and a window of steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bioncl.errors import InputError, TraceError, describe, did_you_mean

if TYPE_CHECKING:
    from bioncl.traces.hdf5_reader import Night, Trace


@dataclass(frozen=True)
class Window:
    """Steps `start` up to `stop` (excluded) of a night, counted from the start of that night."""

    night: Night
    start: int
    stop: int


@dataclass(frozen=True)
class Selection:
    """A part of a trace; by default all of it.

    Attributes:
        night: Index of one night; None takes all of them.
        layers: Names of layers; none named takes all of them. They keep the order of the trace.
        start: First step; counted as in `Trace.spikes`, from the start of the night if one is
            given, else from the start of the run.
        stop: The step after the last; None goes to the end.
    """

    night: int | None = None
    layers: Sequence[str] = ()
    start: int = 0
    stop: int | None = None

    def layers_of(self, trace: Trace) -> list[str]:
        """Names of the chosen layers, input first.

        Raises:
            TraceError: The trace has no such layer.
        """
        for name in self.layers:
            if name not in trace.sizes:
                what = f"{trace.path} has no layer '{name}'"
                raise TraceError(describe(what, hint=did_you_mean(name, trace.sizes)))
        return [name for name in trace.layers if not self.layers or name in self.layers]

    def windows(self, trace: Trace) -> list[Window]:
        """The chosen steps night by night; nights without any are left out.

        Raises:
            TraceError: The trace has no such night.
            InputError: No recorded step is chosen.
        """
        nights = [night for night in trace.nights if self.night in (None, night.index)]
        if not nights:
            expected = ", ".join(str(night.index) for night in trace.nights) or "none"
            raise TraceError(describe(f"Night of {trace.path}", expected=expected, got=self.night))
        found = [self._window(night) for night in nights]
        found = [window for window in found if window.start < window.stop]
        if not found:
            got = f"{self.start} to {'the end' if self.stop is None else self.stop}"
            end = max(night.recorded + self._shift(night) for night in nights)
            what = f"No recorded step of {trace.path} is chosen"
            raise InputError(describe(what, expected=f"a window within 0 to {end}", got=got))
        return found

    def pieces(self, trace: Trace, layer: str) -> Iterator[tuple[Window, NDArray[np.int64]]]:
        """Yield a layer's spikes by night and step, in pieces of at most about a million.

        Each is int64 [events, 2] of (step, neuron), with steps from the start of its night.
        """
        for window in self.windows(trace):
            for events in trace.pieces(layer, window.night.index, window.start, window.stop):
                yield window, events

    def _shift(self, night: Night) -> int:
        """Where steps of this night are counted from."""
        return night.first_step if self.night is None else 0

    def _window(self, night: Night) -> Window:
        shift = self._shift(night)
        stop = night.recorded if self.stop is None else min(self.stop - shift, night.recorded)
        return Window(night, max(self.start - shift, 0), stop)


EVERYTHING = Selection()


def by_neuron(
    pieces: Sequence[NDArray[np.int64]], neurons: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sort spikes by neuron, keeping their order in time.

    Args:
        pieces: (step, neuron) of each spike, int64 [events, 2] each.
        neurons: Neurons of the layer.

    Returns:
        The steps, int64 [all events], and where each neuron's end, int64 [neurons].
    """
    events = np.concatenate([np.zeros((0, 2), np.int64), *pieces])
    order = np.argsort(events[:, 1], kind="stable")
    return events[order, 0], np.cumsum(np.bincount(events[:, 1], minlength=neurons))
