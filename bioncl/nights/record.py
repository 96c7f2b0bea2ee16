"""What a night writes down about its twin, so that any membrane potential can be computed later.

Together with the weights before the night and all spikes this fixes the whole simulation:

    facts["twin"]       precision, decay, inhibition, refractory, normalise, bias_factor, and for
                        each layer its gain, threshold, direct current, bounds (None: none) and its
                        rule with the steps used there (None: weights are kept)
    facts["downscale"]  for each layer, what its weights were multiplied with after the last step
    biases/<layer>      awake biases [post], as the network has them; the night takes them in its
                        precision, times bias_factor
"""

from __future__ import annotations

from dataclasses import asdict, is_dataclass

import numpy as np
from numpy.typing import NDArray

from bioncl.models.backbone import Backbone
from bioncl.plasticity import RULES, Rule
from bioncl.spiking.network import SpikingNetwork


def twin_facts(network: SpikingNetwork, bias_factor: float) -> dict[str, object]:
    """The numbers of a twin, as JSON knows them."""
    layers = {
        name: {
            "gain": float(network.gains[index]),
            "threshold": float(network.thresholds[index]),
            "dc": float(network.dc[index]),
            "bounds": network.bounds[index],
            "rule": rule_facts(network.rules[index]),
        }
        for index, name in enumerate(network.names)
    }
    return {
        "precision": str(network.dtype).removeprefix("torch."),
        "decay": float(network.decay),
        "inhibition": float(network.inhibition),
        "refractory": network.refractory,
        "normalise": network.normalise,
        "bias_factor": bias_factor,
        "layers": layers,
    }


def rule_facts(rule: Rule | None) -> dict[str, object] | None:
    """A rule by its registered name and its fields; another one by the name of its class alone."""
    if rule is None:
        return None
    known = [name for name in RULES.names() if RULES.load(name) is type(rule)]
    if not known or not is_dataclass(rule):
        return {"name": type(rule).__name__}
    return {"name": known[0], **asdict(rule)}


def bias_arrays(model: Backbone) -> dict[str, NDArray[np.float32]]:
    """The awake biases [post] of the layers that have them, by their path in a trace."""
    return {
        f"biases/{layer.name}": layer.bias.detach().cpu().numpy()
        for layer in model.stack()
        if layer.bias is not None
    }
