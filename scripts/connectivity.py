"""Loss and accuracy on the straight lines between the solutions of a run, and their curvature.

For each task but the last, walk from the network after that task to the network after the last one
(of the same run, or of another one of the same stream, network and seed, such as one that learnt
all tasks at once) and print, on the task's test data: the largest rise of the loss above its start,
the barrier (above the straight line between the ends), the accuracy at both ends and the least one
between. With --curvature also the top eigenvalue of the Hessian of the task's training loss at its
own solution. The folder needs every checkpoint: run with `--set checkpoints=all`.

Usage: connectivity.py RUN [--to OTHER_RUN] [--out FOLDER] [--curvature 1000]
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bioncl.analysis.curvature import TopEigenvalue
from bioncl.atomic import write_text
from bioncl.cli.errors import run_command
from bioncl.cli.settings_options import parse_sets, set_option
from bioncl.experiments.connectivity import SolutionLine, Solutions, curvatures, lines_to_last
from bioncl.progress import Silent
from bioncl.report import style
from bioncl.report.connectivity import lines_figure


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--to", "other", type=click.Path(path_type=Path), help="Also draw lines to this run.")
@click.option("--points", type=click.IntRange(2), default=11, show_default=True)
@click.option("--curvature", type=click.IntRange(0), default=0, help="Training examples; 0: none.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for figure and numbers.")
@set_option
def main(
    run: Path,
    other: Path | None,
    points: int,
    curvature: int,
    out: Path | None,
    sets: tuple[str, ...],
) -> None:
    """Print a table of the lines of RUN; with --out also draw them."""
    overrides, progress = parse_sets(sets), Silent()
    first = Solutions(run, overrides, progress)
    found = {"to its own last solution": lines_to_last(first, first, points, progress)}
    if other is not None:
        second = Solutions(other, overrides, progress)
        found[f"to {other.name}"] = lines_to_last(first, second, points, progress)
    for name, lines in found.items():
        click.echo(f"{run.name} {name}\n{table(lines)}\n")
    tops = []
    if curvature:
        tops = curvatures(first, curvature, range(first.last + 1), progress)
        click.echo("top eigenvalue of the loss of each task at its own solution")
        click.echo("  ".join(f"{top.value:.3g}" for top in tops))
    if out is not None:
        with style.styled():
            style.save(lines_figure(run.name, found), out, "connectivity", ("png",))
        write_text(out / "connectivity.json", json.dumps(numbers(found, tops), indent=1))


def table(lines: list[SolutionLine]) -> str:
    """A line a task; losses as they are, accuracies in per cent."""
    head = f"{'task':>4}  {'rise':>8}  {'barrier':>8}  {'start %':>8}  {'end %':>8}  {'least %':>8}"
    rows = [
        f"{one.task + 1:>4}  {one.rise:>8.3f}  {one.barrier:>8.3f}  {100 * accuracy[0]:>8.2f}  "
        f"{100 * accuracy[-1]:>8.2f}  {100 * accuracy.min():>8.2f}"
        for one in lines
        for accuracy in (one.line.accuracy,)
    ]
    return "\n".join([head, *rows])


def numbers(found: dict[str, list[SolutionLine]], tops: list[TopEigenvalue]) -> dict[str, Any]:
    """Everything as JSON."""
    lines = {
        name: [
            {
                "task": one.task,
                "rise": one.rise,
                "barrier": one.barrier,
                "alphas": one.line.alphas.tolist(),
                "loss": one.line.loss.tolist(),
                "accuracy": one.line.accuracy.tolist(),
            }
            for one in lines
        ]
        for name, lines in found.items()
    }
    values = [{"value": t.value, "residual": t.residual, "products": t.products} for t in tops]
    return {"lines": lines, "curvature": values}


if __name__ == "__main__":
    raise SystemExit(run_command(main))
