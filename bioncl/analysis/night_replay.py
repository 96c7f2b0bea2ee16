"""What a night replayed, seen in three more ways than `replay_summary`: order, neurons, decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bioncl.analysis.controls import Control
from bioncl.analysis.decoders import (
    Decoder,
    centroid_decoder,
    held_out_accuracy,
    logistic_decoder,
)
from bioncl.analysis.decoding import decode
from bioncl.analysis.night import NightView
from bioncl.analysis.night_summaries import ReplaySummary
from bioncl.analysis.order import OrderTest, Trend, episodes, mean_dwell
from bioncl.analysis.selectivity import (
    ByClass,
    TopReactivation,
    class_means,
    class_specific,
    top_counts_by_example,
    top_reactivation,
)
from bioncl.analysis.undefined import divide, mean_of_defined

DecoderName = Literal["logistic", "centroid"]


@dataclass(frozen=True, eq=False)
class OrderSummary:
    """In which order a layer replayed classes.

    Attributes:
        classes: Labels of the classes [classes].
        windows: First step and end of each: int64 [windows, 2].
        decoded: Label of each window, −1 for none: int64 [windows].
        episodes: Runs of windows with the class: int64 [classes].
        dwell: Mean length of a run in steps [classes]; NaN without any.
        first: First step of the first run: int64 [classes]; −1 without any.
        centre: Mean middle of the class's windows, in steps [classes]; NaN without any.
        test: Transitions, against those of random orders.
        drift: Rank correlation of "decoded as new" with time; None if old and new are not known.
    """

    classes: NDArray[np.int64]
    windows: NDArray[np.int64]
    decoded: NDArray[np.int64]
    episodes: NDArray[np.int64]
    dwell: NDArray[np.float64]
    first: NDArray[np.int64]
    centre: NDArray[np.float64]
    test: OrderTest
    drift: Trend | None


def order_summary(found: ReplaySummary) -> OrderSummary:
    """The order of what `replay_summary` decoded."""
    count = len(found.classes)
    places = np.where(found.decoded >= 0, np.searchsorted(found.classes, found.decoded), -1)
    runs = episodes(places)
    member = places[:, None] == np.arange(count)
    starts = found.windows[:, 0]
    return OrderSummary(
        classes=found.classes,
        windows=found.windows,
        decoded=found.decoded,
        episodes=np.bincount(runs.classes, minlength=count),
        dwell=mean_dwell(runs, count) * float(found.windows[0, 1] - found.windows[0, 0]),
        first=np.where(member.any(axis=0), starts[member.argmax(axis=0)], -1),
        centre=divide(found.windows.mean(axis=1) @ member, member.sum(axis=0)),
        test=found.order,
        drift=None if found.tasks is None else found.tasks.drift,
    )


@dataclass(frozen=True, eq=False)
class ReactivationSummary:
    """Sleep spikes of the neurons that were most active awake for each class.

    Attributes:
        classes: Labels of the classes [classes].
        ages: "old", "new" or "–" for each.
        top: How many neurons a class has.
        by_class: Spikes of the neurons most active on the class's average.
        by_example: Spikes of those most active for an example, averaged over examples (published).
        mean: Mean spikes of all neurons of the layer.
    """

    classes: NDArray[np.int64]
    ages: NDArray[np.str_]
    top: int
    by_class: TopReactivation
    by_example: ByClass
    mean: float


def reactivation_summary(
    view: NightView, layer: str, top: int = 20, shuffles: int = 1000, seed: int = 0
) -> ReactivationSummary:
    """Do the `top` neurons of each class fire more in sleep than the others of `layer`?

    Raises:
        InputError: `top` is below 1.
        TraceError: The file holds no awake activations.
    """
    classes, examples = view.classes, view.examples(layer)
    whole = np.array([[view.start, view.stop]])
    (counts,) = view.window_counts(layer, whole)
    active = examples.before.astype(np.float64)
    return ReactivationSummary(
        classes=classes,
        ages=view.ages(classes),
        top=min(top, len(counts)),
        by_class=top_reactivation(counts, view.means(layer), top, shuffles, seed),
        by_example=top_counts_by_example(counts, active, examples.labels, len(classes), top),
        mean=float(counts.mean()),
    )


@dataclass(frozen=True)
class DecodeSettings:
    """How sleep is decoded.

    Attributes:
        window: Steps of a window.
        decoder: "logistic" regression on awake examples, or the nearest "centroid": likeness to
            the classes' mean activations less what they share.
        shuffles: For p-values.
        seed: Of the shuffles.
        control: What is shuffled; see `bioncl.analysis.controls`.
    """

    window: int = 500
    decoder: DecoderName = "logistic"
    shuffles: int = 1000
    seed: int = 0
    control: Control = "neurons"


@dataclass(frozen=True, eq=False)
class DecodeSummary:
    """Windows of sleep through the eyes of a decoder trained awake.

    Attributes:
        windows: First step and end of each: int64 [windows, 2].
        classes: Labels of the classes [classes].
        ages: "old", "new" or "–" for each.
        awake_accuracy: Share of held-out awake examples that it decodes rightly.
        probabilities: float64 [windows, classes]; NaN for a window without contrast.
        best: Label of the most probable class, −1 for none: int64 [windows].
        confidence: Its probability [windows].
        q: Chance that this is chance, adjusted for the number of windows [windows].
        decoded: `best` where q is at most 0.05, else −1: int64 [windows].
        share: Share of all windows decoded as each class [classes].
        mean_probability: Mean over the windows [classes].
        mean_confidence: Mean of the windows decoded as each class [classes]; NaN without any.
    """

    windows: NDArray[np.int64]
    classes: NDArray[np.int64]
    ages: NDArray[np.str_]
    awake_accuracy: float
    probabilities: NDArray[np.float64]
    best: NDArray[np.int64]
    confidence: NDArray[np.float64]
    q: NDArray[np.float64]
    decoded: NDArray[np.int64]
    share: NDArray[np.float64]
    mean_probability: NDArray[np.float64]
    mean_confidence: NDArray[np.float64]


def decode_summary(view: NightView, layer: str, how: DecodeSettings) -> DecodeSummary:
    """Train a decoder on the awake examples of `layer` and read windows of sleep with it.

    Raises:
        InputError: No window fits into the night, or there is only one class to tell.
        TraceError: The file holds no awake activations, or the night was not finished.
    """
    classes, windows, examples = view.classes, view.windows(how.window), view.examples(layer)
    active, labels = examples.before.astype(np.float64), examples.labels

    def train(activations: NDArray, of: NDArray[np.int64]) -> Decoder:
        if how.decoder == "logistic":
            return logistic_decoder(activations, of, len(classes))
        return centroid_decoder(class_specific(class_means(activations, of, len(classes))))

    counts = view.window_counts(layer, windows)
    found = decode(train(active, labels), counts, how.shuffles, how.control, how.seed)
    places, names = found.significant(), np.append(classes, -1)
    member = places[:, None] == np.arange(len(classes))
    sure = np.where(member, found.confidence[:, None], np.nan)
    return DecodeSummary(
        windows=windows,
        classes=classes,
        ages=view.ages(classes),
        awake_accuracy=held_out_accuracy(train, active, labels),
        probabilities=found.probabilities,
        best=names[found.labels],
        confidence=found.confidence,
        q=found.q,
        decoded=names[places],
        share=member.mean(axis=0),
        mean_probability=mean_of_defined(found.probabilities, axis=0),
        mean_confidence=mean_of_defined(sure, axis=0),
    )
