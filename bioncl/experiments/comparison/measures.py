"""What is measured of each run, and how it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Measure:
    """One number of a run.

    Attributes:
        name: In tables of files.
        title: In tables for people.
        read: Takes it from the values of result.json.
        share: Whether it is a share 0..1, told in per cent.
        help: What it is, in a line.
    """

    name: str
    title: str
    read: Callable[[Values], float]
    share: bool
    help: str


def _carried(values: Values) -> float:
    return float(sum(values["memory_bytes"].values()))


def _learning(values: Values) -> float:
    return float(values["seconds"].get("train", 0.0) + values["seconds"].get("sleep", 0.0))


MEASURES = (
    Measure("acc", "ACC", lambda v: float(v["acc"]), True, "final accuracy, as result.json has it"),
    Measure(
        "worst_task", "worst task", lambda v: min(v["accuracy"][-1]), True, "least of the last row"
    ),
    Measure("bwt", "BWT", lambda v: float(v["bwt"]), True, "backward transfer; below 0 it forgets"),
    Measure("fwt", "FWT", lambda v: float(v["fwt"]), True, "forward transfer"),
    Measure(
        "forgetting",
        "forgetting",
        lambda v: float(v["forgetting"]),
        True,
        "best accuracy ever had on old tasks, less the final one",
    ),
    Measure(
        "learning_accuracy",
        "learning",
        lambda v: float(v["learning_accuracy"]),
        True,
        "accuracy on each task when it was new",
    ),
    Measure(
        "stored_examples",
        "examples",
        lambda v: float(v["stored_examples"]),
        False,
        "examples carried from task to task",
    ),
    Measure(
        "bytes", "bytes", _carried, False, "bytes carried from task to task besides the network"
    ),
    Measure(
        "training_steps", "steps", lambda v: float(v["training_steps"]), False, "training steps"
    ),
    Measure("seconds", "seconds", _learning, False, "wall time of training and sleeping"),
)
"""All of them, in the order of tables."""

BUDGETS = ("stored_examples", "bytes", "training_steps", "seconds")
"""Names of those that tell what a run costs."""

BY_NAME = {measure.name: measure for measure in MEASURES}
