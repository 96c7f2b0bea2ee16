"""What is searched: fixed before the first trial, and the same whenever the search goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bioncl.errors import SettingsError, UnsupportedError, describe
from bioncl.experiments.settings import RunConfig, load
from bioncl.experiments.sweep.jobs import Job
from bioncl.experiments.tuning.held_out import HeldOut, check_job, held_out
from bioncl.experiments.tuning.objectives import (
    OBJECTIVES,
    OF_A_NIGHT,
    Objective,
    objectives_of,
)
from bioncl.experiments.tuning.samplers import SamplerName, check_sampler
from bioncl.experiments.tuning.space import (
    Space,
    Value,
    names,
    read_space,
    settings_of,
    space_of,
)
from bioncl.methods.src import SRC

FIRST_SEED = 1000
"""Seeds of trials start here, so that seeds 0, 1, … are fresh for the run on the test data."""


@dataclass(frozen=True)
class Choosing:
    """How a search goes about it.

    Attributes:
        sampler: Who proposes trials.
        objectives: What they are worth; several give a Pareto front.
        seeds: Runs of a trial, with seeds from `FIRST_SEED` on.
        seed: Fixes the proposals.
        pruning: Whether a trial ends after a seed that leaves it below the median of the others;
            with one objective only.
        validation: Share of the training data that is held out, if the settings hold out none.
    """

    sampler: SamplerName = "tpe"
    objectives: Sequence[str] = ("accuracy",)
    seeds: int = 2
    seed: int = 0
    pruning: bool = True
    validation: float = 0.2


@dataclass(frozen=True)
class Plan:
    """A search: settings, what may vary, and how it is gone about.

    Attributes:
        held: The settings, judged on held-out training data.
        space: What may vary.
        objectives: What trials are worth.
        choosing: How it is gone about.
        night: Search the night after this task (from 1) alone; None searches whole runs.
    """

    held: HeldOut
    space: Space
    objectives: tuple[Objective, ...]
    choosing: Choosing
    night: int | None = None

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the runs of a trial."""
        return tuple(range(FIRST_SEED, FIRST_SEED + self.choosing.seeds))

    @property
    def pruning(self) -> bool:
        """Whether trials may end early."""
        return self.choosing.pruning and len(self.objectives) == 1 and len(self.seeds) > 1

    def identity(self) -> dict[str, Any]:
        """Everything that the trials depend on, JSON-able."""
        return {
            "settings": dict(self.held.config.resolved),
            "space": {key: one.table() for key, one in self.space.items()},
            "objectives": [one.name for one in self.objectives],
            "sampler": self.choosing.sampler,
            "seeds": list(self.seeds),
            "seed": self.choosing.seed,
            "pruning": self.pruning,
            "night": self.night,
        }

    def jobs(self, params: Mapping[str, Value]) -> list[Job]:
        """The runs of a trial, one a seed; see `config`."""
        return [Job.of(self.config(seed, params)) for seed in self.seeds]

    def config(self, seed: int, params: Mapping[str, Value] | None = None) -> RunConfig:
        """The settings with `seed` and the values of a trial, to be judged on held-out data.

        Raises:
            SettingsError: These values do not go together.
        """
        config = changed(self.held.config, self.space, params or {}, [("seed", seed)])
        check_job(config.resolved)
        return config

    def start(self) -> dict[str, Value] | None:
        """The values of the settings themselves, as a trial; None if one lies outside."""
        found: dict[str, Value] = {}
        for key, dimension in self.space.items():
            value = dimension.stored(_standing(self.held.config.resolved, key))
            if value is None:
                return None
            found[key] = value
        return found


def make_plan(
    settings: str | Path | Mapping[str, Any],
    space: str | Path | Mapping[str, Any] | None = None,
    choosing: Choosing | None = None,
    overrides: Iterable[tuple[str, Any]] = (),
    night: int | None = None,
) -> Plan:
    """Check settings and space together.

    Args:
        settings: As `bioncl.run` takes them.
        space: A file, the name of a space that ships, or the content of a table [tune]; None takes
            the table [tune] of the settings.
        choosing: How to go about it.
        overrides: Pairs of a dotted key and a value, as `--set` takes them.
        night: Search the night after this task (from 1) alone.

    Raises:
        SettingsError: They cannot be used, with what is wrong.
        UnsupportedError: The sampler cannot search such a space, or there is no one night.
    """
    choosing = choosing or Choosing()
    if choosing.seeds < 1:
        raise SettingsError(describe("Seeds of a trial", expected="1 or more", got=choosing.seeds))
    held = held_out(settings, overrides, choosing.validation)
    dimensions = _space(space, held)
    objectives = objectives_of(choosing.objectives, OBJECTIVES if night is None else OF_A_NIGHT)
    check_sampler(choosing.sampler, dimensions, len(objectives))
    plan = Plan(held, dimensions, objectives, choosing, night)
    if night is not None:
        _check_night(plan)
    _check_space(plan)
    return plan


def changed(
    config: RunConfig,
    space: Space,
    params: Mapping[str, Value],
    more: Iterable[tuple[str, Any]] = (),
) -> RunConfig:
    """`config` with the values of a trial, and with `more`.

    Raises:
        SettingsError: They do not go together.
    """
    tables = {**config.resolved, "settings": config.name}
    return load(tables, [*settings_of(space, params).items(), *more])


def _space(space: str | Path | Mapping[str, Any] | None, held: HeldOut) -> Space:
    if isinstance(space, Mapping):
        return space_of(space, "the call")
    if space is not None:
        return read_space(space)
    if not held.tune:
        hint = f"Add a table [tune], or name a space with --space: a file, or {', '.join(names())}."
        what = f"Settings '{held.config.name}' do not say what may vary"
        raise SettingsError(describe(what, hint=hint))
    return space_of(held.tune, held.config.name)


def _check_space(plan: Plan) -> None:
    """Try the ends of every dimension, the others at their first value."""
    corner = {key: one.samples()[0] for key, one in plan.space.items()}
    tables = {**plan.held.config.resolved, "settings": plan.held.config.name}
    for key, one in plan.space.items():
        for value in one.samples():
            try:
                load(tables, (corner | {key: value}).items())
            except SettingsError as error:
                what = f"Search space: {key} = {value} does not suit the settings ({error})"
                raise SettingsError(describe(what)) from error


def _check_night(plan: Plan) -> None:
    """See to it that nothing but the night varies, and that there is one."""
    others = [key for key in plan.space if not key.startswith("sleep.")]
    if others or "sleep.when" in plan.space:
        what = f"The search of one night cannot vary {', '.join(others) or 'sleep.when'}"
        expected = "keys that begin with sleep., but sleep.when"
        hint = "Leave it out of the space, or search whole runs, without --night."
        raise SettingsError(describe(what, expected=expected, hint=hint))
    config = plan.held.config
    asleep = [method for method in config.methods if method.sleeps]
    if len(asleep) != 1 or not isinstance(asleep[0], SRC):
        what = f"Methods of '{config.name}' that sleep"
        got = ", ".join(type(method).__name__ for method in asleep) or "none"
        raise UnsupportedError(describe(what, expected="src alone", got=got))


def _standing(tables: Any, key: str) -> Any:
    """What stands at a dotted key; None if nothing does."""
    for step in key.split("."):
        try:
            tables = tables[int(step)] if isinstance(tables, list) else tables[step]
        except (KeyError, IndexError, ValueError, TypeError):
            return None
    return tables
