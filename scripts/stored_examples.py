"""Curves of Tadros et al. 2022: what sleep adds to stored examples.

Accuracy on split MNIST after the last task, asleep and awake: over the share of old data that is
trained on beside the new, and over the epochs of iCaRL with 100 exemplars.

Runs keep their folders, so a stopped call goes on where it was.

Usage: stored_examples.py [--seeds 5] [--out runs/stored] [--json FILE] [--figure FILE]
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import click
from matplotlib.figure import Figure
from seeds import accuracies

from bioncl.atomic import replacing, write_text

SHARES = ("0.5", "1", "2.5", "5", "10")
EPOCHS = (1, 2, 4, 10)
QUIET = "trace.record=false"
Curve = dict[str, list[float]]
"""Accuracies of the seeds, by the place on the axis."""


@click.command()
@click.option("--seeds", default=5, show_default=True, help="Seeds 0 to N-1.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/stored"))
@click.option("--json", "record", type=click.Path(path_type=Path), help="Also write all numbers.")
@click.option("--figure", type=click.Path(path_type=Path), help="Also draw the curves.")
def main(seeds: int, out: Path, record: Path | None, figure: Path | None) -> None:
    """Run everything with several seeds and print two tables."""
    stem = "tadros2022-mnist"
    found: dict[str, dict[str, Curve]] = {
        "% of old data": {
            "awake": {
                share: accuracies(f"{stem}-rehearsal-fraction-{share}", seeds, out, [QUIET])
                for share in SHARES
            },
            "asleep": {
                share: accuracies(f"{stem}-rehearsal-src-{share}", seeds, out, [QUIET])
                for share in SHARES
            },
        },
        "epochs of iCaRL": {
            state: {
                str(epochs): accuracies(f"{stem}-icarl-100{night}", seeds, out, sets_of(epochs))
                for epochs in EPOCHS
            }
            for state, night in (("awake", ""), ("asleep", "-src"))
        },
    }
    for axis, curves in found.items():
        click.echo(table(axis, curves))
    if record is not None:
        write_text(record, json.dumps(found, indent=1) + "\n")
    if figure is not None:
        with replacing(figure) as path:
            picture(found).savefig(path, format="png", dpi=120)


def sets_of(epochs: int) -> list[str]:
    """The overrides for so many epochs; the shipped settings have ten."""
    return [QUIET] if epochs == 10 else [QUIET, f"train.epochs={epochs}"]


def table(axis: str, curves: dict[str, Curve]) -> str:
    """Mean ± std in Markdown, and what sleep adds, seed by seed."""
    lines = [f"| {axis} | awake | asleep | gain |", "|---|---|---|---|"]
    for place, awake in curves["awake"].items():
        asleep = curves["asleep"][place]
        gain = [night - day for night, day in zip(asleep, awake, strict=True)]
        lines.append(f"| {place} | " + " | ".join(map(shown, (awake, asleep, gain))) + " |")
    return "\n".join(lines) + "\n"


def shown(values: list[float]) -> str:
    """Mean ± standard deviation."""
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{spread}"


def picture(found: dict[str, dict[str, Curve]]) -> Figure:
    """Both pairs of curves side by side, with standard deviations."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes: Any = figure.subplots(1, 2, sharey=True)
    for plot, (axis, curves) in zip(axes, found.items(), strict=True):
        for (state, curve), style in zip(curves.items(), ("o--", "o-"), strict=True):
            means = [statistics.mean(values) for values in curve.values()]
            spreads = [statistics.stdev(v) if len(v) > 1 else 0 for v in curve.values()]
            x = [float(place) for place in curve]
            plot.errorbar(x, means, spreads, fmt=style, capsize=3, label=state)
        plot.set_xscale("log")
        plot.set_xticks(x, labels=list(curve), minor=False)
        plot.set_xticks([], minor=True)
        plot.set_xlabel(axis)
        plot.set_ylim(0, 100)
        plot.grid(alpha=0.3)
    axes[0].set_ylabel("accuracy on all tasks, %")
    axes[1].legend()
    return figure


if __name__ == "__main__":
    main()
