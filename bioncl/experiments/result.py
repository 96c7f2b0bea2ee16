"""What a run leaves: the numbers, as an object and as `result.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bioncl import metrics
from bioncl.atomic import write_json
from bioncl.errors import InputError, describe
from bioncl.learning.evaluation import Scores
from bioncl.learning.loop import TaskOutcome

SCHEMA = 1
Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Progressed:
    """Accuracies and times of the tasks learnt so far; grows task by task.

    Attributes:
        initial: Accuracy of the untrained network on each task.
        asleep: Accuracy rows after each task (asleep, if a method sleeps).
        awake: Rows before each night; empty if no method sleeps.
        all: Accuracy on all test data after each task.
        all_awake: The same before each night.
        seconds: Time for "train", "sleep" and "eval".
        steps: Steps of training.
    """

    initial: tuple[float, ...]
    asleep: Rows = ()
    awake: Rows = ()
    all: tuple[float, ...] = ()
    all_awake: tuple[float, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    steps: int = 0

    def plus(self, outcome: TaskOutcome) -> Progressed:
        """With one more task."""
        awake: list[Scores] = [outcome.awake] if outcome.awake else []
        times = {k: self.seconds.get(k, 0.0) + v for k, v in outcome.seconds.items()}
        return Progressed(
            self.initial,
            (*self.asleep, outcome.scores.tasks),
            (*self.awake, *(s.tasks for s in awake)),
            (*self.all, outcome.scores.all),
            (*self.all_awake, *(s.all for s in awake)),
            times,
            self.steps + outcome.steps,
        )

    def tables(self) -> dict[str, Any]:
        """JSON-able, for a checkpoint's header."""
        return dict(vars(self))

    @classmethod
    def of(cls, tables: Mapping[str, Any]) -> Progressed:
        """What `tables` returned, after a trip through JSON."""
        return cls(
            initial=tuple(tables["initial"]),
            asleep=_rows(tables["asleep"]),
            awake=_rows(tables["awake"]),
            all=tuple(tables["all"]),
            all_awake=tuple(tables["all_awake"]),
            seconds=dict(tables["seconds"]),
            steps=int(tables.get("steps", 0)),
        )


@dataclass(frozen=True)
class RunResult:
    """What a run found; `values` is what stands in result.json.

    The keys of `values` are those of the contract: accuracy, accuracy_awake, accuracy_all, acc,
    bwt, fwt, forgetting, seconds, training_steps, memory_bytes, stored_examples, settings, stream,
    scenario, method, seed, device, trace.
    """

    values: Mapping[str, Any]

    @property
    def acc(self) -> float:
        """Final accuracy, 0..1: on all test data, or the mean over tasks (task-incremental)."""
        return float(self.values["acc"])

    @property
    def accuracy(self) -> list[list[float]]:
        """Accuracy on task j (column) after task k (row)."""
        return [list(row) for row in self.values["accuracy"]]

    def to_json(self) -> str:
        """As one line of JSON."""
        return json.dumps(dict(self.values), allow_nan=False)

    def save(self, path: Path) -> None:
        """Write result.json atomically."""
        write_json(path, dict(self.values))

    @classmethod
    def read(cls, path: Path | str) -> RunResult:
        """Read a result.json.

        Raises:
            InputError: It is missing, damaged or from a newer bioncl.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
            schema = int(values["schema"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            hint = "Repeat the run."
            raise InputError(describe(f"{path} is not a result ({error})", hint=hint)) from error
        if schema > SCHEMA:
            what = f"{path} was written by a newer bioncl"
            raise InputError(describe(what, expected=f"schema {SCHEMA}", got=schema))
        return cls(values)


def measures(progressed: Progressed, scenario: str) -> dict[str, Any]:
    """The part of result.json that the accuracies determine."""
    matrix = progressed.asleep
    found: dict[str, Any] = {
        "accuracy": matrix,
        "accuracy_initial": progressed.initial,
        "accuracy_all": progressed.all,
        "acc": metrics.average_accuracy(matrix) if scenario == "task" else progressed.all[-1],
        "bwt": metrics.backward_transfer(matrix),
        "fwt": metrics.forward_transfer(matrix, progressed.initial),
        "forgetting": metrics.forgetting(matrix),
        "learning_accuracy": metrics.learning_accuracy(matrix),
    }
    if progressed.awake:
        found["accuracy_awake"] = progressed.awake
        found["accuracy_all_awake"] = progressed.all_awake
    return found


def _rows(rows: Sequence[Sequence[float]]) -> Rows:
    return tuple(tuple(row) for row in rows)
