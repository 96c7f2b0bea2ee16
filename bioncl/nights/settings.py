"""Settings of a night."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval, MinLen

from bioncl.errors import SettingsError, describe
from bioncl.plasticity import RULES, Gated, Rule
from bioncl.spiking.convert import GAINS, Gains, Published
from bioncl.spiking.drive import DRIVES, Drive, MaskedMean
from bioncl.spiking.synapses import Bounds, Norm

Seeing = Literal["everything", "all", "current", "first"]
PUBLISHED_STEP_LIMIT = 255


@dataclass(frozen=True)
class NightSettings:
    """How a network sleeps.

    Attributes:
        steps: Steps of the night after the first task; a list gives one number a task.
        steps_added: Steps that each later night is longer than the one before; a list of `steps`
            says it all by itself.
        rate: Firing rate in Hz where the drive is 1; a step lasts `dt` seconds, and an input fires
            with probability min(1, 2·dt·rate·x).
        dt: Length of a step in seconds.
        thresholds: Membrane potential at which a neuron fires, one a layer or one for all.
        rule: The plasticity rule.
        rule_factors: Factor on the rule's steps, one a layer or one for all; 0 keeps a layer as is.
        drive: What drives the network.
        gains: How the gain of each layer is found.
        decay: What is left of a membrane potential after one step.
        inhibition: Share of a layer's mean current taken from each of its neurons.
        dc: Direct current into each neuron, added to its membrane potential in every step, one a
            layer or one for all; gains and inhibition leave it alone.
        refractory: Steps after a spike in which a neuron neither integrates nor fires.
        bounds: Pairs of lower and upper limit of a weight that the rule has moved, one a layer or
            one for all; an empty list for none.
        normalise: Which norm of its incoming weights ("l1" or "l2") a neuron gets back each time
            the rule has moved them at a spike of it.
        downscale: What the weights are multiplied with once, at the end of the night, one a layer
            or one for all (synaptic homeostasis, Tononi & Cirelli 2006, Sleep Med Rev 10:49).
        sees: Whose training inputs shape drive and gains: "everything" of all tasks so far, also
            examples that the tasks leave out of their training (as published for MNIST and
            Fashion-MNIST), "all" that was learnt from so far, the "current" task only, or the
            "first" only. Old inputs count as stored.
        when: After "each-task", only after the "last", or before each task is learnt
            ("before-task"), when its inputs are known and its labels are not yet used; there, a
            night of no steps is left out.
        engine: Who computes the night; see `bioncl engines`.
        threads: Threads of the engine, 0 for all cores; the result does not depend on it.
        precision: Arithmetic of the night.
        published_step_bug: Cut every night at 255 steps, as the published cross-modal script does
            by storing the length in eight bits.
    """

    steps: Annotated[int, Ge(0)] | Annotated[tuple[Annotated[int, Ge(0)], ...], MinLen(1)] = 15_000
    steps_added: Annotated[int, Ge(0)] = 0
    rate: Annotated[float, Gt(0)] = 239.515363
    dt: Annotated[float, Gt(0)] = 0.001
    thresholds: Annotated[tuple[float, ...], MinLen(1)] = (1.0,)
    rule: Rule = field(default=Gated(0.032064, 0.003344), metadata={"registry": RULES})
    rule_factors: Annotated[tuple[Annotated[float, Ge(0)], ...], MinLen(1)] = (1.0,)
    drive: Drive = field(default=MaskedMean(), metadata={"registry": DRIVES})
    gains: Gains = field(default=Published(), metadata={"registry": GAINS})
    decay: Annotated[float, Interval(ge=0, le=1)] = 0.999
    inhibition: float = 0.0
    dc: Annotated[tuple[float, ...], MinLen(1)] = (0.0,)
    refractory: Annotated[int, Ge(0)] = 0
    bounds: tuple[Bounds, ...] = ()
    normalise: Norm = "none"
    downscale: Annotated[tuple[Annotated[float, Ge(0)], ...], MinLen(1)] = (1.0,)
    sees: Seeing = "all"
    when: Literal["each-task", "last", "before-task"] = "each-task"
    engine: str = "event"
    threads: Annotated[int, Ge(0)] = 0
    precision: Literal["float64", "float32"] = "float64"
    published_step_bug: bool = False

    def __post_init__(self) -> None:
        """Check what no single range says."""
        for lower, upper in self.bounds:
            if lower > upper:
                expected, got = "lower ≤ upper in each pair", [lower, upper]
                raise SettingsError(describe("sleep.bounds", expected=expected, got=got))

    def steps_of(self, task: int) -> int:
        """Length of the night after the task at `task`, in steps."""
        if isinstance(self.steps, int):
            count = self.steps + self.steps_added * task
        elif task < len(self.steps):
            count = self.steps[task]
        else:
            expected = f"a number for task {task + 1}"
            raise SettingsError(describe("sleep.steps", expected=expected, got=list(self.steps)))
        return min(count, PUBLISHED_STEP_LIMIT) if self.published_step_bug else count
