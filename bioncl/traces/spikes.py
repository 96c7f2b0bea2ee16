"""Spikes of one layer over some steps, as sparse events."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Spikes:
    """Which neurons fired at each step, in compressed rows.

    The neurons that fired at step t are `ids[offsets[t]:offsets[t + 1]]`, ascending.

    Attributes:
        neurons: Number of neurons of the layer.
        offsets: int64 [steps + 1], starting at 0.
        ids: int32 [spikes].
    """

    neurons: int
    offsets: NDArray[np.int64]
    ids: NDArray[np.int32]

    @property
    def steps(self) -> int:
        """Number of time steps."""
        return len(self.offsets) - 1

    @classmethod
    def from_raster(cls, raster: NDArray[np.bool_]) -> Spikes:
        """From a bool raster [steps, neurons]."""
        steps, neurons = raster.shape
        places = np.flatnonzero(raster)  # several times quicker than nonzero in two dimensions
        offsets = np.searchsorted(places, np.arange(steps + 1) * neurons)
        return cls(neurons, offsets, (places % max(neurons, 1)).astype(np.int32))

    def between(self, start: int, stop: int) -> Spikes:
        """The spikes of the steps start ≤ t < stop, counted from `start`; ids are shared."""
        offsets = self.offsets[start : stop + 1]
        return Spikes(self.neurons, offsets - offsets[0], self.ids[offsets[0] : offsets[-1]])

    def raster(self) -> NDArray[np.bool_]:
        """As a bool raster [steps, neurons]."""
        raster = np.zeros((self.steps, self.neurons), np.bool_)
        raster[self.event_steps(), self.ids] = True
        return raster

    def event_steps(self) -> NDArray[np.int64]:
        """The step of each event: int64 [spikes]."""
        return np.repeat(np.arange(self.steps), np.diff(self.offsets))

    def events(self) -> NDArray[np.int64]:
        """(step, neuron) of each spike: int64 [spikes, 2], by step, then neuron."""
        return np.stack([self.event_steps(), self.ids.astype(np.int64)], axis=1)

    def counts(self) -> NDArray[np.int64]:
        """Spikes of each neuron: int64 [neurons]."""
        return np.bincount(self.ids, minlength=self.neurons).astype(np.int64)
