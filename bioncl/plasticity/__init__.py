"""Local plasticity rules: how the spikes of one step change the weights of one layer."""

from bioncl.plasticity.constant import Constant
from bioncl.plasticity.gated import Gated
from bioncl.plasticity.oja import Oja
from bioncl.plasticity.pair_stdp import PairSTDP
from bioncl.plasticity.rule import PlasticityRule, Rule, TracedRule, Traces
from bioncl.plasticity.sigmoid import Sigmoid
from bioncl.registry import Registry

RULES = Registry(
    "rule",
    {
        "gated": ("bioncl.plasticity.gated:Gated", "published gate: f(w) = 2·sigmoid(−w/scale)"),
        "sigmoid": ("bioncl.plasticity.sigmoid:Sigmoid", "f(w) = sigmoid(slope·w)"),
        "constant": ("bioncl.plasticity.constant:Constant", "f(w) = 1"),
        "oja": ("bioncl.plasticity.oja:Oja", "Oja 1982: Δw = rate·y·(x − y·w)"),
        "pair-stdp": ("bioncl.plasticity.pair_stdp:PairSTDP", "all pairs, exponential traces"),
    },
)

__all__ = [
    "RULES",
    "Constant",
    "Gated",
    "Oja",
    "PairSTDP",
    "PlasticityRule",
    "Rule",
    "Sigmoid",
    "TracedRule",
    "Traces",
]
