"""Every method of bioncl on split MNIST, told the task, over domains, and over classes.

    methods_table.py choose --out runs/methods      # learning rates and strengths, held-out data
    methods_table.py measure --out runs/methods     # the table, test data, with what was chosen

All have the network, the images and the passes of settings `methods-mnist-task`, `-domain` and
`-class`; each has the learning rate and strength that did best on held-out training data with one
seed (1000), out of the grid below. `choose` writes them to CHOICES, which `measure` reads. Methods
that store examples store 200 in all. What is done is never done twice: a stopped call goes on.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from bioncl.atomic import write_json, write_text
from bioncl.experiments.comparison.compare import compare
from bioncl.experiments.comparison.contenders import Contender, contender, together
from bioncl.experiments.comparison.summary import Comparison, Row
from bioncl.experiments.sweep.workers import choose as choose_workers
from bioncl.methods import METHODS

ROOT = Path(__file__).parents[1]
CHOICES = ROOT / "docs/results/methods-mnist-choices.json"
PAGE = ROOT / "docs/all-methods.md"
SCENARIOS = ("task", "domain", "class")
HELD_OUT = (
    ("data.validation", 0.2),
    ("data.evaluate_on", "validation"),
    ("stream.test_per_task", 1000),
)
SEED_OF_CHOICE = 1000
STORED = 200

PREAMBLE = """# All methods on split MNIST

Written by `python scripts/methods_table.py measure --out runs/methods` (seeds 0 to {last}): final \
accuracy on the test set in per cent, mean ± std; bytes carried from task to task besides the \
network; seconds of training and sleeping of one run{busy}.

Five tasks of two classes, 2,000 images each, three passes in batches of 50, a network of \
784-400-400-10 without biases, SGD with momentum 0.5: settings `methods-mnist-task`, `-domain` and \
`-class`. Learning rates (0.02 or 0.1; up to 50 for imprinting) and strengths are those of a small \
grid that did best on held-out training data with one seed (`methods_table.py choose`; they stand \
in `docs/results/methods-mnist-choices.json`). Methods that store examples store 200 in all, \
REMIND 3,000 codes of 40 bytes. Small networks, little data and short training favour no \
method's paper: take it as one table under one roof, not as a ranking.

"""

Table = Mapping[str, Any]

BARE: dict[str, Table] = {
    "gem": {"memory": STORED // 5},
    "agem": {"per_class": STORED // 10},
    "der++": {"memory": STORED},
    "gdumb": {"memory": STORED},
    "icarl": {"memory": STORED},
    "imprinting": {"length": 100.0},
    "mc-sgd": {"per_class": STORED // 10, "steps": 50},
    "ogd": {"samples": 40},
    "rehearsal": {"memory": STORED, "policy": "class-balanced"},
    "remind": {"layer": "hidden1", "parts": 40, "memory": 3000},
    "rescl": {"epochs": 1},
}
"""What a row's method is told beside its name, where its own defaults are not meant for this."""

RATES = (0.02, 0.1)
GRID: dict[str, dict[str, Sequence[Any]]] = {
    "averaging": {"methods.0.start": ("initial", "previous", "mean")},
    "der++": {"methods.0.alpha": (0.2, 1.0)},
    "ewc": {"methods.0.strength": (10.0, 100.0, 1e3)},
    "gpm": {"methods.0.threshold": ((0.95, 0.99), (0.99,))},
    "imprinting": {"train.lr": (1.0, 5.0, 20.0, 50.0)},
    "lwf": {"methods.0.strength": (0.3, 1.0, 3.0)},
    "mas": {"methods.0.strength": (0.1, 1.0, 10.0)},
    "online-ewc": {"methods.0.strength": (10.0, 100.0, 1e3)},
    "owm": {"methods.0.alpha": ((0.1,), (1.0,))},
    "rescl": {"methods.0.strength": (1e-4, 1e-2, 1e-1)},
    "si": {"methods.0.c": (0.1, 1.0, 10.0)},
    "src": {"sleep.rate": (200.0, 360.0)},
    "rehearsal + src": {"sleep.rate": (200.0, 360.0)},
}
"""Beside the learning rate; rows that are not named have nothing else to choose."""


def rows(scenario: str) -> list[str]:
    """Rows of the table that suit a scenario."""
    fit = [name for name in METHODS.names() if scenario in METHODS.load(name).scenarios]
    return [*fit, "rehearsal + src"]


