"""How the fast path cuts a night into batches and tiles; `test_event` compares its results."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bioncl.plasticity import Gated
from bioncl.spiking.engines import tiled
from bioncl.spiking.engines.event import Event
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces import MemoryRecorder, Spikes


def silence(steps):
    return Spikes(3, np.zeros(steps + 1, np.int64), np.zeros(0, np.int32))


@given(st.lists(st.integers(0, 5), max_size=40))
def test_batches_hold_all_chunks_in_order(lengths):
    chunks = [silence(n) for n in lengths]
    found = list(tiled.batches(iter(chunks)))
    assert [id(c) for batch in found for c in batch] == [id(c) for c in chunks]
    assert all(found)


def test_quick_consumers_get_longer_batches_up_to_a_bound():
    found = [len(batch) for batch in tiled.batches(silence(500) for _ in range(200))]
    assert found[:3] == [1, 4, 16]
    assert max(found) == -(-tiled.BATCH_STEPS // 500)


def test_a_slow_consumer_gets_chunk_by_chunk(monkeypatch):
    monkeypatch.setattr(tiled, "BATCH_SECONDS", 0.0)
    assert [len(batch) for batch in tiled.batches(silence(5) for _ in range(7))] == [1] * 7


def test_joined_chunks_are_the_chunks_one_after_another():
    rng = np.random.default_rng(0)
    raster = rng.random((50, 7)) < 0.2
    parts = [Spikes.from_raster(raster[a:b]) for a, b in ((0, 9), (9, 9), (9, 50))]
    np.testing.assert_array_equal(tiled.joined(parts).raster(), raster)


def test_memory_is_used_again_and_not_kept_without_end(monkeypatch):
    monkeypatch.setattr(tiled.Room, "spare", {})
    monkeypatch.setattr(tiled, "SPARE_BYTES", 3000)
    room = tiled.Room()
    first = room((4, 100), np.dtype(np.float32))
    assert first.ctypes.data % 64 == 0
    address = first.ctypes.data
    room.free()
    assert room((4, 100), np.dtype(np.float32)).ctypes.data == address
    room((4, 100), np.dtype(np.float32))
    room.free()
    assert sum(len(m) for each in tiled.Room.spare.values() for m in each) < 3000


def night(width, chunk, threads=1):
    """A layer that is busy in the middle of the night, so that tiles change their width."""
    rng = np.random.default_rng(1)
    busy = np.repeat([0.001, 0.3, 0.001], 300)
    raster = rng.random((900, 60)) < busy[:, None]
    weights = [
        torch.tensor(rng.normal(0, 0.3, s), dtype=torch.float32) for s in ((90, 60), (5, 90))
    ]
    network = SpikingNetwork(weights, [1, 1], [1.0, 1.0], rules=[Gated(1e-3, 1e-4)] * 2)
    recorder = MemoryRecorder()
    chunks = [Spikes.from_raster(raster[t : t + chunk]) for t in range(0, 900, chunk)]
    Event(threads, width).run(network, chunks, recorder)
    return network.weights, recorder.events()


def test_tiles_that_change_their_width_change_no_bit(monkeypatch):
    chosen = []
    lay_out = tiled.TiledLayer._lay_out

    def noting(layer):
        chosen.append(layer.width)
        return lay_out(layer)

    monkeypatch.setattr(tiled.TiledLayer, "_lay_out", noting)
    weights, spikes = night(0, 10)
    assert {tiled.NARROW["float32"], tiled.WIDE["float32"]} <= set(chosen)
    for other in (night(64, 10), night(8, 900), night(0, 100, threads=3)):
        assert all(map(torch.equal, weights, other[0]))
        assert all(map(np.array_equal, spikes, other[1]))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
def test_a_million_steps_on_wide_layers_take_little_memory():
    """784-4000-4000-10, a million steps of ten inputs each, generated as they are consumed."""
    code = """
        from pathlib import Path
        import numpy as np, torch
        from bioncl.plasticity import Gated
        from bioncl.spiking.engines.event import Event
        from bioncl.spiking.network import SpikingNetwork
        from bioncl.traces import Spikes
        from bioncl.traces.recorder import SilentRecorder

        rng = np.random.default_rng(0)
        sizes = (784, 4000, 4000, 10)
        shapes = zip(sizes[1:], sizes[:-1])
        weights = [torch.from_numpy(rng.uniform(-.01, .01, s).astype("f")) for s in shapes]
        network = SpikingNetwork(weights, [1.0] * 3, [0.3] * 3, rules=[Gated(1e-2, 1e-2)] * 3)

        def chunks():
            offsets = np.arange(0, 5001, 10)
            for _ in range(2000):
                ids = np.sort(rng.integers(0, 784, (500, 10)), axis=1).astype(np.int32)
                yield Spikes(784, offsets, ids.ravel())

        Event(threads=2).run(network, chunks(), SilentRecorder())
        # not ru_maxrss, which begins at what the process that started this one had
        lines = Path("/proc/self/status").read_text().splitlines()
        print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(done.stdout) < 1_000_000  # kilobytes
