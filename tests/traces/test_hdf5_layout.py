"""The file as others see it: read with h5py alone, and with libsonata where that is installed."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from bioncl.traces import Spikes
from bioncl.traces.hdf5_writer import TraceFile

RASTERS = [np.eye(6, 4, dtype=bool), np.tri(6, 3, dtype=bool)]


@pytest.fixture(params=[True, False], ids=["compressed", "plain"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A trace of two nights of six steps."""
    found = tmp_path / "trace.h5"
    layers = [("input", 4), ("hidden", 3)]
    file = TraceFile(found, layers, settings={"seed": 5}, compressed=request.param)
    for index in range(2):
        with file.night(index, task=index, steps=6) as recorder:
            for layer, raster in enumerate(RASTERS):
                recorder.spikes(layer, 0, Spikes.from_raster(raster))
            recorder.weights(["hidden"], [np.zeros((3, 4))], [np.full((3, 4), 2.0)])
            recorder.facts({"acc_before": 0.25, "acc_after": 0.75, "each": [1, 2]})
    return found


def test_spikes_follow_the_sonata_guide(path: Path) -> None:
    """Root attributes, enum of sorting, units, types, and times in ms that run on over nights."""
    with h5py.File(path) as file:
        assert int(file.attrs["magic"]) == 0x0A7A
        assert file.attrs["magic"].dtype == np.uint32
        assert file.attrs["version"].dtype == np.uint32
        assert file.attrs["version"].shape == (2,)
        assert set(file["spikes"]) == {"input", "hidden"}
        for layer, raster in zip(("input", "hidden"), RASTERS, strict=True):
            group = file["spikes"][layer]
            sorting = h5py.check_enum_dtype(group.attrs.get_id("sorting").dtype)
            assert sorting == {"none": 0, "by_id": 1, "by_time": 2}
            assert group.attrs["sorting"] == sorting["by_time"]
            times, ids = group["timestamps"], group["node_ids"]
            assert (times.dtype, ids.dtype) == (np.dtype("f8"), np.dtype("u8"))
            assert times.attrs["units"] == "ms"
            steps, neurons = np.nonzero(raster)
            assert times[:].tolist() == [*steps, *(steps + 6)]
            assert ids[:].tolist() == [*neurons, *neurons]
            assert times.chunks == (8192,)


def test_own_groups_hold_what_the_run_was(path: Path) -> None:
    """Format, settings, rates, nights and weights stand under /bioncl."""
    with h5py.File(path) as file:
        own = file["bioncl"]
        assert (own.attrs["format"], own.attrs["format_version"]) == ("bioncl-trace", 1)
        assert own.attrs["complete"]
        assert own.attrs["seed"] == 5
        assert own.attrs["step_ms"] == 1.0
        assert own["config_json"][()] == b'{"seed": 5}'
        # hidden fires at steps 0..5, 1..5, 2..5: 6, 5 and 4 spikes in each night of 6 ms
        expected = np.array([6, 5, 4]) / 0.006
        np.testing.assert_allclose(own["layers/hidden/rate_hz"][:], expected, rtol=1e-14)
        night = own["sleep/0001"]
        assert [night.attrs[k] for k in ("task", "steps", "first_ms")] == [1, 6, 6.0]
        assert (night.attrs["acc_before"], night.attrs["acc_after"]) == (0.25, 0.75)
        assert (night["weights/hidden/delta"][:] == 2).all()
        assert night["weights/hidden"].attrs["norm_delta"] == pytest.approx(np.sqrt(12 * 4))


def test_only_compressed_files_are_packed(path: Path, request: pytest.FixtureRequest) -> None:
    """Spikes with gzip, weights with LZF, both shuffled, or neither; always a checksum."""
    plain = "plain" in request.node.name
    places = {"spikes/input/node_ids": "gzip", "bioncl/sleep/0000/weights/hidden/delta": "lzf"}
    with h5py.File(path) as file:
        for place, packing in places.items():
            data = file[place]
            wanted = (None, False) if plain else (packing, True)
            assert (data.compression, data.shuffle) == wanted
            assert data.fletcher32


def test_nothing_in_the_file_is_an_object_to_unpickle(path: Path) -> None:
    """Every data set holds numbers or text."""
    kinds = []
    with h5py.File(path) as file:
        file.visititems(
            lambda _, item: kinds.append(item) if isinstance(item, h5py.Dataset) else None
        )
        for data in kinds:
            assert h5py.check_string_dtype(data.dtype) or data.dtype.kind in "iuf"


def test_libsonata_reads_an_unpacked_file(tmp_path: Path) -> None:
    """Another project's reader finds the same spikes."""
    reason = "libsonata is not installed"
    libsonata = pytest.importorskip("libsonata", reason=reason)
    random = np.random.default_rng(0)
    raster = random.random((50, 20)) < 0.2
    file = TraceFile(tmp_path / "trace.h5", [("input", 20)], settings={}, compressed=False)
    with file.night(0, task=0, steps=50) as recorder:
        recorder.spikes(0, 0, Spikes.from_raster(raster))
    reader = libsonata.SpikeReader(str(tmp_path / "trace.h5"))
    assert reader.get_population_names() == ["input"]
    assert reader["input"].sorting == "by_time"
    found = [(int(time), node) for node, time in reader["input"].get()]
    assert sorted(found) == [tuple(event) for event in np.argwhere(raster).tolist()]
