"""The replay questions of Tadros et al. 2022, answered from the traces of several seeds.

For each seed the settings are run (or read, if their folder is there), and each night after which
there are old tasks is asked, layer by layer: do the neurons that were most active awake for old
classes fire more in sleep than the others? Is the night's activity like that of old classes, or of
the new ones? Is the awake code sparser afterwards, and are classes represented less alike? Numbers
are means over the nights of a seed, then mean ± standard deviation over seeds.

Usage: replay_table.py [--seeds 5] [--out runs/replay] [--json FILE] [SETTINGS]
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

import bioncl
from bioncl.analysis.night import NightView, night_view
from bioncl.analysis.night_summaries import sparseness_summary
from bioncl.analysis.replay import replay_scores
from bioncl.analysis.selectivity import class_specific, top_reactivation
from bioncl.analysis.undefined import mean_of_defined
from bioncl.atomic import write_text
from bioncl.traces.hdf5_reader import Trace

MEASURES = {
    "spikes a night": "spikes",
    "share of them in the first 500 steps": "early",
    "spikes of the top neurons of old classes": "top_old",
    "spikes of the top neurons of new classes": "top_new",
    "spikes of a neuron on average": "mean_count",
    "old classes whose top neurons fire more (p ≤ 0.05)": "old_significant",
    "likeness to old classes, r": "old_r",
    "likeness to new classes, r": "new_r",
    "share of synapses that grew": "up",
    "share of synapses that shrank": "down",
    "share of synapses onto old outputs that changed": "old_changed",
    "share of synapses onto new outputs that grew": "new_up",
    "share of synapses onto new outputs that shrank": "new_down",
    "active share before": "active_before",
    "active share after": "active_after",
    "Treves-Rolls before (small: sparse)": "treves_before",
    "Treves-Rolls after": "treves_after",
    "Hoyer before (large: sparse)": "hoyer_before",
    "Hoyer after": "hoyer_after",
    "correlation within classes before": "within_before",
    "correlation within classes after": "within_after",
    "correlation between classes before": "between_before",
    "correlation between classes after": "between_after",
}
TOP_SHARE = 0.1
EARLY = 500


@click.command()
@click.argument("settings", default="tadros2022-mnist")
@click.option("--seeds", default=5, show_default=True, help="Seeds 0 to N-1.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/replay"))
@click.option("--json", "record", type=click.Path(path_type=Path), help="Also write all numbers.")
def main(settings: str, seeds: int, out: Path, record: Path | None) -> None:
    """Run SETTINGS with several seeds and print what the nights replayed and changed."""
    folder = out / Path(settings).name.removesuffix(".toml")
    found = [of_seed(settings, seed, folder / f"seed{seed}") for seed in range(seeds)]
    for layer in found[0]:
        click.echo(f"\n{layer}")
        for text, measure in MEASURES.items():
            values = [seed[layer][measure] for seed in found]
            if not all(map(math.isnan, values)):
                click.echo(f"  {text:52} {spread(values)}")
    if record is not None:
        write_text(record, json.dumps({"settings": settings, "seeds": found}, indent=1) + "\n")


def of_seed(settings: str, seed: int, folder: Path) -> dict[str, dict[str, float]]:
    """The measures of each layer, means over the nights with old tasks."""
    again = (folder / "settings.json").exists()
    bioncl.run(settings, seed=seed, out=folder, resume=again)
    with bioncl.open_trace(folder / "trace.h5") as trace:
        return of_trace(trace)


def of_trace(trace: Trace) -> dict[str, dict[str, float]]:
    """The measures of each layer but the input, means over the nights with old tasks."""
    views = [night_view(trace, night.index) for night in trace.nights if night.task > 0]
    table = {}
    for layer in trace.layers[1:]:
        nights = [of_night(view, layer) for view in views]
        table[layer] = {
            name: float(mean_of_defined(np.array([night[name] for night in nights])))
            for name in MEASURES.values()
        }
    return table


def of_night(view: NightView, layer: str) -> dict[str, float]:
    """The measures of one layer in one night."""
    events = view.events(layer)
    counts = np.bincount(events[:, 1], minlength=view.trace.sizes[layer])
    means, new = view.means(layer), view.new_classes()
    if new is None:
        raise click.ClickException(f"{view.name} does not tell old classes from new ones.")
    top = top_reactivation(counts, means, max(1, round(TOP_SHARE * len(counts))))
    likeness = replay_scores(counts[None], class_specific(means), shuffles=1).correlation[0]
    codes = sparseness_summary(view, layer)
    return {
        "spikes": float(len(events)),
        "early": float((events[:, 0] < EARLY).mean()) if len(events) else math.nan,
        "top_old": float(mean_of_defined(top.top[~new])),
        "top_new": float(mean_of_defined(top.top[new])),
        "mean_count": float(counts.mean()),
        "old_significant": float((top.p[~new] <= 0.05).mean()),
        "old_r": float(mean_of_defined(likeness[~new])),
        "new_r": float(mean_of_defined(likeness[new])),
        **weight_measures(view, layer, new),
        **{
            f"{name}_{when}": getattr(code, what)
            for when, code in (("before", codes.before), ("after", codes.after))
            for name, what in (
                ("active", "active"),
                ("treves", "treves_rolls"),
                ("hoyer", "hoyer"),
                ("within", "within"),
                ("between", "between"),
            )
        },
    }


def weight_measures(view: NightView, layer: str, new: NDArray[np.bool_]) -> dict[str, float]:
    """Shares of synapses that grew and shrank, onto outputs of old and new classes where known."""
    change = view.weights(layer).delta
    known = layer == view.trace.layers[-1] and view.output_rows()
    old_rows, new_rows = (
        (change[view.classes[side]] for side in (~new, new)) if known else (None, None)
    )
    return {
        "up": float((change > 0).mean()),
        "down": float((change < 0).mean()),
        "old_changed": float((old_rows != 0).mean()) if old_rows is not None else math.nan,
        "new_up": float((new_rows > 0).mean()) if new_rows is not None else math.nan,
        "new_down": float((new_rows < 0).mean()) if new_rows is not None else math.nan,
    }


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation over the seeds that have a value."""
    defined = [value for value in values if not math.isnan(value)]
    if not defined:
        return "–"
    deviation = statistics.stdev(defined) if len(defined) > 1 else 0.0
    return f"{statistics.mean(defined):9.3f} ± {deviation:.3f}"


if __name__ == "__main__":
    main()
