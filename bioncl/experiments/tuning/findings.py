"""What a search has found: the best trials, what mattered, and how many trials went how."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from bioncl.errors import RunError, describe
from bioncl.experiments.tuning.objectives import Objective
from bioncl.experiments.tuning.plan import Plan
from bioncl.experiments.tuning.space import settings_of
from bioncl.experiments.tuning.study import TrialStore

FEWEST = 4
"""Trials below which importance would be noise."""


@dataclass(frozen=True)
class Found:
    """One trial, for people and files.

    Attributes:
        number: From 0, in the order they were asked for.
        state: "complete", "pruned", "fail" or "running".
        values: Of each objective, the mean over its seeds; empty unless complete.
        seeds: Of each objective, one value a seed.
        params: Values of the settings that vary, as the study stores them.
        error: Why it failed, or empty.
    """

    number: int
    state: str
    values: Mapping[str, float]
    seeds: Mapping[str, list[float]]
    params: Mapping[str, Any]
    error: str = ""


@dataclass(frozen=True)
class Findings:
    """What a search has found.

    Attributes:
        plan: What was searched.
        trials: All trials, in order.
        best: The best trial; with several objectives all that none beats in every one, best in the
            first objective first.
        importance: Of each objective, how much of its variance each setting explains (fANOVA of
            Hutter et al. 2014), adding up to 1; empty after too few trials.
    """

    plan: Plan
    trials: tuple[Found, ...]
    best: tuple[Found, ...]
    importance: Mapping[str, Mapping[str, float]]

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of trials in each state."""
        return dict(sorted(Counter(trial.state for trial in self.trials).items()))

    def settings(self, trial: Found) -> dict[str, Any]:
        """The settings that a trial tried."""
        return settings_of(self.plan.space, trial.params)

    def as_json(self) -> dict[str, Any]:
        """For --json and summary.json."""
        best = [
            {
                "trial": one.number,
                "values": dict(one.values),
                "seeds": dict(one.seeds),
                "settings": self.settings(one),
            }
            for one in self.best
        ]
        return {
            "schema": 1,
            "name": self.plan.held.config.name,
            "plan": self.plan.identity(),
            "trials": self.counts,
            "best": best,
            "importance": {name: dict(table) for name, table in self.importance.items()},
        }


def findings(store: TrialStore) -> Findings:
    """Look at the trials so far.

    Raises:
        RunError: None has been completed.
    """
    plan = store.plan
    trials = tuple(_found(trial, plan) for trial in store.trials)
    complete = [trial for trial in trials if trial.state == "complete"]
    if not complete:
        errors = sorted({trial.error for trial in trials if trial.error})
        what = f"None of {len(trials)} trials came to an end"
        reason = f" (such as: {errors[0]})" if errors else ""
        hint = "Narrow the search space, or allow more --trials."
        raise RunError(describe(what + reason, hint=hint))
    first = plan.objectives[0]
    numbers = {trial.number for trial in store.study.best_trials}
    best = [trial for trial in complete if trial.number in numbers]
    best.sort(key=lambda one: _rank(one, first))
    importance = {}
    if len(complete) >= FEWEST:
        importance = {
            one.name: _importance(store.study, i) for i, one in enumerate(plan.objectives)
        }
    front = best if len(plan.objectives) > 1 else best[:1]
    return Findings(plan, trials, tuple(front), importance)


def _rank(trial: Found, objective: Objective) -> tuple[float, int]:
    value = trial.values[objective.name]
    return (-value if objective.direction == "maximize" else value), trial.number


def _found(trial: FrozenTrial, plan: Plan) -> Found:
    names = [one.name for one in plan.objectives]
    complete = trial.state == TrialState.COMPLETE
    seeds = {name: trial.user_attrs.get(f"seeds:{name}", []) for name in names}
    return Found(
        number=trial.number,
        state=trial.state.name.lower(),
        values=dict(zip(names, trial.values, strict=True)) if complete else {},
        seeds=seeds,
        params={key: trial.params[key] for key in plan.space if key in trial.params},
        error=str(trial.user_attrs.get("error", "")),
    )


def _importance(study: optuna.Study, objective: int) -> dict[str, float]:
    """Shares of the settings in one objective, largest first; empty where nothing varies."""

    def value(trial: FrozenTrial) -> float:
        return float(trial.values[objective])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            evaluator = FanovaImportanceEvaluator(seed=0)
            shares = get_param_importances(study, evaluator=evaluator, target=value)
        except (RuntimeError, ValueError):  # all trials are worth the same
            return {}
    return {key: float(share) for key, share in shares.items()}
