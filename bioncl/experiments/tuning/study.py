"""The trials of a search, in an SQLite file by way of Optuna; only the driver writes it.

A trial is `asked` for (its values are drawn and stored), its runs are computed elsewhere, and it is
`told` what came of it. A driver that was killed left trials that were asked for and not told: they
are taken up again with the values they have, or would have had, so none is lost and none is made
twice.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from bioncl.errors import InputError, StorageError, describe
from bioncl.experiments.folder import differences
from bioncl.experiments.tuning.plan import Plan
from bioncl.experiments.tuning.samplers import make_sampler
from bioncl.experiments.tuning.space import Dimension, Range, stored

FILE = "study.db"
NAME = "bioncl"
STARTUP = 5
"""Trials that end before one may be pruned."""

Result = Mapping[str, Any]
"""The content of a result.json."""


class TrialStore:
    """The trials of `plan`, kept in `folder`."""

    def __init__(self, study: optuna.Study, plan: Plan) -> None:
        """Hold an open study; see `open_trials`."""
        self.study, self.plan = study, plan
        self._space = {key: distribution(one) for key, one in plan.space.items()}

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials that were asked for, in order."""
        found = self.study.get_trials(deepcopy=False)
        return [trial for trial in found if trial.state != TrialState.WAITING]

    def ask(self) -> optuna.Trial:
        """A new trial, its values drawn and stored."""
        self.study.sampler = self._sampler(len(self.trials))
        return self.study.ask(fixed_distributions=self._space)

    def _sampler(self, number: int) -> BaseSampler:
        return make_sampler(self.plan.choosing.sampler, self.plan.choosing.seed, number)

    def left(self) -> list[optuna.Trial]:
        """Trials that were asked for and not told; values that are missing yet are drawn."""
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [self._taken_up(frozen) for frozen in running]

    def _taken_up(self, frozen: FrozenTrial) -> optuna.Trial:
        whole = set(frozen.params) == set(self._space)
        sampler = RandomSampler() if whole else self._sampler(frozen.number)
        self.study.sampler = sampler
        trial = optuna.Trial(self.study, frozen._trial_id)  # noqa: SLF001 - Optuna has no other way
        for key, dimension in self.plan.space.items():
            if key not in frozen.params:
                suggest(trial, key, dimension)
            elif key not in trial.relative_params:
                # drawn once more and let go, so that the next is drawn as it would have been
                sampler.sample_independent(self.study, frozen, key, self._space[key])
        return trial

    def report(self, trial: optuna.Trial, step: int, value: float) -> bool:
        """Note what a trial is worth after `step` seeds; return whether to end it."""
        frozen = self.study.get_trials(deepcopy=False)[trial.number]
        if step not in frozen.intermediate_values:  # a driver that was killed may have noted it
            trial.report(value, step)
        return bool(trial.should_prune())  # of NumPy, which JSON does not know

    def hopeless(self, trial: optuna.Trial, runs: Sequence[Result]) -> bool:
        """Note what a trial is worth after some of its seeds; return whether to end it."""
        if not self.plan.pruning or len(runs) == len(self.plan.seeds):
            return False
        return self.report(trial, len(runs), self.plan.objectives[0].mean(runs))

    def tell(self, trial: optuna.Trial, runs: Sequence[Result], *, early: bool = False) -> None:
        """End a trial with these results, one a seed; `early` if it was hopeless before its last.

        Args:
            trial: To be ended.
            runs: Contents of result.json, as far as the objectives read them.
            early: Whether it counts as pruned.
        """
        for one in self.plan.objectives:
            trial.set_user_attr(f"seeds:{one.name}", [one.of(run) for run in runs])
        if early:
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, [one.mean(runs) for one in self.plan.objectives])

    def lose(self, trial: optuna.Trial, error: str, *, diverged: bool = False) -> None:
        """End a trial that `error` kept from an end.

        One that diverged is the worst there is, which the sampler learns from; a full disk, a lost
        worker or values that do not go together say nothing about others.
        """
        trial.set_user_attr("error", error)
        self.study.tell(trial, state=TrialState.PRUNED if diverged else TrialState.FAIL)


@contextmanager
def open_trials(folder: Path, plan: Plan) -> Iterator[TrialStore]:
    """Open the trials in `folder`, or begin there.

    Raises:
        InputError: It holds another search.
        StorageError: The file cannot be read or written.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = folder / FILE
    with _storage_errors(path), warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
        try:
            study = optuna.create_study(
                storage=storage,
                study_name=NAME,
                directions=[one.direction for one in plan.objectives],
                pruner=optuna.pruners.MedianPruner(STARTUP) if plan.pruning else None,
                load_if_exists=True,
            )
            _claim(study, plan, path)
            yield TrialStore(study, plan)
        finally:
            storage.remove_session()
            storage.engine.dispose()


def _claim(study: optuna.Study, plan: Plan, path: Path) -> None:
    """Note what is searched, or check that it is the same; the settings as they are come first."""
    identity = json.loads(json.dumps(plan.identity()))
    known: Mapping[str, Any] | None = study.user_attrs.get("plan")
    if known is None:
        start = plan.start()
        if start is not None and not study.trials:
            study.enqueue_trial(start)
        study.set_user_attr("plan", identity)
        return
    settings = differences(known["settings"], identity["settings"])
    others = [key for key in identity if key != "settings" and known.get(key) != identity[key]]
    differing = sorted([*others, *settings])
    if differing:
        hint = "Give the settings and options it was started with, or choose another --out."
        what = f"{path} holds another search ({', '.join(differing)} differ)"
        raise InputError(describe(what, hint=hint))


def distribution(dimension: Dimension) -> BaseDistribution:
    """A dimension in Optuna's words."""
    if not isinstance(dimension, Range):
        return CategoricalDistribution([stored(choice) for choice in dimension.choices])
    low, high, log = dimension.low, dimension.high, dimension.log
    if dimension.int:
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(low, high, log=log)


def suggest(trial: optuna.Trial, key: str, dimension: Dimension) -> None:
    """Draw one value of a trial, unless it has it."""
    if not isinstance(dimension, Range):
        trial.suggest_categorical(key, [stored(choice) for choice in dimension.choices])
    elif dimension.int:
        trial.suggest_int(key, int(dimension.low), int(dimension.high), log=dimension.log)
    else:
        trial.suggest_float(key, dimension.low, dimension.high, log=dimension.log)


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        reason = str(error).splitlines()[0]
        hint = "If it was damaged, restore it or choose another --out."
        raise StorageError(describe(f"Cannot use {path} ({reason})", hint=hint)) from error