def methods_of(row: str) -> list[Table]:
    """The methods of a row, as settings have them."""
    return [{"name": name, **BARE.get(name, {})} for name in row.split(" + ")]


def options(row: str) -> Iterator[dict[str, Any]]:
    """All that may be chosen for a row."""
    grid = {"train.lr": RATES, **GRID.get(row, {})}
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def planned(
    scenario: str, row: str, chosen: Mapping[str, Any], seeds: Sequence[int], held_out: bool
) -> Contender:
    """A row with what was chosen for it."""
    given = {**chosen, **(dict(HELD_OUT) if held_out else {})}
    note = row if not held_out else f"{row} {json.dumps(chosen)}"
    overrides = [("methods", methods_of(row)), *given.items()]
    return contender(f"methods-mnist-{scenario}", seeds, overrides, note=note)


@click.group()
def main() -> None:
    """Make the table of all methods."""


@main.command()
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--workers", type=int, default=0, help="Processes; 0 is this one.")
@click.option("--scenario", "chosen", type=click.Choice(SCENARIOS), multiple=True)
def choose(out: Path, workers: int, chosen: Sequence[str]) -> None:
    """Choose learning rates and strengths on held-out training data."""
    found = json.loads(CHOICES.read_text()) if CHOICES.exists() else {}
    for scenario in chosen or SCENARIOS:
        candidates = [(row, option) for row in rows(scenario) for option in options(row)]
        plans = [planned(scenario, *each, [SEED_OF_CHOICE], held_out=True) for each in candidates]
        table = compare(together(plans), choose_workers(workers, None), out / f"choose-{scenario}")
        best: dict[str, tuple[float, dict[str, Any]]] = {}
        for (row, option), one in zip(candidates, table.rows, strict=True):
            if one.failed:
                continue
            accuracy = one.estimates["acc"].mean
            if row not in best or accuracy > best[row][0]:
                best[row] = (accuracy, option)
        found[scenario] = {
            row: {"accuracy": accuracy, "chosen": option}
            for row, (accuracy, option) in best.items()
        }
        write_json(CHOICES, found)


@main.command()
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--seeds", type=int, default=5, show_default=True)
@click.option("--workers", type=int, default=0, help="Processes; 0 is this one.")
@click.option("--condition", default="", help="What the machine did meanwhile, for the page.")
def measure(out: Path, seeds: int, workers: int, condition: str) -> None:
    """Run all rows with the seeds 0, 1, … on test data and write the table."""
    found = json.loads(CHOICES.read_text())
    tables: dict[str, Comparison] = {}
    for scenario in SCENARIOS:
        plans = [
            planned(scenario, row, entry["chosen"], range(seeds), held_out=False)
            for row, entry in found[scenario].items()
        ]
        pool = choose_workers(workers, None)
        tables[scenario] = compare(together(plans), pool, out / f"measure-{scenario}")
    table = markdown({s: dict(zip(found[s], tables[s].rows, strict=True)) for s in SCENARIOS})
    note = f", {condition}" if condition else ""
    text = PREAMBLE.format(last=seeds - 1, busy=note) + table
    write_text(PAGE, text)
    click.echo(text)


def markdown(found: Mapping[str, Mapping[str, Row]]) -> str:
    """The table: a line a row, by name."""
    names = sorted({row for rows in found.values() for row in rows})
    head = ["| method | " + " | ".join(f"{s} | bytes | s" for s in SCENARIOS) + " |"]
    head.append("|---" * (1 + 3 * len(SCENARIOS)) + "|")
    lines = [
        f"| {name} | " + " | ".join(cells(found[s].get(name)) for s in SCENARIOS) + " |"
        for name in names
    ]
    return "\n".join([*head, *lines]) + "\n"


def cells(row: Row | None) -> str:
    """Accuracy, bytes and seconds of a row in one scenario."""
    if row is None:
        return "– | – | –"
    if not row.values:
        return "failed | – | –"
    acc, size = row.estimates["acc"], row.estimates["bytes"].mean
    seconds = row.estimates["seconds"].mean
    spread = "" if acc.std is None else f" ± {100 * acc.std:.2f}"
    return f"{100 * acc.mean:.2f}{spread} | {size:,.0f} | {seconds:.1f}"


if __name__ == "__main__":
    main()
