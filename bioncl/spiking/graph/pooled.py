"""Max pooling of rates: spikes are passed on so that their count is the maximum of the counts.

    pooled spikes at t = P(counts up to t) − P(counts up to t − 1)

P is everything on a path up to its last max pooling. For max pooling alone this is 0 or 1 (with
signed spikes −1, too): a spike passes where a neuron of the window sets a new maximum.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import replace

from torch import Tensor

from bioncl.spiking.graph.populations import Operation, Path, Pool


class PooledCounts:
    """Remembers the pooled counts of the step before, for every path with max pooling."""

    def __init__(self) -> None:
        """Start without paths."""
        self._starts: dict[str, dict[tuple[Operation, ...], str]] = {}
        self._before: dict[str, Tensor] = {}

    def split(self, path: Path) -> Path:
        """The path behind its last max pooling, from a source that `write` provides."""
        pools = [k for k, op in enumerate(path.ops) if isinstance(op, Pool) and op.kind == "max"]
        if not pools:
            return path
        start, rest = path.ops[: pools[-1] + 1], path.ops[pools[-1] + 1 :]
        names = self._starts.setdefault(path.source, {})
        name = names.setdefault(start, f"{path.source}, pooled {len(names) + 1}")
        return replace(path, source=name, ops=rest)

    def write(self, source: str, counts: Tensor, spikes: MutableMapping[str, Tensor]) -> None:
        """Add to `spikes` what the pooled paths from `source` pass on, given its counts so far."""
        for start, name in self._starts.get(source, {}).items():
            now = counts
            for op in start:
                now = op(now)
            before = self._before.get(name)
            spikes[name] = now if before is None else now - before
            self._before[name] = now
