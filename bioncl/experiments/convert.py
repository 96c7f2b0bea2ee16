"""From a checkpoint to a spiking twin that other libraries run, and how faithful it is.

checkpoint ─► network ─► populations ─► gains from data ─► file; twin beside network on test data
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from bioncl.errors import InputError, describe, did_you_mean
from bioncl.experiments.run import restore
from bioncl.experiments.setup import torch_threads
from bioncl.experiments.single import prepare, recorded
from bioncl.models.checkpoint import load as load_checkpoint
from bioncl.progress import Progress
from bioncl.spiking.graph.fidelity import Fidelity, fidelity
from bioncl.spiking.graph.normalise import apply_scale, normalise
from bioncl.spiking.graph.populations import Graph
from bioncl.spiking.graph.rate import Coding
from bioncl.spiking.graph.tracing import trace
from bioncl.spiking.interchange import FORMATS, write
from bioncl.spiking.interchange.twin import Twin
from bioncl.streams.stream import Examples, joined

Reset = Literal["zero", "subtract"]
Gains = Literal["max", "percentile", "published", "diehl"]


@dataclass(frozen=True)
class Choice:
    """How to convert.

    Attributes:
        to: A name from `bioncl.spiking.interchange.FORMATS`.
        gains: How populations are normalised, see `bioncl.spiking.graph.normalise`.
        percentile: Of gains "percentile".
        steps: How long the twin looks at an input, at most.
        reset: What becomes of a membrane that fired; None is "zero" for NIR, which knows no other,
            and "subtract" else.
        examples: How many test examples to compare on, spread over all; 0 for all. Gains are made
            from as many training examples.
        signed: Compare with neurons that may take spikes back, see `bioncl.spiking.graph.rate`; no
            format knows them, so the file holds the twin without.
    """

    to: str
    gains: Gains = "percentile"
    percentile: float = 99.9
    steps: int = 128
    reset: Reset | None = None
    examples: int = 1000
    signed: bool = False

    def __post_init__(self) -> None:
        """Check what no settings file has checked."""
        if self.to not in FORMATS.entries:
            hint = did_you_mean(self.to, FORMATS.entries)
            raise InputError(describe(f"Unknown format '{self.to}'", hint=hint))
        if self.steps < 1:
            raise InputError(describe("Steps", expected="1 or more", got=self.steps))
        if self.examples < 0:
            raise InputError(describe("Examples", expected="0 or more", got=self.examples))
        if self.signed and self.coding.reset == "zero":
            hint = "Leave signed out, or take --reset subtract and another format."
            raise InputError(describe("Signed spikes with reset to zero", hint=hint))

    @property
    def coding(self) -> Coding:
        """How the twin codes, and how it starts: nothing but "subtract" may start half way."""
        reset = self.reset or ("zero" if self.to == "nir" else "subtract")
        start = 0.5 if reset == "subtract" else 0.0
        return Coding(reset=reset, initial=start, signed=self.signed)

    @property
    def times(self) -> list[int]:
        """When the twin is read: powers of two, and the end."""
        powers = [2**k for k in range(self.steps.bit_length()) if 2**k < self.steps]
        return [*powers, self.steps]


@dataclass(frozen=True)
class Conversion:
    """What came of a conversion.

    Attributes:
        choice: How it was converted.
        reset: The reset that was taken.
        scales: λ of each population: its activations are rates times λ.
        fidelity: The twin beside the network.
    """

    choice: Choice
    reset: str
    scales: dict[str, float]
    fidelity: Fidelity

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        found = self.fidelity
        return {
            "format": self.choice.to,
            "gains": self.choice.gains,
            "reset": self.reset,
            "signed": self.choice.signed,
            "examples": found.samples,
            "accuracy": found.ann_accuracy,
            "steps": list(found.twin_accuracy),
            "accuracy_twin": list(found.twin_accuracy.values()),
            "agreement": list(found.agreement.values()),
            "populations": [
                {"name": name, "scale": self.scales[name], **asdict(error)}
                for name, error in found.errors.items()
            ],
        }


def convert(
    path: Path,
    out: Path,
    choice: Choice,
    overrides: Iterable[tuple[str, Any]],
    progress: Progress,
) -> Conversion:
    """Write the twin of the checkpoint `path` to `out`, and compare the two.

    All outputs compete, and data are those of the tasks learnt so far. Inputs are shown as constant
    currents; membranes do not leak. The output of the twin is its current, whose mean over time
    stands for the network's logits, in their units.

    Raises:
        CheckpointError: `path` is missing, damaged or foreign.
        SettingsError: An override is wrong.
        UnsupportedError: The network, or its twin in this format, is not possible.
        StorageError: `out` cannot be written; whatever stood there is untouched.
    """
    checkpoint = load_checkpoint(path)
    config = recorded(checkpoint, overrides)
    done = int(checkpoint.header["tasks_done"])
    with torch_threads(config.training.threads), torch.no_grad():
        learner, methods = prepare(config, progress)
        restore(checkpoint, learner, methods, done)
        model = learner.model.eval()
        model.use_task(None)
        tasks = [learner.stream.task(index) for index in range(done)]
        shown = spread([task.train for task in tasks], choice.examples).to(learner.device)
        graph = trace(model, shown.x[:1]).graph
        scales = normalise(graph, shown.x, choice.gains, percentile=choice.percentile)
        in_units_of_logits(graph, scales)
        coding = choice.coding
        twin = Twin(graph, 1.0, coding.reset, coding.start(), "current", coding.pooling)
        write(twin, choice.to, out)
        test = spread([task.test for task in tasks], choice.examples).to(learner.device)
        found = fidelity(model, graph, test.x, test.y, choice.times, coding=coding)
    return Conversion(choice, coding.reset, scales, found)


def spread(parts: Sequence[Examples], count: int) -> Examples:
    """`count` examples evenly spread over all of `parts`; all of them for 0 or too many."""
    whole = joined(parts)
    if not 0 < count < len(whole):
        return whole
    return whole.select(torch.arange(count) * len(whole) // count)


def in_units_of_logits(graph: Graph, scales: dict[str, float]) -> None:
    """Take the output's scale back, so that its mean current is the network's logits."""
    output = graph.populations[-1]
    ones = dict.fromkeys(scales, 1.0)
    apply_scale(output, {**ones, output.name: 1.0 / scales[output.name]})
    scales[output.name] = 1.0
