"""Avalanche (Lomonaco et al. 2021): a plugin that sleeps after each training experience.

    from functools import partial
    import bioncl
    from bioncl.adapters.avalanche import SleepPlugin

    night = partial(bioncl.sleep, steps=800, rule="sigmoid")
    strategy = Naive(model=model, …, plugins=[SleepPlugin(night)])

It goes with every strategy and beside other plugins; the network has to be one that `bioncl.sleep`
takes. Nothing is stored from one experience to the next.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bioncl.adapters.night import Night, night_seed
from bioncl.errors import InputError, describe
from bioncl.nights.any_model import sleep
from bioncl.nights.graph_night import GraphNightReport
from bioncl.seeding import torch_generator
from bioncl.traces.exports.optional import require

_Plugin: Any = require("avalanche.core", "avalanche").SupervisedPlugin


class SleepPlugin(_Plugin):  # type: ignore[misc]
    """Lets the network sleep after each training experience.

    Attributes:
        reports: What each night did, in order.
    """

    def __init__(self, night: Night = sleep, *, examples: int = 1000, seed: int = 0) -> None:
        """Say how to sleep.

        Args:
            night: `bioncl.sleep`, or a partial of it; it is given labels and a seed of its own.
            examples: Inputs of the experience, drawn at random, that shape the noise.
            seed: Fixes which ones, and the noise of all nights.
        """
        super().__init__()
        if examples < 1:
            raise InputError(describe("Examples that shape a night", expected="≥ 1", got=examples))
        self.reports: list[GraphNightReport] = []
        self._night, self._examples, self._seed = night, examples, seed

    def after_training_exp(self, strategy: Any, *_: Any, **__: Any) -> None:
        """Sleep; Avalanche calls it when an experience has been learnt."""
        number = len(self.reports)
        inputs, labels = self._seen(strategy.experience.dataset, number)
        seed = night_seed(self._seed, number)
        self.reports.append(self._night(strategy.model, inputs, labels=labels, seed=seed))

    def _seen(self, dataset: Any, number: int) -> tuple[Tensor, Tensor]:
        """Some inputs [n, …] and labels int64 [n] of an experience, as training sees them."""
        generator = torch_generator(self._seed, "adapter", "inputs", number)
        chosen = torch.randperm(len(dataset), generator=generator)[: self._examples].tolist()
        pairs = [dataset[index][:2] for index in chosen]
        return torch.stack([x for x, _ in pairs]), torch.tensor([int(y) for _, y in pairs])
