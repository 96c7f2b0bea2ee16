"""Sweep one setting of several methods and print the two fair measures of Lee et al. 2020.

Methods that trade old tasks against new ones have one number that sets the trade; comparing them at
one value each says little. For each method and seed this takes the best average accuracy that any
value reaches, and the best accuracy on the old tasks among points whose accuracy on the last task
reaches `--target` (interpolated along the Pareto front). Use a validation split for choosing:
`--set data.validation=0.1 --set data.evaluate_on=validation`.

A value with which a seed's training diverges is left out, and named. Runs keep their folders, so a
stopped call goes on where it was.

Usage: sweep.py --target 0.94 --out runs/sweep SETTINGS:KEY=V1,V2,... [SETTINGS:KEY=...]...
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

import bioncl
from bioncl.atomic import write_text
from bioncl.cli.settings_options import parse_sets, set_option
from bioncl.errors import DivergedError
from bioncl.experiments.comparison.fair import FairMeasures, fair_measures, source_and_target


@click.command()
@click.argument("sweeps", nargs=-1, required=True)
@click.option("--seeds", default=5, show_default=True, help="Seeds 0 to N-1.")
@click.option("--target", type=float, required=True, help="Accuracy wanted on the last task, 0..1.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/sweep"))
@click.option("--json", "record", type=click.Path(path_type=Path), help="Also write all numbers.")
@set_option
def main(
    sweeps: tuple[str, ...],
    seeds: int,
    target: float,
    out: Path,
    record: Path | None,
    sets: tuple[str, ...],
) -> None:
    """Run the SWEEPS with several seeds and print their points and measures."""
    overrides = [("checkpoints", "last"), ("trace.record", False), *parse_sets(sets)]
    found: dict[str, Any] = {}
    for sweep in sweeps:
        name, key, values = parsed(sweep)
        points, diverged = points_of(name, key, values, seeds, overrides, out)
        measures = fair_measures(list(points.values()), target)
        found[name] = {"key": key, "points": points, "diverged": diverged, **vars(measures)}
        click.echo(table(name, key, points, measures, target))
        if diverged:
            click.echo(f"left out, since training diverged: {', '.join(diverged)}\n")
    if record is not None:
        write_text(record, json.dumps({"target": target, "sets": sets, "sweeps": found}, indent=1))


def parsed(sweep: str) -> tuple[str, str, list[str]]:
    """("SETTINGS", "KEY", [V1, ...]) of "SETTINGS:KEY=V1,V2,..."."""
    name, _, rest = sweep.partition(":")
    key, _, values = rest.partition("=")
    if not (name and key and values):
        raise click.UsageError(f"A sweep is SETTINGS:KEY=V1,V2,..., got {sweep!r}.")
    return name, key, values.split(",")


def points_of(
    name: str,
    key: str,
    values: list[str],
    seeds: int,
    overrides: list[tuple[str, Any]],
    out: Path,
) -> tuple[dict[str, list[list[float]]], list[str]]:
    """The last accuracies of every seed, by value; and the values with which a seed diverged."""
    points: dict[str, list[list[float]]] = {}
    diverged = []
    for value in values:
        changes = [*overrides, *parse_sets((f"{key}={value}",))]
        try:
            points[value] = [final_row(name, seed, changes, out) for seed in range(seeds)]
        except DivergedError:
            diverged.append(value)
    if not points:
        raise click.ClickException(f"{name} diverged with every value of {key}.")
    return points, diverged


def final_row(name: str, seed: int, overrides: list[tuple[str, Any]], out: Path) -> list[float]:
    """Accuracies of all tasks after the last, of one run."""
    told = "-".join(f"{key}={value}" for key, value in overrides[2:]).replace("/", "_")
    folder = out / f"{Path(name).name.removesuffix('.toml')}-{told}" / f"seed{seed}"
    again = (folder / "settings.json").exists()
    result = bioncl.run(name, seed=seed, out=folder, resume=again, overrides=overrides)
    return list(result.accuracy[-1])


def table(
    name: str,
    key: str,
    points: dict[str, list[list[float]]],
    measures: FairMeasures,
    target: float,
) -> str:
    """What is printed of one sweep, in per cent."""
    lines = [f"{name}: {key}", f"{'value':>10}  {'old tasks':>14}  {'last task':>14}  {'mean':>14}"]
    for value, rows in points.items():
        old, new = zip(*map(source_and_target, rows), strict=True)
        mean = [statistics.mean(row) for row in rows]
        lines.append(f"{value:>10}  {spread(old):>14}  {spread(new):>14}  {spread(mean):>14}")
    reached = [value for value in measures.source_at_target if value is not None]
    lines.append(f"best average of any value: {spread(measures.best_average)}")
    told = spread(reached) if reached else "never reached"
    if 0 < len(reached) < len(measures.source_at_target):
        told += f" (reached by {len(reached)} seeds only)"
    lines.append(f"old tasks where the last reaches {100 * target:g} %: {told}\n")
    return "\n".join(lines)


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation in per cent."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{100 * statistics.mean(values):.2f} ± {100 * deviation:.2f}"


if __name__ == "__main__":
    main()
