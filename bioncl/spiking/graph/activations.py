"""A graph evaluated as the network it was traced from: ReLU for populations, none for the output.

`Currents` computes what arrives at a population. Operations that stand at the beginning of several
paths (a residual stream read by several populations) are computed once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from bioncl.errors import InputError, describe
from bioncl.spiking.graph.populations import INPUT, Graph, Operation, Path

Start = tuple[str, tuple[Operation, ...]]


class Currents:
    """Synaptic currents of a graph's populations for one set of spikes.

    Make one for a graph, and call `forget` whenever the spikes change.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        """Find the beginnings that several of `paths` share."""
        starts = Counter(start for path in paths for start in _starts(path))
        self._shared = {start for start, readers in starts.items() if readers > 1}
        self._known: dict[Start, Tensor] = {}

    def forget(self) -> None:
        """Forget what was computed from the spikes so far."""
        self._known.clear()

    def of(self, paths: Iterable[Path], spikes: Mapping[str, Tensor]) -> Tensor | None:
        """Sum of what `paths` deliver, gains included, bias not; None without paths.

        Args:
            paths: Of one population.
            spikes: [n, *shape] of each source, by name.
        """
        total = None
        for path in paths:
            x = self._through(path, spikes[path.source])
            x = x if path.gain == 1.0 else x * path.gain
            total = x if total is None else total + x
        return total

    def _through(self, path: Path, x: Tensor) -> Tensor:
        known, done = x, 0
        starts = list(_starts(path))
        for count in range(len(starts), 0, -1):
            if starts[count - 1] in self._known:
                known, done = self._known[starts[count - 1]], count
                break
        for start in starts[done:]:
            known = start[1][-1](known)
            if start in self._shared:
                self._known[start] = known
        return known


@torch.no_grad()
def activations(graph: Graph, x: Tensor) -> dict[str, Tensor]:
    """Activations of every population for inputs `x`, "input" and "output" included.

    With the gains and biases of a traced graph these are the network's own; with those of a
    normalised one they are divided by each population's scale.

    Args:
        graph: As traced or normalised.
        x: Inputs [n, *graph.input_shape].

    Returns:
        By name [n, *shape]; ReLU is applied to all but the output.
    """
    found = {INPUT: x}
    currents = Currents(path for pop in graph.populations for path in pop.paths)
    last = graph.populations[-1]
    for population in graph.populations:
        current = currents.of(population.paths, found)
        if current is None:
            raise InputError(describe(f"Paths into {population.name}", expected="at least one"))
        current = current if population.bias is None else current + population.bias
        found[population.name] = current if population is last else current.relu()
    return found


def _starts(path: Path) -> Iterable[Start]:
    """Source and first operations of a path, from the first operation to all."""
    return ((path.source, path.ops[: k + 1]) for k in range(len(path.ops)))
