"""Local plasticity rules: how the spikes of one step change the weights of one layer."""

from bioncl.plasticity.constant import Constant
from bioncl.plasticity.gated import Gated
from bioncl.plasticity.rule import PlasticityRule
from bioncl.plasticity.sigmoid import Sigmoid
from bioncl.registry import Registry

RULES = Registry(
    "rule",
    {
        "gated": ("bioncl.plasticity.gated:Gated", "published gate: f(w) = 2·sigmoid(−w/scale)"),
        "sigmoid": ("bioncl.plasticity.sigmoid:Sigmoid", "f(w) = sigmoid(slope·w)"),
        "constant": ("bioncl.plasticity.constant:Constant", "f(w) = 1"),
    },
)

__all__ = ["RULES", "Constant", "Gated", "PlasticityRule", "Sigmoid"]
