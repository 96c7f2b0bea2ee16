"""Curves over the examples that are stored, and families of settings of one method.

A series is made of contenders with the same methods whose settings outside of [[methods]] are the
same, so that they differ in what the methods are told, such as how much to store. To a series of at
least two that store something belongs a point at 0: the contender that stores nothing and has the
same methods but one ("naive" is no method here). So rehearsal begins at naive, and rehearsal with
sleep begins at sleep alone.

A family is wider: all contenders with the same methods, whatever else they are told.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from bioncl.experiments.comparison.fair import FairMeasures, fair_measures
from bioncl.experiments.comparison.summary import Row
from bioncl.experiments.sweep.jobs import canonical

IRRELEVANT = ("paper", "seed")


@dataclass(frozen=True, eq=False)
class Series:
    """Contenders on one curve.

    Attributes:
        name: Of its methods.
        sleeps: Whether one of them sleeps.
        rows: By rising number of stored examples.
    """

    name: str
    sleeps: bool
    rows: tuple[Row, ...]


@dataclass(frozen=True, eq=False)
class Family:
    """Contenders of one method with several settings, and what it reaches with them.

    Attributes:
        name: Of the methods.
        rows: Who; at least two.
        seeds: Seeds that all of them have.
        measures: The two fair measures, one value for each of these seeds.
    """

    name: str
    rows: tuple[Row, ...]
    seeds: tuple[int, ...]
    measures: FairMeasures


def stored(row: Row) -> float:
    """Mean number of stored examples; the row has a result."""
    return row.estimates["stored_examples"].mean


def grouped(rows: Sequence[Row]) -> list[Series]:
    """The series of `rows` as they are named, without points from others; failed rows are out."""
    groups: dict[tuple[tuple[str, ...], str], list[Row]] = {}
    for row in rows:
        if row.values:
            groups.setdefault((_learning(row), _rest(row)), []).append(row)
    names = [names for names, _ in groups]
    found = []
    for (methods, _), members in groups.items():
        name = _name(methods)
        if names.count(methods) > 1:
            name = f"{name} ({members[0].label})"
        found.append(Series(name, "sleep" in members[0].contender.jobs[0].tables, _risen(members)))
    return found


def curves(rows: Sequence[Row]) -> list[Series]:
    """The series of `rows` over stored examples, each with its point at 0 if there is one."""
    found = grouped(rows)
    nothing = [row for row in rows if row.values and stored(row) == 0]
    made = []
    for one in found:
        begins = [row for row in nothing if _begins(row, one)]
        alike = [row for row in begins if _rest(row) == _rest(one.rows[0])] or begins
        made.append(Series(one.name, one.sleeps, _risen([*alike[:1], *one.rows])))
    return made


def families(rows: Sequence[Row], target: float | None) -> list[Family]:
    """The families with the fair measures; there is none where there is only one task.

    Args:
        rows: Contenders of one problem.
        target: Accuracy wanted on the last task, 0..1, or None.
    """
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if row.values:
            groups.setdefault(_learning(row), []).append(row)
    found = []
    for methods, members in groups.items():
        seeds = tuple(sorted(set.intersection(*(set(row.values) for row in members))))
        last = [[row.values[seed]["accuracy"][-1] for seed in seeds] for row in members]
        if len(members) > 1 and seeds and len(last[0][0]) > 1:
            measures = fair_measures(last, target)
            found.append(Family(_name(methods), tuple(members), seeds, measures))
    return found


def _name(methods: tuple[str, ...]) -> str:
    return " + ".join(methods) or "naive"


def _risen(rows: Sequence[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=stored))


def _begins(row: Row, series: Series) -> bool:
    """Whether `row`, which stores nothing, has the methods of `series` but one."""
    mine, theirs = _learning(row), _learning(series.rows[0])
    without = [theirs[:place] + theirs[place + 1 :] for place in range(len(theirs))]
    return mine in without and len(series.rows) > 1 and stored(series.rows[0]) > 0


def _learning(row: Row) -> tuple[str, ...]:
    """Names of the methods; "naive" does nothing beside others, and nothing alone."""
    return tuple(sorted(name for name in row.methods if name != "naive"))


def _rest(row: Row) -> str:
    """The settings outside of the methods."""
    found = canonical(row.contender.jobs[0].tables)
    rest = {
        key: value
        for key, value in found.items()
        if not key.startswith("methods.") and key not in IRRELEVANT
    }
    return json.dumps(rest, sort_keys=True)
