"""`bioncl convert`: the spiking twin of a checkpoint, for other libraries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bioncl.cli.options import data_dir_option, json_option, print_json, print_table, quiet_option
from bioncl.cli.settings_options import device_option, parse_sets, set_option

if TYPE_CHECKING:
    from bioncl.experiments.convert import Conversion, Gains, Reset


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "--to", type=click.Choice(["nir", "snntorch", "norse"]), required=True, help="Format of FILE."
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", required=True, help="The new file."
)
@click.option(
    "--gains",
    type=click.Choice(["max", "percentile", "published", "diehl"]),
    default="percentile",
    show_default=True,
    help="How activations on training data become rates of at most one spike a step.",
)
@click.option(
    "--percentile",
    type=click.FloatRange(0, 100, min_open=True),
    default=99.9,
    show_default=True,
    help="Of the activations, for --gains percentile.",
)
@click.option(
    "--reset",
    type=click.Choice(["zero", "subtract"]),
    help="What a spike does to the membrane; by default subtract, and zero for nir.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    default=128,
    show_default=True,
    help="How long the twin looks at an input, at most.",
)
@click.option(
    "--examples",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    help="Test examples to compare on, spread over all; 0 for all.",
)
@click.option(
    "--signed",
    is_flag=True,
    help="Compare with neurons that may take spikes back; FILE holds the twin without.",
)
@set_option
@device_option
@data_dir_option
@json_option
@quiet_option
def convert(
    checkpoint: Path,
    to: str,
    out: Path,
    gains: Gains,
    percentile: float,
    reset: Reset | None,
    steps: int,
    examples: int,
    signed: bool,
    sets: tuple[str, ...],
    device: str | None,
    data_dir: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write the spiking twin of a checkpoint for another library, and say how faithful it is.

    \b
    nir       a NIR graph, for snntorch, norse (dt=1e-4) and others; no max pooling (extra: snn)
    snntorch  for bioncl.spiking.interchange.snntorch_module.load_snntorch
    norse     for bioncl.spiking.interchange.norse_module.load_norse

    The twin is shown inputs as constant currents; the mean of its output over time stands for the
    network's logits. Data are those of the tasks learnt so far, and all outputs compete.
    """  # noqa: D301 - click's mark for lines that are not to be joined
    from bioncl.cli.progress import reporter
    from bioncl.experiments.convert import Choice
    from bioncl.experiments.convert import convert as run

    named = {"device": device, "data.dir": data_dir and str(data_dir)}
    given = [(key, value) for key, value in named.items() if value is not None]
    choice = Choice(to, gains, percentile, steps, reset, examples, signed)
    made = run(checkpoint, out, choice, [*parse_sets(sets), *given], reporter(quiet or as_json))
    if as_json:
        print_json({"file": str(out), **made.as_json()})
        return
    _print(made)
    click.echo(f"twin {out} ({to}, reset {made.reset})")


def _print(made: Conversion) -> None:
    """The comparison as two tables."""
    found = made.fidelity
    rows = [
        (str(now), f"{100 * accuracy:.1f}", f"{100 * found.agreement[now]:.1f}")
        for now, accuracy in found.twin_accuracy.items()
    ]
    network = ("network", f"{100 * found.ann_accuracy:.1f}", "")
    print_table([("STEPS", "ACCURACY %", "DECIDES AS THE NETWORK %"), *rows, network])
    errors = [
        (name, f"{made.scales[name]:.4g}", f"{error.mean_absolute:.2g}", f"{error.relative:.2g}")
        for name, error in found.errors.items()
    ]
    print_table([("POPULATION", "SCALE", "ERROR OF RATES", "RELATIVE"), *errors])
