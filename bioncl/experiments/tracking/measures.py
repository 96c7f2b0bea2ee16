"""The numbers of a run under the names that a tracker shows.

| name | step | what |
|---|---|---|
| accuracy/task_1 … | tasks learnt | accuracy on each task, asleep if the method sleeps |
| accuracy_awake/task_1 … | tasks learnt | the same before that task's night |
| accuracy_all, accuracy_all_awake | tasks learnt | accuracy on the tests of all tasks |
| acc, bwt, fwt, forgetting, learning_accuracy | all tasks | as in result.json |
| seconds/train …, memory_bytes/stored_examples … | all tasks | time, and what is carried along |

Tasks count from 1, as on the command line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from bioncl.experiments.sweep.jobs import flattened

FINAL = ("acc", "bwt", "fwt", "forgetting", "learning_accuracy")
GROUPS = ("seconds", "memory_bytes")


class Measure(NamedTuple):
    """One number: its name, the number of tasks learnt, and itself."""

    name: str
    step: int
    value: float


class Tracker(Protocol):
    """A tool that keeps the numbers of runs; made before a run, so that it can say it is absent."""

    def log(self, values: Mapping[str, Any], out: Path) -> str:
        """Keep a run.

        Args:
            values: The content of result.json.
            out: Folder of the run.

        Returns:
            Where it is kept, for people.
        """


def measures(values: Mapping[str, Any]) -> Iterator[Measure]:
    """All numbers of a run, from the content of its result.json."""
    yield from _curves(values)
    last = len(values["accuracy"])
    for key in FINAL:
        if values.get(key) is not None:
            yield Measure(key, last, float(values[key]))
    for group in GROUPS:
        for key, value in values[group].items():
            yield Measure(f"{group}/{key}", last, float(value))


def _curves(values: Mapping[str, Any]) -> Iterator[Measure]:
    """What has a value after each task."""
    for key in ("accuracy", "accuracy_awake"):
        for step, row in enumerate(values.get(key, ()), start=1):
            for task, accuracy in enumerate(row, start=1):
                yield Measure(f"{key}/task_{task}", step, float(accuracy))
    for key in ("accuracy_all", "accuracy_all_awake"):
        for step, accuracy in enumerate(values.get(key, ()), start=1):
            yield Measure(key, step, float(accuracy))


def parameters(values: Mapping[str, Any]) -> dict[str, bool | int | float | str]:
    """The settings of a run by dotted keys; lists as JSON, nothing as empty text."""
    found: dict[str, bool | int | float | str] = {"method": values["method"]}
    for key, value in flattened(values["settings"]):
        if isinstance(value, bool | int | float | str):
            found[key] = value
        else:
            found[key] = "" if value is None else json.dumps(value)
    return found


def run_name(values: Mapping[str, Any]) -> str:
    """Name of a run, as that of its default folder."""
    return f"{values['name']}-seed{values['seed']}"
