"""What a trial is worth: numbers of its runs on held-out data, averaged over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from bioncl.errors import SettingsError, describe, did_you_mean


@dataclass(frozen=True)
class Objective:
    """One number of a run, and which way is better.

    Attributes:
        name: As `--objective` takes it.
        direction: "maximize" or "minimize".
        of: From the content of a result.json to the number.
        what: For people.
    """

    name: str
    direction: Literal["maximize", "minimize"]
    of: Callable[[Mapping[str, Any]], float]
    what: str

    def mean(self, runs: Sequence[Mapping[str, Any]]) -> float:
        """The mean over runs with different seeds."""
        return statistics.mean(self.of(values) for values in runs)


def final_accuracy(values: Mapping[str, Any]) -> float:
    """Accuracy after the last task, 0..1."""
    return float(values["acc"])


def worst_task(values: Mapping[str, Any]) -> float:
    """Accuracy on the task that does worst after the last one, 0..1."""
    return float(min(values["accuracy"][-1]))


def stored_bytes(values: Mapping[str, Any]) -> float:
    """Bytes carried from task to task besides the model: stored examples and methods' state."""
    return float(sum(values["memory_bytes"].values()))


OBJECTIVES = {
    one.name: one
    for one in (
        Objective("accuracy", "maximize", final_accuracy, "final accuracy"),
        Objective("worst-task", "maximize", worst_task, "accuracy on the worst task"),
        Objective("stored-bytes", "minimize", stored_bytes, "bytes carried besides the model"),
    )
}

OF_A_NIGHT = {
    one.name: one
    for one in (
        replace(OBJECTIVES["accuracy"], what="accuracy on the tasks learnt so far"),
        replace(OBJECTIVES["worst-task"], what="accuracy on the worst task learnt so far"),
    )
}
"""What a single night is worth, which changes nothing that is stored."""


def objectives_of(
    names: Sequence[str], known: Mapping[str, Objective] = OBJECTIVES
) -> tuple[Objective, ...]:
    """The objectives with these names out of `known`, in this order.

    Raises:
        SettingsError: There is none, one is unknown, or one is given twice.
    """
    for name in names:
        if name not in OBJECTIVES:
            hint = did_you_mean(name, known)
            raise SettingsError(describe(f"Unknown objective '{name}'", hint=hint))
        if name not in known:
            expected = " or ".join(known)
            what = f"A night does not change '{name}', which cannot be what it is worth"
            raise SettingsError(describe(what, expected=expected))
    if not names or len(set(names)) < len(names):
        expected = "one or more different ones"
        raise SettingsError(describe("Objectives", expected=expected, got=list(names)))
    return tuple(known[name] for name in names)
