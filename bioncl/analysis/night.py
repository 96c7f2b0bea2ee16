"""One night of a trace as arrays for the analyses: the bridge from the file to pure functions.

`night_view` chooses a night and a window of its steps; its `NightView` hands out spikes, counts in
windows, awake activations and weights of a layer, in the forms that the rest of the package takes.
Classes are places in `classes`, which holds their labels. What the file does not hold is refused
with the setting that would have recorded it. `night_summaries` says which of it goes into what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioncl.analysis.windows import regular_windows, window_counts
from bioncl.errors import InputError, TraceError, describe, did_you_mean
from bioncl.traces.hdf5_reader import Night, Trace


@dataclass(frozen=True, eq=False)
class AwakeExamples:
    """Awake activations of the same examples before and after the night.

    Attributes:
        before: [examples, neurons].
        after: [examples, neurons].
        labels: Places of their classes in the view's `classes`: int64 [examples].
    """

    before: NDArray
    after: NDArray
    labels: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """Weights of a layer around the night.

    Attributes:
        before: Before the night [post, pre]; None if the file does not hold them.
        delta: After less before [post, pre].
    """

    before: NDArray | None
    delta: NDArray


@dataclass(frozen=True, eq=False)
class NightView:
    """A window of one night of an open trace.

    Attributes:
        trace: The open trace.
        night: What is known about the night.
        start: First step of the window, counted from the start of the night.
        stop: The step after its last.
    """

    trace: Trace
    night: Night
    start: int
    stop: int

    @property
    def name(self) -> str:
        """The file and the night, for messages."""
        return f"{self.trace.path}, night {self.night.index},"

    def layers(self, names: Sequence[str], default: Sequence[str]) -> list[str]:
        """`names` in the file's order, or `default` if there are none.

        Raises:
            TraceError: The trace has no layer of a name.
        """
        for name in names:
            if name not in self.trace.sizes:
                message = f"{self.trace.path} has no layer '{name}'"
                raise TraceError(describe(message, hint=did_you_mean(name, self.trace.sizes)))
        return [name for name in self.trace.layers if name in (names or default)]

    def events(self, layer: str) -> NDArray[np.int64]:
        """(step of the night, neuron) of each spike of the window: int64 [events, 2]."""
        return self.trace.spikes(layer, self.night.index, self.start, self.stop)

    def windows(self, width: int) -> NDArray[np.int64]:
        """Windows of `width` steps side by side: int64 [windows, 2].

        Raises:
            InputError: Not one fits between `start` and `stop`.
        """
        found = regular_windows(self.stop - self.start, width) + self.start
        if not len(found):
            what, expected = "Length of a window", f"at most {self.stop - self.start} steps"
            raise InputError(describe(what, expected=expected, got=width, hint="Use --window."))
        return found

    def window_counts(self, layer: str, windows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Spikes of each neuron in each window: int64 [windows, neurons]; read piece by piece."""
        neurons = self.trace.sizes[layer]
        counts = np.zeros((len(windows), neurons), np.int64)
        for piece in self.trace.pieces(layer, self.night.index, self.start, self.stop):
            counts += window_counts(piece, neurons, windows)
        return counts

    @property
    def classes(self) -> NDArray[np.int64]:
        """Labels of the classes seen before this night, ascending: int64 [classes].

        Raises:
            TraceError: The file holds no awake activations.
        """
        return self._array("awake/classes")

    def means(self, layer: str) -> NDArray:
        """Mean awake activations of each class before the night [classes, neurons].

        Raises:
            TraceError: The file holds no awake activations.
        """
        return self._array(f"awake/means/{layer}")

    def examples(self, layer: str) -> AwakeExamples:
        """Awake activations of some examples on both sides of the night.

        Raises:
            TraceError: The file holds no awake activations, or the night was not finished.
        """
        labels = np.searchsorted(self.classes, self._array("awake/labels"))
        before, after = (self._array(f"awake/{when}/{layer}") for when in ("before", "after"))
        return AwakeExamples(before, after, labels)

    def confusion(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Decisions on the test data before and after: int64 [labels, outputs] each.

        Raises:
            TraceError: The file holds none, or the night was not finished.
        """
        return self._array("confusion/before"), self._array("confusion/after")

    def new_classes(self) -> NDArray[np.bool_] | None:
        """Which of `classes` came with the task of this night: bool [classes].

        Known from the classes of the night before, else from the groups of classes in the settings;
        None where neither tells, or where the task brought no classes of its own.
        """
        classes = self.classes
        if self.night.task == 0:
            return np.ones(len(classes), bool)
        last = [night for night in self.trace.nights if night.task == self.night.task - 1]
        if last and "awake/classes" in self.trace.array_names(last[0].index):
            new = ~np.isin(classes, self.trace.array("awake/classes", last[0].index))
        else:
            new = np.isin(classes, self._classes_in_settings())
        return new if new.any() else None

    def output_rows(self) -> bool:
        """Whether row c of the output layer's weights is the class with label c."""
        return self.trace.settings.get("model", {}).get("head") in {"single", "masked"}

    def class_of_output(self) -> NDArray[np.int64]:
        """The class that each neuron of the output layer stands for: int64 [outputs].

        Raises:
            TraceError: The settings do not tell, as with a head that has a part for each task.
        """
        if not self.output_rows():
            hint = 'They are told where model.head is "single" or "masked".'
            message = f"{self.name} does not tell which output stands for which class"
            raise TraceError(describe(message, hint=hint))
        return np.arange(self.trace.sizes[self.trace.layers[-1]])

    def ages(self, classes: NDArray[np.int64]) -> NDArray[np.str_]:
        """For each label "old", "new" (of the task of this night) or "–": str [labels].

        "–" stands for a class not seen so far, and for all where old and new cannot be told apart.
        """
        if "awake/classes" not in self.trace.array_names(self.night.index):
            return np.full(len(classes), "–")
        seen, new = self.classes, self.new_classes()
        if new is None:
            return np.full(len(classes), "–")
        return np.where(
            np.isin(classes, seen[new]), "new", np.where(np.isin(classes, seen), "old", "–")
        )

    def weights(self, name: str) -> LayerWeights:
        """Weights of a layer around the night.

        Raises:
            TraceError: The file does not hold their change, or is damaged.
        """
        delta = self.trace.weights(name, self.night.index)
        try:
            return LayerWeights(self.trace.weights(name, self.night.index, "before"), delta)
        except TraceError:
            if self.trace.settings.get("trace", {}).get("weights_before"):
                raise  # they were recorded, so the file is damaged
            return LayerWeights(None, delta)

    def weight_names(self) -> list[str]:
        """Layers whose weights are known, in the file's order.

        Raises:
            TraceError: There are none, because the night was not finished.
        """
        known = self.trace.weight_names(self.night.index)
        if not known:
            hint = "Weights are written at the end of a night."
            raise TraceError(describe(f"{self.name} holds no weights", hint=hint))
        return [name for name in self.trace.layers if name in known]

    def _classes_in_settings(self) -> list[int]:
        stream = self.trace.settings.get("stream", {})
        groups = stream.get("classes")
        split = stream.get("order") == "fixed" and stream.get("scenario") in {"class", "task"}
        known = split and isinstance(groups, list) and self.night.task < len(groups)
        return list(groups[self.night.task]) if known else []

    def _array(self, name: str) -> NDArray:
        known = self.trace.array_names(self.night.index)
        if name in known:
            return self.trace.array(name, self.night.index)
        if any(other.startswith("awake/") for other in known):
            hint = "The night was not finished." if not self.night.complete else ""
            raise TraceError(describe(f"{self.name} holds no '{name}'", hint=hint))
        what = "confusion matrices" if name.startswith("confusion/") else "awake activations"
        hint = "They are recorded if the setting trace.examples is above 0 (default 20)."
        raise TraceError(describe(f"{self.name} holds no {what}", hint=hint))


def night_view(
    trace: Trace, index: int | None = None, start: int = 0, stop: int | None = None
) -> NightView:
    """Choose a night, and steps of it.

    Args:
        trace: An open trace.
        index: Index of the night; the last one by default.
        start: First step, counted from the start of the night.
        stop: The step after the last; by default all that were recorded.

    Raises:
        TraceError: There is no such night, or no such steps in it.
    """
    if not trace.nights:
        raise TraceError(describe(f"{trace.path} holds no night"))
    found = [night for night in trace.nights if index in (None, night.index)]
    if not found:
        expected = ", ".join(str(night.index) for night in trace.nights)
        raise TraceError(describe(f"Night of {trace.path}", expected=expected, got=index))
    night = found[-1]
    last = night.recorded if stop is None else stop
    if not (start < last <= night.recorded or (start, last) == (0, night.recorded)):
        expected, got = f"steps within 0 to {night.recorded}", f"{start} to {last}"
        what = f"Window of night {night.index} of {trace.path}"
        raise TraceError(describe(what, expected=expected, got=got))
    return NightView(trace, night, start, last)
