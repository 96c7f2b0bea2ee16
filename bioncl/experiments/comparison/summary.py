"""From runs to what they say, problem by problem.

A problem is a stream with its data: only contenders that learn the same one are compared. In each,
every contender is compared with the baseline (one family of tests), and everyone with everyone
(another one).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioncl.errors import InputError, describe, did_you_mean
from bioncl.experiments.comparison.contenders import Contender
from bioncl.experiments.comparison.measures import MEASURES
from bioncl.experiments.comparison.statistics import (
    Difference,
    Estimate,
    estimate,
    holm,
    paired_p,
)
from bioncl.experiments.sweep.jobs import canonical
from bioncl.experiments.sweep.work import Outcome


@dataclass(frozen=True, eq=False)
class Row:
    """A contender with what became of its runs.

    Attributes:
        contender: Who.
        outcomes: One for each of its jobs.
    """

    contender: Contender
    outcomes: tuple[Outcome, ...]

    @property
    def label(self) -> str:
        """What people call it."""
        return self.contender.label

    @cached_property
    def values(self) -> dict[int, Mapping[str, Any]]:
        """What stands in result.json of each seed that did not fail."""
        pairs = zip(self.contender.jobs, self.outcomes, strict=True)
        return {job.seed: outcome.values for job, outcome in pairs if outcome.result is not None}

    @property
    def failed(self) -> int:
        """Runs that failed."""
        return len(self.outcomes) - len(self.values)

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of its methods."""
        return tuple(table["name"] for table in self.contender.jobs[0].tables["methods"])

    @cached_property
    def estimates(self) -> dict[str, Estimate]:
        """Every measure over the seeds, by its name; empty if all runs failed."""
        runs = list(self.values.values())
        return {m.name: estimate([m.read(run) for run in runs]) for m in MEASURES if runs}

    @property
    def matrix(self) -> NDArray[np.float64] | None:
        """Mean accuracy on task j after task i [tasks, tasks]; None if all runs failed."""
        found = [run["accuracy"] for run in self.values.values()]
        return np.mean(found, axis=0) if found else None


@dataclass(frozen=True, eq=False)
class Problem:
    """Contenders that learn the same stream from the same data.

    Attributes:
        name: Of the stream.
        scenario: "class", "domain" or "task".
        tasks: Names of the tasks; empty if all runs failed.
        rows: The contenders.
        baseline: Label of the one that the others are compared with.
        against: Each other one less the baseline.
        pairs: Each one less each later one.
    """

    name: str
    scenario: str
    tasks: tuple[str, ...]
    rows: tuple[Row, ...]
    baseline: str
    against: tuple[Difference, ...]
    pairs: tuple[Difference, ...]

    def difference(self, label: str) -> Difference | None:
        """That of `label` and the baseline; None for the baseline itself."""
        return next((one for one in self.against if one.first == label), None)


@dataclass(frozen=True, eq=False)
class Comparison:
    """All that a comparison found.

    Attributes:
        problems: In the order in which they were named.
        seeds: What every contender ran with.
    """

    problems: tuple[Problem, ...]
    seeds: tuple[int, ...]

    @property
    def rows(self) -> list[Row]:
        """All contenders."""
        return [row for problem in self.problems for row in problem.rows]

    @property
    def failed(self) -> int:
        """Runs that failed."""
        return sum(row.failed for row in self.rows)


def check_baseline(found: Sequence[Contender], baseline: str | None) -> None:
    """Refuse a baseline that is no contender.

    Raises:
        InputError: Names those that are.
    """
    labels = [one.label for one in found]
    if baseline is not None and baseline not in labels:
        what = f"The baseline '{baseline}' is not compared"
        raise InputError(describe(what, hint=did_you_mean(baseline, labels)))


def summarise(
    found: Sequence[Contender], outcomes: Sequence[Outcome], baseline: str | None = None
) -> Comparison:
    """Put results together.

    Args:
        found: The contenders.
        outcomes: Of all their jobs, in order.
        baseline: Label of the one to compare with; by default the first of each problem.

    Raises:
        InputError: There is no such baseline.
    """
    check_baseline(found, baseline)
    left = iter(outcomes)
    rows = [Row(one, tuple(itertools.islice(left, len(one.jobs)))) for one in found]
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(_problem(row), []).append(row)
    problems: list[Problem] = []
    for group in groups.values():
        made = _made(group, baseline)
        problems.append(replace(made, name=_name(made, {other.name for other in problems})))
    return Comparison(tuple(problems), tuple(job.seed for job in found[0].jobs))


def _name(made: Problem, taken: Set[str]) -> str:
    """A name of its own: streams of one name are told apart by scenario, or else by number."""
    numbered = (f"{made.name} ({number})" for number in itertools.count(2))
    names = itertools.chain([made.name, f"{made.name} ({made.scenario})"], numbered)
    return next(name for name in names if name not in taken)


def _problem(row: Row) -> str:
    """What has to be the same for results to be comparable."""
    tables = row.contender.jobs[0].tables
    parts = {name: tables[name] for name in ("stream", "data")}
    return json.dumps(canonical(parts), sort_keys=True)


def _made(rows: Sequence[Row], baseline: str | None) -> Problem:
    labels = [row.label for row in rows]
    base = rows[labels.index(baseline) if baseline in labels else 0]
    stream = rows[0].contender.jobs[0].tables["stream"]
    known: Mapping[str, Any] = next((v for row in rows for v in row.values.values()), {})
    return Problem(
        name=str(known.get("stream", stream["name"])),
        scenario=str(known.get("scenario", stream.get("scenario", ""))),
        tasks=tuple(map(str, known.get("tasks", ()))),
        rows=tuple(rows),
        baseline=base.label,
        against=adjusted([difference(row, base) for row in rows if row is not base]),
        pairs=adjusted([difference(a, b) for a, b in itertools.combinations(rows, 2)]),
    )


def difference(first: Row, second: Row) -> Difference:
    """Final accuracy of `first` less that of `second`, on the seeds that both have."""
    seeds = tuple(sorted(first.values.keys() & second.values.keys()))
    found = [float(first.values[s]["acc"]) - float(second.values[s]["acc"]) for s in seeds]
    about = estimate(found) if found else None
    return Difference(first.label, second.label, seeds, about, paired_p(found))


def adjusted(family: Sequence[Difference]) -> tuple[Difference, ...]:
    """The same with p values for as many tests as there are."""
    values = holm([one.p for one in family])
    return tuple(replace(one, p_holm=p) for one, p in zip(family, values, strict=True))
