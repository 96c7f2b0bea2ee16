"""Graphs made by hand, evaluated with ReLU units."""

from __future__ import annotations

import torch

from bioncl.spiking.graph.activations import Currents, activations
from bioncl.spiking.graph.populations import Graph, Linear, Path, Population


def test_hand_made_graph() -> None:
    """Gains, biases, ReLU and a path without operations, by arithmetic."""
    a = Linear("a", torch.tensor([[1.0, -1.0], [2.0, 0.0]]))
    b = Linear("b", torch.tensor([[1.0, 1.0], [0.0, -3.0]]))
    graph = Graph(
        (2,),
        [
            Population("h", (2,), (Path("input", (a,), gain=2.0),), torch.tensor([1.0, -5.0])),
            Population("output", (2,), (Path("h", (b,)), Path("input", (), gain=0.5))),
        ],
    )
    found = activations(graph, torch.tensor([[3.0, 1.0], [0.0, 4.0]]))
    assert found["h"].tolist() == [[5.0, 7.0], [0.0, 0.0]]
    assert found["output"].tolist() == [[13.5, -20.5], [0.0, 2.0]]


def test_shared_beginnings_are_computed_once() -> None:
    """Two readers of one stream call its first operation once a step, and again after forget."""

    class Counting(Linear):
        calls = 0

        def __call__(self, x: torch.Tensor) -> torch.Tensor:
            Counting.calls += 1
            return super().__call__(x)

    stem, other = Counting("stem", torch.eye(2)), Linear("other", 3 * torch.eye(2))
    paths = [Path("input", (stem,)), Path("input", (stem, other)), Path("input", (other,))]
    currents, x = Currents(paths), {"input": torch.tensor([[1.0, 2.0]])}
    assert currents.of(paths, x).tolist() == [[7.0, 14.0]]  # type: ignore[union-attr]
    assert Counting.calls == 1
    x["input"] = torch.tensor([[2.0, 2.0]])
    currents.forget()
    assert currents.of(paths[:2], x).tolist() == [[8.0, 8.0]]  # type: ignore[union-attr]
    assert Counting.calls == 2
