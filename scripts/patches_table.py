"""The toy problem of the paper: accuracy before and after sleep for each overlap, and without gate.

Usage: patches_table.py [SEEDS]      (default 5; a few minutes on one core)
"""

from __future__ import annotations

import statistics
import sys
from typing import Any

import bioncl

WIDE = {"stream.width": 11, "train.lr": 0.1, "train.epochs": 4}
NARROW: dict[str, Any] = {"stream.width": 10}
RULES: dict[str, dict[str, Any]] = {
    "gated": {},
    "sigmoid": {"sleep.rule": {"name": "sigmoid", "inc": 0.0035, "dec": 0.0002}},
    "sigmoid / 10": {"sleep.rule": {"name": "sigmoid", "inc": 0.00035, "dec": 0.00002}},
    "constant": {"sleep.rule": {"name": "constant", "inc": 0.0035, "dec": 0.0002}},
    "constant / 10": {"sleep.rule": {"name": "constant", "inc": 0.00035, "dec": 0.00002}},
}


def line(label: str, overlap: int, changes: dict[str, Any], seeds: int) -> None:
    """Run one row of the table and print it."""
    overrides = [("stream.overlap", overlap), ("trace.record", False), *changes.items()]
    values = [
        bioncl.run("tadros2022-patches", seed=seed, overrides=overrides).values
        for seed in range(seeds)
    ]
    before = statistics.mean(v["accuracy_all_awake"][-1] for v in values)
    after = statistics.mean(v["acc"] for v in values)
    print(f"| {label} | {overlap} | {before:.2f} | {after:.2f} |", flush=True)


def main(seeds: int) -> None:
    """Print the whole table."""
    print("| setting | overlap | after task 2 | after sleep |\n|---|---|---|---|")
    for overlap in (2, 6, 10, 12, 14, 16, 18):
        line("width 11", overlap, WIDE, seeds)
    for overlap in (1, 4, 8, 10, 12, 14, 15):
        line("width 10", overlap, NARROW, seeds)
    for rule, changes in RULES.items():
        for overlap in (10, 12, 14):
            line(f"width 10, rule {rule}", overlap, changes, seeds)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
