"""A network that is to sleep for one night in many ways: the same tasks learnt once for all trials.

    settings, seed ─► tasks 1 to K, awake after task K ─► awake/seed-1000.safetensors ─► nights

The checkpoint is one that `bioncl sleep` takes, and a trial is what that would make of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bioncl.errors import BionclError, CheckpointError
from bioncl.experiments.folder import differences
from bioncl.experiments.settings import RunConfig
from bioncl.experiments.setup import make_methods, torch_threads
from bioncl.experiments.single import evening, train_up_to
from bioncl.experiments.tuning.plan import Plan
from bioncl.experiments.tuning.space import Value
from bioncl.learning.evaluation import evaluate
from bioncl.methods.src import SRC
from bioncl.models.checkpoint import Checkpoint, load
from bioncl.nights.together import Night, Outcome, Slept, sleep_many
from bioncl.progress import Progress
from bioncl.streams.stream import Examples

Result = dict[str, Any]


class Evening:
    """The evening before the night after task K, with one seed."""

    def __init__(
        self, plan: Plan, number: int, seed: int, folder: Path, progress: Progress
    ) -> None:
        """Learn the tasks up to `number` (from 1), or find them learnt in `folder`.

        Raises:
            DivergedError: Training diverged, or a night before task K did.
            StorageError: The checkpoint cannot be written.
        """
        self._plan, self._seed, self._progress = plan, seed, progress
        self._config = plan.config(seed)
        path = folder / "awake" / f"seed-{seed}.safetensors"
        checkpoint = found(path, self._config, number)
        if checkpoint is None:
            progress.note(f"seed {seed}: learning tasks 1 to {number}")
            train_up_to(self._config, number, path, progress)
            checkpoint = load(path)
        with torch_threads(self._config.training.threads):
            self._learner, _, _ = evening(checkpoint, self._config, progress)
        self._state = {k: v.clone() for k, v in self._learner.model.state_dict().items()}

    def nights(self, trials: Sequence[Mapping[str, Value]]) -> list[Result | BionclError]:
        """What the night is worth with the values of each trial, or why it failed."""
        found: list[Result | BionclError | None] = []
        nights, seen = [], dict[str, Examples]()
        for params in trials:
            try:
                nights.append(self._night(params, seen))
                found.append(None)
            except BionclError as error:
                found.append(error)
        with torch_threads(self._config.training.threads):
            learner = self._learner
            noise = SRC.noise(learner, learner.task)
            slept = sleep_many(learner.model, nights, generator=noise, progress=self._progress)
            rest = iter([self._worth(outcome) for outcome in slept])
        return [next(rest) if one is None else one for one in found]

    def _night(self, params: Mapping[str, Value], seen: dict[str, Examples]) -> Night:
        """The night of a trial; `seen` holds what was seen, once for all nights that see alike."""
        learner, config = self._learner, self._plan.config(self._seed, params)
        methods = make_methods(config)
        learner.may_read_past = methods.reads_past
        (src,) = (method for method in methods.methods if isinstance(method, SRC))
        if src.sleep.sees not in seen:
            seen[src.sleep.sees] = src.seen(learner, learner.task)
        steps = src.sleep.steps_of(learner.task.index)
        return Night(seen[src.sleep.sees], src.sleep, steps)

    def _worth(self, outcome: Outcome) -> Result | BionclError:
        """What the objectives read, about the tasks learnt so far."""
        if not isinstance(outcome, Slept):
            return outcome
        learner = self._learner
        learner.model.load_state_dict(outcome.state)
        learnt = replace(learner.stream, length=learner.task.index + 1)
        scores = evaluate(learner.model, learnt, learner.device, learner.read_out)
        learner.model.load_state_dict(self._state)
        return {"acc": scores.all, "accuracy": [list(scores.tasks)]}


def found(path: Path, config: RunConfig, number: int) -> Checkpoint | None:
    """The checkpoint at `path`, if it is the one of `config` after task `number`, awake."""
    try:
        checkpoint = load(path)
        header = checkpoint.header
        same = not any(differences(header["settings"], config.resolved))
        fits = same and header["tasks_done"] == number and not header["asleep"]
    except (CheckpointError, KeyError):
        return None
    return checkpoint if fits else None
