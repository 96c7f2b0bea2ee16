"""How faithful a spiking twin is to the network it was made from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bioncl.errors import InputError, describe
from bioncl.spiking.graph.activations import activations
from bioncl.spiking.graph.modes import evaluating
from bioncl.spiking.graph.populations import Graph
from bioncl.spiking.graph.rate import Coding, rate_code

STEPS = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class PopulationError:
    """How far a population's rates are from the activations they stand for.

    Attributes:
        mean_absolute: Mean of |rate − activation| in spikes a step; activation as normalised.
        relative: Sum of |rate − activation| over the sum of activations; 0 if all are 0.
    """

    mean_absolute: float
    relative: float


@dataclass(frozen=True)
class Fidelity:
    """A twin beside its network.

    Attributes:
        samples: Number of inputs.
        ann_accuracy: Share of inputs that the network decides right.
        twin_accuracy: The same of the twin, for each number of steps.
        agreement: Share of inputs that both decide alike, for each number of steps.
        errors: Of each population but the output, after the largest number of steps.
    """

    samples: int
    ann_accuracy: float
    twin_accuracy: dict[int, float]
    agreement: dict[int, float]
    errors: dict[str, PopulationError]


def fidelity(
    model: nn.Module,
    graph: Graph,
    x: Tensor,
    y: Tensor,
    steps: Sequence[int] = STEPS,
    *,
    coding: Coding = Coding(),  # noqa: B008  (frozen)
    batch: int = 256,
    generator: torch.Generator | None = None,
) -> Fidelity:
    """Let network and twin decide on the same inputs, and compare.

    Args:
        model: The network; evaluated in eval mode, left as it was.
        graph: Its graph, traced and normalised.
        x: Inputs [n, *shape].
        y: Right outputs, integers [n].
        steps: Numbers of steps to read the twin after.
        coding: How activations are coded as spikes.
        batch: How many inputs run at once.
        generator: Source of Bernoulli spikes.

    Raises:
        InputError: There are no inputs, or inputs and outputs differ in number.
    """
    if not len(x) or len(x) != len(y):
        raise InputError(
            describe(
                "Inputs and outputs",
                expected="equally many, at least one",
                got=f"{len(x)} and {len(y)}",
            )
        )
    tally = _Tally()
    with evaluating(model), torch.no_grad():
        for part, right in zip(x.split(batch), y.split(batch), strict=True):
            decided = model(part).argmax(1)
            found = rate_code(graph, part, steps, coding, generator)
            tally.add("ann", decided == right)
            for now, logits in found.logits.items():
                choice = logits.argmax(1)
                tally.add(f"twin {now}", choice == right)
                tally.add(f"agree {now}", choice == decided)
            true = activations(graph, part)
            for name, rates in found.rates.items():
                tally.add(f"error {name}", (rates - true[name]).abs())
                tally.add(f"size {name}", true[name])
    times, names = sorted(set(steps)), list(found.rates)
    return Fidelity(
        samples=len(x),
        ann_accuracy=tally.mean("ann"),
        twin_accuracy={now: tally.mean(f"twin {now}") for now in times},
        agreement={now: tally.mean(f"agree {now}") for now in times},
        errors={name: tally.error(name) for name in names},
    )


class _Tally:
    """Running means by name."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = defaultdict(float)
        self.counts: dict[str, int] = defaultdict(int)

    def add(self, name: str, values: Tensor) -> None:
        self.sums[name] += float(values.sum(dtype=torch.float64))
        self.counts[name] += values.numel()

    def mean(self, name: str) -> float:
        return self.sums[name] / self.counts[name]

    def error(self, name: str) -> PopulationError:
        absolute, size = self.mean(f"error {name}"), self.mean(f"size {name}")
        return PopulationError(absolute, absolute / size if size else 0.0)
