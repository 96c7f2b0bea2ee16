"""How the fast path cuts a night into batches and tiles; `test_event` compares its results."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bioncl.errors import InputError
from bioncl.plasticity import Gated
from bioncl.spiking.engines import batches, tiled
from bioncl.spiking.engines.event import Event
from bioncl.spiking.engines.room import Room
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces import MemoryRecorder, Spikes


def silence(steps):
    return Spikes(3, np.zeros(steps + 1, np.int64), np.zeros(0, np.int32))


@given(st.lists(st.integers(0, 5), max_size=40))
def test_batches_hold_all_chunks_in_order(lengths):
    chunks = [silence(n) for n in lengths]
    for cut in (batches.growing, batches.fixed):
        found = list(cut(iter(chunks)))
        assert [id(c) for batch in found for c in batch] == [id(c) for c in chunks]
        assert all(found)


def test_quick_consumers_get_longer_batches_up_to_a_bound():
    found = [len(batch) for batch in batches.growing(silence(500) for _ in range(200))]
    assert found[:2] == [1, 8]
    assert max(found) == -(-batches.BATCH_STEPS // 500)


def test_a_slow_consumer_gets_chunk_by_chunk(monkeypatch):
    monkeypatch.setattr(batches, "BATCH_SECONDS", 0.0)
    assert [len(batch) for batch in batches.growing(silence(5) for _ in range(7))] == [1] * 7


def test_nights_that_share_their_input_get_one_chunk_and_then_long_batches():
    found = [len(batch) for batch in batches.fixed(silence(500) for _ in range(70))]
    longest = -(-batches.BATCH_STEPS // 500)
    assert found == [1, longest, longest, 69 - 2 * longest]


def test_joined_chunks_are_the_chunks_one_after_another():
    rng = np.random.default_rng(0)
    raster = rng.random((50, 7)) < 0.2
    parts = [Spikes.from_raster(raster[a:b]) for a, b in ((0, 9), (9, 9), (9, 50))]
    np.testing.assert_array_equal(batches.joined(parts).raster(), raster)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=20))
def test_cut_spikes_are_those_of_each_part(parts):
    """Parts with and without spikes, of equal and of different length."""
    rasters = [np.full((steps, 3), lit) for steps, lit in parts]
    ends = np.cumsum([0, *(len(raster) for raster in rasters)]).tolist()
    found = tiled.cut(Spikes.from_raster(np.concatenate(rasters)), ends)
    for each, raster in zip(found, rasters, strict=True):
        np.testing.assert_array_equal(each.raster(), raster)


@pytest.mark.parametrize("bad", [-1, 3, 2**32])
def test_a_spike_from_outside_is_refused_wherever_it_stands(bad):
    """In the first chunk, and in the midst of a batch; 2**32 would be 0 in 32 bits."""
    wrong = Spikes(3, np.array([0, 0, 1]), np.array([bad]))
    network = SpikingNetwork([torch.zeros(2, 3)], [1.0], [1.0])
    for chunks in ([wrong], [silence(2), silence(2), wrong, silence(2)]):
        with pytest.raises(InputError, match="inputs 0 to 2"):
            Event().run(network, chunks, MemoryRecorder())


def test_a_chunk_for_another_network_is_refused_in_the_midst_of_a_batch():
    other = Spikes(4, np.zeros(3, np.int64), np.zeros(0, np.int32))
    network = SpikingNetwork([torch.zeros(2, 3)], [1.0], [1.0])
    with pytest.raises(InputError, match="3 inputs"):
        Event().run(network, [silence(2), silence(2), other], MemoryRecorder())


def test_memory_is_used_again_and_not_kept_without_end(monkeypatch):
    monkeypatch.setattr(Room, "spare", {})
    monkeypatch.setattr("bioncl.spiking.engines.room.SPARE_BYTES", 3000)
    room = Room()
    first = room((4, 100), np.dtype(np.float32))
    assert first.ctypes.data % 64 == 0
    address = first.ctypes.data
    room.free()
    assert room((4, 100), np.dtype(np.float32)).ctypes.data == address
    room((4, 100), np.dtype(np.float32))
    room.free()
    assert 0 < sum(len(m) for each in Room.spare.values() for m in each) < 3000


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
    assert {tiled.NARROW[4], tiled.WIDE[4]} <= set(chosen)
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
