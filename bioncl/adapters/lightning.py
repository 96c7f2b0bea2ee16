"""Lightning: a callback that sleeps after each fit, which is each task where tasks are fits.

    from functools import partial
    import bioncl
    from bioncl.adapters.lightning import SleepCallback

    night = partial(bioncl.sleep, steps=800, rule="sigmoid")
    sleeping = SleepCallback(night, network="net")
    for task in tasks:
        Trainer(…, callbacks=[sleeping]).fit(module, task)

The network has to be one that `bioncl.sleep` takes. Nothing is stored from one fit to the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bioncl.adapters.night import Night, night_seed, pair_of
from bioncl.errors import InputError, UnsupportedError, describe
from bioncl.nights.any_model import sleep
from bioncl.nights.graph_night import GraphNightReport
from bioncl.traces.exports.optional import require

_Callback: Any = require("lightning.pytorch", "lightning").Callback


class SleepCallback(_Callback):  # type: ignore[misc]
    """Lets the network sleep at the end of each fit.

    Attributes:
        reports: What each night did, in order.
    """

    def __init__(
        self,
        night: Night = sleep,
        *,
        network: str = "",
        examples: int = 1000,
        seed: int = 0,
        pair_of: Callable[[Any], tuple[Tensor, Tensor | None]] = pair_of,
    ) -> None:
        """Say how to sleep.

        Args:
            night: `bioncl.sleep`, or a partial of it; it is given labels and a seed of its own.
            network: Name of the part of the module that sleeps, such as "net"; all of it if empty.
            examples: The first inputs of the fit, as they come, that shape the noise.
            seed: Fixes the noise of all nights.
            pair_of: From a batch to inputs and labels, or None where there are none.
        """
        super().__init__()
        if examples < 1:
            raise InputError(describe("Examples that shape a night", expected="≥ 1", got=examples))
        self.reports: list[GraphNightReport] = []
        self._night, self._network, self._examples = night, network, examples
        self._seed, self._pair_of = seed, pair_of
        self._seen: list[tuple[Tensor, Tensor | None]] = []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Forget what the last fit saw.

        Raises:
            UnsupportedError: Several processes train: each would sleep on what it saw.
        """
        if trainer.world_size > 1:
            what, hint = "A night in a training of several processes", "Train in one process."
            raise UnsupportedError(describe(what, got=trainer.world_size, hint=hint))
        self._seen = []

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep the inputs until there are enough."""
        missing = self._examples - sum(len(inputs) for inputs, _ in self._seen)
        if missing > 0:
            inputs, labels = self._pair_of(batch)
            kept = None if labels is None else labels[:missing].detach().cpu()
            self._seen.append((inputs[:missing].detach().cpu().clone(), kept))

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Sleep; Lightning calls it when a fit has ended."""
        if not self._seen:
            return
        network = pl_module.get_submodule(self._network)
        inputs = torch.cat([x for x, _ in self._seen])
        known = [y for _, y in self._seen if y is not None]
        labels = torch.cat(known) if len(known) == len(self._seen) else None
        seed = night_seed(self._seed, len(self.reports))
        with torch.inference_mode(False), torch.no_grad():
            self.reports.append(self._night(network, inputs, labels=labels, seed=seed))
        self._seen = []
