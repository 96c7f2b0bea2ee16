"""How a trace file is laid out: HDF5, SONATA's spikes at the root, everything of ours in /bioncl.

    /                        attrs magic, version (SONATA)
    /spikes/<layer>          attrs sorting = by_time (enum), n_neurons
        timestamps           float64 ms [events], attr units = "ms"; nights follow one another
        node_ids             uint64 [events], ascending within a step
    /bioncl                  attrs format, format_version, created, versions (JSON), step_ms, seed,
                             complete, step_convention
        config_json          the settings of the run, as JSON text
        layers/<layer>       attrs index (0 is the input), neurons
            rate_hz          float64 [neurons]: mean over all nights of the file, units = "Hz"
        sleep/NNNN           attrs index, task, steps, first_step, first_ms, complete, first_events,
                             and every fact that is a single number or short text
            blocks           int64 [blocks, 1 + layers]: first step after the block (within the
                             night), then the end of each layer's events; rows are the commits
            facts_json       all facts of the night, as JSON text
            layers/<layer>/spike_counts    int64 [neurons]
            weights/<name>   attrs norm_before, norm_after, norm_delta (Frobenius)
                delta, before              [post, pre]; `before` only where it was asked for
            awake/…, confusion/…           arrays about the network; see `bioncl.learning.observe`
            biases/<name>                  awake biases [post]; see `bioncl.nights.record`

A night's events of layer l are those from `first_events[l]` to the last row of `blocks`. One step
counts as 1 ms by convention; step k of a night stands at first_ms + k * step_ms.
Source: SONATA developer guide, "Spike file" (Dai et al. 2020, doi:10.1371/journal.pcbi.1007696).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from platform import python_version

import h5py
import numpy as np

from bioncl.errors import InputError, TraceError, describe

FORMAT = "bioncl-trace"
PARTS = (".part", ".part2")
VERSION = 1
STEP_MS = 1.0
CHUNK_EVENTS = 8192
_SONATA_MAGIC = 0x0A7A
_SONATA_VERSION = (0, 1)
_SORTING = h5py.enum_dtype({"none": 0, "by_id": 1, "by_time": 2}, basetype="u1")
_CONVENTION = "step k of a night is at first_ms + k * step_ms; one step is 1 ms by convention"

Layers = Mapping[str, int]
"""Neurons of each layer, input first."""


def filters(*, compressed: bool) -> dict[str, object]:
    """Options of every large data set: a checksum always, gzip and shuffle if compressed."""
    packing = {"compression": "gzip", "compression_opts": 4, "shuffle": True}
    return {"fletcher32": True, **(packing if compressed else {})}


def quick_filters(*, compressed: bool) -> dict[str, object]:
    """The same for weights, which hardly shrink: LZF, some ten times as fast as gzip."""
    packing = {"compression": "lzf", "shuffle": True}
    return {"fletcher32": True, **(packing if compressed else {})}


def create(
    file: h5py.File, layers: Layers, settings: Mapping[str, object], *, compressed: bool
) -> None:
    """Lay out an empty trace in the new file `file`."""
    mark_sonata(file)
    own = file.create_group("bioncl")
    own.attrs["format"] = FORMAT
    own.attrs["format_version"] = VERSION
    own.attrs["created"] = datetime.now(UTC).isoformat(timespec="seconds")
    own.attrs["versions"] = to_json(_versions())
    own.attrs["step_ms"] = STEP_MS
    own.attrs["step_convention"] = _CONVENTION
    own.attrs["complete"] = False
    if isinstance(settings.get("seed"), int):
        own.attrs["seed"] = settings["seed"]
    own["config_json"] = to_json(settings)
    own.create_group("sleep")
    for index, (name, neurons) in enumerate(layers.items()):
        _create_layer(file, index, name, neurons, compressed=compressed)


def _create_layer(
    file: h5py.File, index: int, name: str, neurons: int, *, compressed: bool
) -> None:
    create_population(file, name, neurons, compressed=compressed)
    own = file.create_group(f"bioncl/layers/{name}")
    own.attrs["index"] = index
    own.attrs["neurons"] = neurons
    own.create_dataset("rate_hz", data=np.zeros(neurons)).attrs["units"] = "Hz"


def mark_sonata(file: h5py.File) -> None:
    """Set the root attributes by which readers of SONATA know a file."""
    file.attrs["magic"] = np.uint32(_SONATA_MAGIC)
    file.attrs["version"] = np.array(_SONATA_VERSION, np.uint32)


def create_population(file: h5py.File, name: str, neurons: int, *, compressed: bool) -> None:
    """Add a layer without spikes, as a population of SONATA."""
    group = file.create_group(f"spikes/{name}")
    group.attrs.create("sorting", 2, dtype=_SORTING)
    group.attrs["n_neurons"] = neurons
    for what, dtype in (("timestamps", "f8"), ("node_ids", "u8")):
        packing = filters(compressed=compressed)
        group.create_dataset(what, (0,), dtype, maxshape=(None,), chunks=(CHUNK_EVENTS,), **packing)
    group["timestamps"].attrs["units"] = "ms"


def _versions() -> dict[str, str]:
    found = {"python": python_version(), "hdf5": h5py.version.hdf5_version}
    for package in ("bioncl", "numpy", "torch", "h5py"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "unknown"
    return found


def check_format(file: h5py.File) -> None:
    """Raise TraceError unless `file` is a trace of a version that this program reads."""
    path = file.filename
    own = file.get("bioncl")
    if not isinstance(own, h5py.Group) or own.attrs.get("format") != FORMAT:
        hint = "Give a file that `bioncl run` or `bioncl sleep --trace` wrote."
        raise TraceError(describe(f"{path} is not a trace of bioncl", hint=hint))
    version = int(own.attrs["format_version"])
    if version > VERSION:
        expected, hint = f"at most {VERSION}", "Install a newer bioncl to read it."
        raise TraceError(
            describe(f"Trace version of {path}", expected=expected, got=version, hint=hint)
        )


def layers_of(file: h5py.File) -> dict[str, int]:
    """Names and neurons of the layers of a trace, input first."""
    groups = sorted(file["bioncl/layers"].items(), key=lambda item: int(item[1].attrs["index"]))
    return {name: int(group.attrs["neurons"]) for name, group in groups}


def nights_of(file: h5py.File) -> dict[int, h5py.Group]:
    """The group of each night by its index, in order."""
    groups = file["bioncl/sleep"].values()
    return dict(sorted((int(group.attrs["index"]), group) for group in groups))


def night_path(index: int) -> str:
    """Where the night with this index stands."""
    return f"bioncl/sleep/{index:04d}"


def event_ends(night: h5py.Group) -> list[int]:
    """Where the events of each layer end after this night."""
    blocks = night["blocks"]
    ends = blocks[-1, 1:] if len(blocks) else night.attrs["first_events"]
    return [int(end) for end in ends]


def check_name(name: str) -> None:
    """Raise InputError if `name` cannot name a group of the file."""
    if not name or "/" in name or name in {".", ".."} or "\0" in name:
        expected = "a name without '/'"
        raise InputError(describe("Name of a layer in a trace", expected=expected, got=repr(name)))


def to_json(value: object) -> str:
    """`value` as JSON text; NumPy numbers and arrays become plain ones.

    Raises:
        InputError: Something in it has no form in JSON.
    """
    try:
        return json.dumps(value, default=_plain)
    except (TypeError, ValueError) as error:
        hint = "Use numbers, text, lists and dictionaries."
        raise InputError(describe(f"A trace cannot keep this: {error}", hint=hint)) from error


def _plain(value: object) -> object:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no form in JSON")
