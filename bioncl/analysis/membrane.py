"""Membrane potentials of a recorded night, computed anew from the trace alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bioncl.analysis.night import NightView
from bioncl.errors import InputError, TraceError, describe
from bioncl.plasticity import RULES, Rule
from bioncl.spiking.membrane import membranes
from bioncl.spiking.network import SpikingNetwork


@dataclass(frozen=True, eq=False)
class Potentials:
    """Membrane potentials of some neurons of one layer in a window of a night.

    Attributes:
        neurons: Which: int64 [neurons].
        start: First step of the window.
        threshold: Potential at which they fire (≥).
        values: At the threshold test of each step, before the reset [steps, neurons].
        spikes: Where they fired: bool [steps, neurons].
    """

    neurons: NDArray[np.int64]
    start: int
    threshold: float
    values: NDArray
    spikes: NDArray[np.bool_]


def membrane_potentials(view: NightView, layer: str, neurons: Sequence[int] = ()) -> Potentials:
    """Potentials in the steps of `view`, bit for bit those of the night.

    Recorded spikes up to the end of the window have to follow from them, or there is an error.

    Args:
        view: The night and the window.
        layer: Any but the input.
        neurons: Which; by default the five that fire most in the window.

    Raises:
        InputError: The layer is the input, or has no such neuron.
        TraceError: The trace does not hold all that is needed (it says what), or is damaged.
    """
    names, index = view.trace.layers, view.night.index
    (name,) = view.layers([layer], ())
    place = names.index(name)
    if place == 0:
        raise InputError(describe("The input has no membranes", expected=", ".join(names[1:])))
    network = layer_network(view, name)
    below, fired = (view.trace.spikes(n, index, 0, view.stop) for n in names[place - 1 : place + 1])
    chosen = list(neurons) or most_active(fired[fired[:, 0] >= view.start], len(network.weights[0]))
    engine = str(view.night.facts["engine"])
    values = membranes(network, below, fired, chosen, (view.start, view.stop), engine)
    spikes = np.zeros(values.shape, np.bool_)
    for place, neuron in enumerate(chosen):
        steps = fired[fired[:, 1] == neuron, 0]
        spikes[steps[steps >= view.start] - view.start, place] = True
    return Potentials(np.array(chosen), view.start, float(network.thresholds[0]), values, spikes)


def most_active(events: NDArray[np.int64], neurons: int, count: int = 5) -> list[int]:
    """The `count` neurons with most spikes in `events`, the first of equals first."""
    spikes = np.bincount(events[:, 1], minlength=neurons)
    found: list[int] = np.argsort(-spikes, kind="stable")[:count].tolist()
    return found


def layer_network(view: NightView, name: str) -> SpikingNetwork:
    """A network of one layer as it was before the night.

    Raises:
        TraceError: The trace does not hold all that is needed, or is damaged.
    """
    twin = _twin(view)
    before = view.weights(name).before
    if before is None:
        hint = "The setting trace.weights_before = true keeps them."
        raise TraceError(describe(f"{view.name} holds no weights before the night", hint=hint))
    try:
        dtype, own = getattr(torch, twin["precision"]), twin["layers"][name]
        rule, gain, threshold = _rule(own["rule"]), float(own["gain"]), float(own["threshold"])
        bias = _bias(view, name, dtype, float(twin["bias_factor"]))
        decay, inhibition = float(twin["decay"]), float(twin["inhibition"])
        # Options that traces of earlier versions do not tell: they had none.
        dc, refractory = float(own.get("dc", 0.0)), int(twin.get("refractory", 0))
        bounds, normalise = own.get("bounds"), twin.get("normalise", "none")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        message = f"{view.name} holds numbers of the twin that cannot be used ({error!r})"
        raise TraceError(describe(message, hint="The trace may be damaged.")) from error
    return SpikingNetwork(
        [torch.from_numpy(before).to(dtype)],
        [gain],
        [threshold],
        decay,
        inhibition,
        biases=[bias],
        rules=[rule],
        dc=[dc],
        refractory=refractory,
        bounds=[None if bounds is None else tuple(bounds)],
        normalise=normalise,
        names=[name],
    )


def _twin(view: NightView) -> Mapping[str, Any]:
    facts = view.night.facts
    missing = [name for name in ("twin", "engine") if name not in facts]
    if not missing:
        return dict(facts["twin"])
    hint = "Only nights that were finished tell them."
    if view.night.complete:
        hint = "Nights of networks with convolutions or branches do not hold them."
    named = " and ".join(f"'{name}'" for name in missing)
    message = f"{view.name} does not tell the numbers of its spiking twin (facts {named})"
    raise TraceError(describe(message, hint=hint))


def _bias(view: NightView, name: str, dtype: torch.dtype, factor: float) -> torch.Tensor | None:
    """The bias as the night took it; see `bioncl.nights.record`."""
    path = f"biases/{name}"
    if path not in view.trace.array_names(view.night.index):
        return None
    return torch.from_numpy(view.trace.array(path, view.night.index)).to(dtype) * factor


def _rule(table: Mapping[str, Any] | None) -> Rule | None:
    if table is None:
        return None
    if table["name"] not in RULES.names():
        hint = "Install the package that it comes from."
        raise TraceError(describe(f"The night's rule {table['name']} is not known here", hint=hint))
    fields = {key: value for key, value in table.items() if key != "name"}
    rule: Rule = RULES.load(table["name"])(**fields)
    return rule
