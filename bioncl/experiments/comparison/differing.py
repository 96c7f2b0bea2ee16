"""In which settings contenders differ, and only those."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bioncl.experiments.comparison.contenders import Contender
from bioncl.experiments.sweep.jobs import canonical

ABSENT = object()
"""Stands where a contender has no such setting, such as one of sleep if it never sleeps."""
_UNTOLD = {"seed", "paper"}


def differing(found: Sequence[Contender]) -> dict[str, list[Any]]:
    """Dotted keys whose values are not all the same, with the value of each contender."""
    tables = [canonical(one.jobs[0].tables) for one in found]
    keys = dict.fromkeys(key for table in tables for key in table if key not in _UNTOLD)
    values = {key: [table.get(key, ABSENT) for table in tables] for key in keys}
    return {key: row for key, row in values.items() if any(value != row[0] for value in row)}
