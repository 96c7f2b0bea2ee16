"""Run settings with several seeds and print mean ± std of the final accuracy.

Every run keeps its folder, so a stopped call goes on where it was and finished runs cost nothing.

Usage: seeds.py [--seeds 5] [--out runs/seeds] [--set KEY=VALUE]... SETTINGS...
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import click

import bioncl
from bioncl.cli.settings_options import parse_sets, set_option


@click.command()
@click.argument("settings", nargs=-1, required=True)
@click.option("--seeds", default=5, show_default=True, help="Seeds 0 to N-1.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/seeds"))
@set_option
def main(settings: tuple[str, ...], seeds: int, out: Path, sets: tuple[str, ...]) -> None:
    """Run SETTINGS with several seeds and print a table."""
    for name in settings:
        found = accuracies(name, seeds, out, sets)
        spread = statistics.stdev(found) if len(found) > 1 else 0.0
        each = " ".join(f"{value:.1f}" for value in found)
        mean = statistics.mean(found)
        click.echo(f"{name:36} {mean:6.2f} ± {spread:.2f}   ({each})   {' '.join(sets)}")


def accuracies(name: str, seeds: int, out: Path, sets: Sequence[str]) -> list[float]:
    """Final accuracy in per cent of each seed; finished runs in `out` are read, not run again."""
    overrides = [("checkpoints", "last"), *parse_sets(tuple(sets))]
    stem = Path(name).name.removesuffix(".toml")  # a name may end in a number with a dot
    label = "-".join([stem, *(part.replace("/", "_") for part in sets)])
    found = []
    for seed in range(seeds):
        folder = out / label / f"seed{seed}"
        again = (folder / "settings.json").exists()
        result = bioncl.run(name, seed=seed, out=folder, resume=again, overrides=overrides)
        found.append(100 * result.acc)
    return found


if __name__ == "__main__":
    main()
