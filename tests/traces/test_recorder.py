"""The recorder that keeps a night in memory."""

from __future__ import annotations

import numpy as np

from bioncl.traces.recorder import MemoryRecorder
from bioncl.traces.spikes import Spikes


def test_chunks_are_put_together_with_steps_of_the_whole_night():
    raster = np.random.default_rng(0).random((30, 2, 4)) < 0.4
    recorder, first = MemoryRecorder(), 0
    for count in (7, 1, 0, 22):
        for layer in (0, 1):
            part = Spikes.from_raster(raster[first : first + count, layer])
            kept = part.ids.copy(), part.offsets.copy()
            recorder.spikes(layer, first, part)
            assert np.array_equal(part.ids, kept[0])
            assert np.array_equal(part.offsets, kept[1])
        first += count
    for layer, events in enumerate(recorder.events()):
        assert np.array_equal(events, np.argwhere(raster[:, layer]))


def test_nothing_recorded_nothing_kept():
    assert MemoryRecorder().events() == []
