"""Twins as NIR graphs, written so that snntorch and norse run them as they are meant.

NIR (Pedersen et al. 2024, Nat Commun 15:8122) says differential equations, not steps, and its
readers differ. Tested with nir 1.0.8, snntorch 1.0.0 and norse 1.1.0; what we do about it:

| what | how it is written |
|---|---|
| time step | snntorch assumes dt = 1e-4 s; so do we: tau = dt/(1 − decay). norse must be told: `from_nir(graph, dt=1e-4)` |
| r | norse leaves r out, snntorch moves it into the threshold: r = 1, weights times tau/dt |
| decay 1 | snntorch reads IF as a leaky neuron that subtracts: LIF with tau = 2^40 dt, leak below 1e-12 |
| v ≥ threshold | NIR fires where v > v_threshold and readers round differently: v_threshold lies a millionth below |
| gains | in the weights; a path without weights gets a diagonal one |
| average pooling | norse knows SumPool2d only, whose padding it ignores: SumPool2d, or a diagonal convolution |
| groups, scales | readers fail at grouped convolutions, norse at Scale: convolutions with zeros |
| shapes | parameters are arrays of the population's shape: scalars fail in readers' checks |
| flattening | counted from the end, which holds with and without a batch |

norse runs the nodes of a file depth first, so where paths meet (residual networks) all but one
arrive a step late, and it has no Conv1d: such twins are for snntorch, or for `load_norse`.

NIR cannot say: a reset by subtraction, a membrane that does not begin at 0, max pooling, a bias
that differs from pixel to pixel. Such twins are refused. The output is LIF, or the current itself.
What the file cannot say is in the metadata (dt, decay, reset, comparison, output).
"""  # noqa: E501  (rows of a table)

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioncl import __version__
from bioncl.atomic import replacing
from bioncl.errors import UnsupportedError, describe
from bioncl.spiking.graph.populations import INPUT, Population
from bioncl.spiking.interchange.nir_nodes import Draft
from bioncl.spiking.interchange.twin import Twin
from bioncl.spiking.libraries import library

DT = 1e-4
WITHOUT_LEAK = 2.0**40
MARGIN = 2.0**-20
OUTPUT = "out"


def write(twin: Twin, path: FilePath) -> None:
    """Write `twin` as an HDF5 file for `nir.read`.

    Raises:
        UnsupportedError: NIR cannot say what this twin is, or nir is not installed.
        StorageError: The file cannot be written; whatever stood there is untouched.
    """
    graph = to_nir(twin)
    with replacing(path) as part:
        library("nir").write(part, graph)


def to_nir(twin: Twin) -> Any:
    """The twin as a `nir.NIRGraph`.

    Raises:
        UnsupportedError: NIR cannot say what this twin is, or nir is not installed.
    """
    nir = library("nir")
    _check(twin)
    longest = WITHOUT_LEAK if twin.decay == 1.0 else 1.0 / (1.0 - twin.decay)
    draft = Draft()
    start = draft.join([], INPUT, nir.Input(np.array(twin.graph.input_shape)))
    draft.sources[INPUT] = start, twin.graph.input_shape
    for population in twin.graph.populations:
        fires = twin.fires(population)
        ends = draft.current(population, longest if fires else 1.0, whole=not fires)
        if fires:
            ends = [draft.join(ends, population.name, _neurons(population, longest))]
        draft.sources[population.name] = ends[0], population.shape
    last = twin.graph.populations[-1]
    draft.join([draft.sources[last.name][0]], OUTPUT, nir.Output(np.array(last.shape)))
    return nir.NIRGraph(draft.nodes, draft.edges, metadata=_metadata(twin))


def _check(twin: Twin) -> None:
    """Refuse numbers that NIR has no word for."""
    if twin.reset != "zero":
        hint = "Convert with --reset zero, or to snntorch or norse."
        raise UnsupportedError(describe(f"NIR cannot say reset '{twin.reset}'", hint=hint))
    if twin.start:
        what = f"NIR cannot say that membranes begin at {twin.start} of the threshold"
        raise UnsupportedError(describe(what, hint="Let them begin at 0."))


def _neurons(population: Population, longest: float) -> Any:
    """Leaky integrate-and-fire neurons with tau = dt · longest."""

    def all_at(value: float) -> NDArray[np.float64]:
        return np.full(population.shape, value)

    threshold = population.threshold
    return library("nir").LIF(
        tau=all_at(DT * longest),
        r=all_at(1.0),
        v_leak=all_at(0.0),
        v_threshold=all_at(threshold - MARGIN * max(abs(threshold), MARGIN)),
        v_reset=all_at(0.0),
    )


def _metadata(twin: Twin) -> dict[str, Any]:
    """What stands in no node."""
    return {
        "writer": f"bioncl {__version__}",
        "dt": DT,
        "decay": float(twin.decay),
        "reset": "to v_reset in the step of the spike",
        "fires": "where v >= v_threshold * (1 + 2^-20)",
        "start": "v = 0",
        "output": twin.output,
    }
