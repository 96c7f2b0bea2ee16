"""Who proposes the next trial.

A sampler is made anew for each trial, its chance drawn from the seed of the search and the trial's
number. What it has learnt stands in the study, so a search that was stopped goes on as if it had
not been; with one worker it makes the same trials.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Literal, get_args

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, CmaEsSampler, NSGAIISampler, RandomSampler, TPESampler

from bioncl.errors import SettingsError, UnsupportedError, describe
from bioncl.experiments.tuning.space import Range, Space
from bioncl.seeding import derive
from bioncl.traces.exports.optional import require

SamplerName = Literal["tpe", "cmaes", "genetic", "random"]
POPULATION = 20
"""Trials of one generation of the genetic algorithm."""


def make_sampler(name: SamplerName, seed: int, number: int) -> BaseSampler:
    """The sampler of the trial with this number, in a search with this seed."""
    chance = derive(seed, "tune", number) % 2**32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return _MAKERS[name](chance)


def check_sampler(name: str, space: Space, objectives: int) -> None:
    """Refuse a sampler that is unknown, or cannot search `space` for so many objectives.

    Raises:
        SettingsError: It is unknown.
        UnsupportedError: It cannot.
    """
    if name not in get_args(SamplerName):
        known = ", ".join(get_args(SamplerName))
        raise SettingsError(describe("Sampler", expected=known, got=f"'{name}'"))
    if name != "cmaes":
        return
    require("cmaes", "tune")
    if objectives > 1:
        hint = "Take tpe or genetic."
        raise UnsupportedError(describe("cmaes searches for one objective only", hint=hint))
    if sum(isinstance(one, Range) for one in space.values()) < 2:
        hint = "Take another sampler."
        raise UnsupportedError(describe("cmaes needs two ranges or more", hint=hint))


def _tpe(chance: int) -> BaseSampler:
    # multivariate: settings of a night act together; liar: trials that run at the same time differ
    return TPESampler(seed=chance, multivariate=True, constant_liar=True)


def _cmaes(chance: int) -> BaseSampler:
    return CmaEsSampler(seed=chance, warn_independent_sampling=False)


def _genetic(chance: int) -> BaseSampler:
    """NSGA-II: tournaments, uniform crossover, mutation; with one objective an elitist GA."""
    return NSGAIISampler(seed=chance, population_size=POPULATION)


def _random(chance: int) -> BaseSampler:
    return RandomSampler(seed=chance)


_MAKERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": _tpe,
    "cmaes": _cmaes,
    "genetic": _genetic,
    "random": _random,
}
