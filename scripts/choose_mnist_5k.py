"""Choose the sleep settings of `mnist-5k` on validation data; the test data is never loaded.

Random search around `short-night-mnist`: each candidate multiplies every number by a factor drawn
log-uniformly, is trained with two seeds, and scored on a fifth of the training data that is held
out. The best few are scored again with three more seeds. Prints the best as TOML overrides.

Usage: choose_mnist_5k.py [CANDIDATES]      (default 60; about 5 seconds each on one core)
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

import bioncl
from bioncl.errors import RunError

HELD_OUT = [("data.validation", 0.2), ("data.evaluate_on", "validation"), ("trace.record", False)]
FIRST_SEEDS, MORE_SEEDS = (0, 1), (2, 3, 4)


def candidate(generator: np.random.Generator) -> dict[str, Any]:
    """Settings near those of the short night."""

    def near(value: float, spread: float) -> float:
        return float(f"{value * spread ** generator.uniform(-1, 1):.4g}")

    level = near(1.0, 1.6)
    return {
        "train.lr": near(0.03, 2.0),
        "train.lr_decay": float(f"{generator.uniform(0.65, 1.0):.3f}"),
        "train.epochs": int(generator.choice([4, 6, 8, 12])),
        "sleep.steps": round(near(306, 2.0)),
        "sleep.steps_added": round(near(82, 2.0)),
        "sleep.rate": near(360.3, 1.5),
        "sleep.thresholds": [near(base * level, 1.4) for base in (0.374, 0.203, 0.623)],
        "sleep.rule.inc": near(0.00049, 2.0),
        "sleep.rule.dec": near(0.00064, 2.0),
        "sleep.rule.slope": near(10.0, 2.0),
    }


def score(overrides: dict[str, Any], seeds: tuple[int, ...]) -> list[float]:
    """Accuracy on held-out training data, one number a seed; 0 for a run that diverged."""
    found = []
    for seed in seeds:
        try:
            result = bioncl.run("mnist-5k", seed=seed, overrides=[*HELD_OUT, *overrides.items()])
            found.append(result.acc)
        except RunError:
            found.append(0.0)
    return found


def main(count: int) -> None:
    """Search, score the best five again, print the winner."""
    generator = np.random.default_rng(0)
    tried: list[tuple[list[float], dict[str, Any]]] = []
    for index in range(count):
        overrides = candidate(generator)
        tried.append((score(overrides, FIRST_SEEDS), overrides))
        mean, best = np.mean(tried[-1][0]), max(np.mean(s) for s, _ in tried)
        print(f"{index + 1}/{count}: {mean:.3f} (best {best:.3f})", file=sys.stderr, flush=True)
    tried.sort(key=lambda pair: -float(np.mean(pair[0])))
    final = [(scores + score(o, MORE_SEEDS), o) for scores, o in tried[:5]]
    final.sort(key=lambda pair: -float(np.mean(pair[0])))
    for scores, overrides in final:
        print(f"validation {np.mean(scores):.4f} ± {np.std(scores, ddof=1):.4f}  {overrides}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
