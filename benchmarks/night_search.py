"""What a trial of `bioncl tune --night` costs, with its nights one by one and side by side.

    python benchmarks/night_search.py [SETTINGS] [--night K] [--space FILE] [--trials N]
        [--together N] [--rounds N] [--set KEY=VALUE …]

One batch of random trials from the checkpoint after task K: first each by itself, as `bioncl sleep`
would, then all at once; as often as there are rounds, of which the median counts. Both are the
nights with their scores; learning, which happens once a seed, and the proposing of trials are left
out. Accuracies are compared. Without --space, rate, rule, thresholds and scale of the gains vary.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna

from bioncl.cli.settings_options import parse_sets
from bioncl.experiments.tuning.evening import Evening
from bioncl.experiments.tuning.plan import FIRST_SEED, Choosing, Plan, make_plan
from bioncl.experiments.tuning.study import distribution
from bioncl.progress import Silent

SPACE = {
    "sleep.rate": {"low": 50.0, "high": 400.0, "log": True},
    "sleep.rule.inc": {"low": 1e-4, "high": 1e-2, "log": True},
    "sleep.rule.dec": {"low": 1e-5, "high": 1e-2, "log": True},
    "sleep.thresholds.0": {"low": 0.5, "high": 2.0},
    "sleep.gains.scale": {"low": 0.5, "high": 2.0},
}


def drawn(plan: Plan, count: int) -> list[dict[str, Any]]:
    """Values of random trials."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    space = {key: distribution(one) for key, one in plan.space.items()}
    return [study.ask(space).params for _ in range(count)]


def seconds(run: Callable[[], list[Any]]) -> tuple[float, list[Any]]:
    """Wall time of a call, and what it returned."""
    start = time.perf_counter()
    found = run()
    return time.perf_counter() - start, found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("settings", nargs="?", default="mnist-5k")
    parser.add_argument("--night", type=int, default=2)
    parser.add_argument("--space", type=Path)
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--together", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set", dest="sets", action="append", default=[])
    given = parser.parse_args()
    sets = parse_sets(tuple(given.sets))
    plan = make_plan(given.settings, given.space or SPACE, Choosing(seeds=1), sets, given.night)
    trials = drawn(plan, given.trials)
    batches = [trials[i : i + given.together] for i in range(0, len(trials), given.together)]
    with tempfile.TemporaryDirectory() as folder:
        evening = Evening(plan, given.night, FIRST_SEED, Path(folder), Silent())
    ways = {
        "one by one": lambda: [one for trial in trials for one in evening.nights([trial])],
        "together": lambda: [one for batch in batches for one in evening.nights(batch)],
    }
    evening.nights(trials[:2])  # compiles
    times: dict[str, list[float]] = {name: [] for name in ways}
    outcomes = {}
    for _ in range(given.rounds):
        for name, way in ways.items():
            taken, found = seconds(way)
            times[name].append(taken / len(trials))
            outcomes[name] = [str(one) for one in found]
    for name, each in times.items():
        print(f"{name:11} {statistics.median(each):.4f} s a trial")
    print(f"outcomes    {'the same' if len(set(map(tuple, outcomes.values()))) == 1 else 'DIFFER'}")


if __name__ == "__main__":
    main()
