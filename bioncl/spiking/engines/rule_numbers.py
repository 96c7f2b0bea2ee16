"""The rules as numbers, which is all that compiled loops know of them.

KEEP       nothing changes
CONSTANT   w += up where the input fired, down where it did not; in rows whose neuron fired
LOGISTIC   the same times f(w) = 1/(1 + exp(slope·w))
OJA        w += up·(x − w), x = 1 where the input fired, else 0
PAIRED     w += up·(trace of the input) where the neuron fires, down·(trace of the neuron) where
the input fires; traces lose all but decay_pre and decay_post in a step
"""

from __future__ import annotations

from typing import NamedTuple

from bioncl.plasticity import Constant, Gated, Oja, PairSTDP, Rule, Sigmoid

KEEP, CONSTANT, LOGISTIC, OJA, PAIRED = range(5)
KNOWN = (Constant, Gated, Sigmoid, Oja, PairSTDP)


class RuleNumbers(NamedTuple):
    """A rule: its kind, and what the kind needs."""

    kind: int = KEEP
    up: float = 0.0
    down: float = 0.0
    slope: float = 0.0
    decay_pre: float = 0.0
    decay_post: float = 0.0


def rule_numbers(rule: Rule | None) -> RuleNumbers:
    """The numbers of a rule of a KNOWN type, or of none."""
    match rule:
        case Constant():
            return RuleNumbers(CONSTANT, rule.inc, -rule.dec)
        case Gated():  # f(w) = 2/(1 + exp(w/scale)); the factor 2 goes into the steps, exactly
            return RuleNumbers(LOGISTIC, 2 * rule.inc, -2 * rule.dec, 1 / rule.scale)
        case Sigmoid():
            return RuleNumbers(LOGISTIC, rule.inc, -rule.dec, -rule.slope)
        case Oja():
            return RuleNumbers(OJA, rule.rate)
        case PairSTDP():
            return RuleNumbers(PAIRED, rule.a_plus, -rule.a_minus, 0.0, *rule.decays)
    return RuleNumbers()
