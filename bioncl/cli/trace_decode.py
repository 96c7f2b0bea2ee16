"""`bioncl trace decode`: sleep through the eyes of a decoder trained awake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bioncl.cli.options import print_json, print_table
from bioncl.cli.trace_options import (
    Asked,
    about_night,
    control_option,
    heading,
    number,
    percent,
    seed_option,
    show_figures,
    shuffles_option,
    window_option,
)

if TYPE_CHECKING:
    from bioncl.analysis.controls import Control
    from bioncl.analysis.night_replay import DecoderName, DecodeSummary

decoder_option = click.option(
    "--decoder",
    type=click.Choice(["logistic", "centroid"]),
    default="logistic",
    show_default=True,
    help="Logistic regression, or likeness to class means less their common part.",
)


@about_night(
    window_option, decoder_option, shuffles_option, seed_option, control_option, steps=True
)
def decode(
    asked: Asked,
    window: int,
    decoder: DecoderName,
    shuffles: int,
    seed: int,
    control: Control,
) -> None:
    """Read a night of the trace FILE with a decoder trained on awake activations.

    It learns from the recorded examples before the night and reads the spike counts of windows of
    sleep. CONFIDENCE is its mean probability in the windows that it decodes as the class, which are
    those that are more than chance (q up to 0.05). By default in all layers but the input.
    """
    with asked.opened() as view:
        from bioncl.analysis.night_replay import DecodeSettings, decode_summary
        from bioncl.report.decoding import decoding_figure

        how = DecodeSettings(window, decoder, shuffles, seed, control)
        names = view.layers(asked.layers, view.trace.layers[1:])
        layers = {name: decode_summary(view, name, how) for name in names}
        found = asked.answer(
            view,
            {"layers": layers, "how": vars(how)},
            lambda: decoding_figure(heading(view), layers),
        )
    if asked.as_json:
        return print_json(found)
    for name, one in layers.items():
        _show(name, one)
    return show_figures(found["figures"])


def _show(layer: str, found: DecodeSummary) -> None:
    decoded = int((found.decoded >= 0).sum())
    click.echo(
        f"{layer}: {len(found.windows):,} windows, {decoded:,} decoded (q ≤ 0.05); of awake "
        f"examples that it did not learn from it decodes {percent(found.awake_accuracy)} %"
    )
    columns = (
        found.classes,
        found.ages,
        found.share,
        found.mean_probability,
        found.mean_confidence,
    )
    rows = [
        (str(label), str(age), percent(share), number(probability, ".3f"), number(sure, ".3f"))
        for label, age, share, probability, sure in zip(*columns, strict=True)
    ]
    print_table([("CLASS", "TASK", "DECODED %", "MEAN PROBABILITY", "CONFIDENCE"), *rows])
    click.echo()
