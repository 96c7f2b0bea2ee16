"""Synthetic nights: patterns planted at known times in Poisson-like noise.

A class's pattern is a set of neurons that are active for it awake. Asleep, all neurons fire at
random with a rate of their own, and those of a pattern fire more while it is planted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Night:
    """What was planted and what came out.

    Attributes:
        steps: Length of the night.
        events: (step, neuron) of each spike: int64 [events, 2].
        means: Mean awake activations [classes, neurons].
        activations: Of awake examples [examples, neurons].
        labels: Their classes: int64 [examples].
    """

    steps: int
    events: np.ndarray
    means: np.ndarray
    activations: np.ndarray
    labels: np.ndarray


def night(
    seed,
    plan=(),
    *,
    steps=4000,
    neurons=120,
    classes=4,
    rate=0.02,
    gain=4.0,
    spread=0.0,
    hubs=False,
    width=200,
):
    """A night in which `plan` says what is replayed.

    Args:
        seed: Of everything random.
        plan: (class, first step) of each replay, which lasts `width` steps.
        steps: Length of the night.
        neurons: Neurons of the layer.
        classes: Classes, each with a pattern of a fifth of the neurons.
        rate: Mean chance of a spike in a step.
        gain: How many times more a pattern's neurons fire while it is planted.
        spread: Standard deviation of the logarithm of neurons' rates.
        hubs: Neurons that fire more at night are also more active awake, for all classes.
        width: Steps that a replay lasts.
    """
    random = np.random.default_rng(seed)
    patterns = np.array([random.permutation(neurons) < neurons // 5 for _ in range(classes)])
    rates = rate * np.exp(spread * random.normal(size=neurons) - spread**2 / 2)
    chance = np.tile(rates, (steps, 1))
    for label, first in plan:
        chance[first : first + width, patterns[label]] *= gain
    labels = np.repeat(np.arange(classes), 20)
    activations = patterns[labels] * random.gamma(4.0, 0.25, (len(labels), neurons))
    activations += 0.1 * random.random(activations.shape)
    if hubs:
        activations *= rates / rates.mean()
    means = np.array([activations[labels == label].mean(axis=0) for label in range(classes)])
    events = np.argwhere(random.random((steps, neurons)) < chance)
    return Night(steps, events, means, activations, labels)
