"""Figures of one night show the numbers they were given, in texts that can be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from bioncl.analysis.confusion import class_accuracies
from bioncl.analysis.landscape import Line
from bioncl.analysis.membrane import Potentials
from bioncl.analysis.night import LayerWeights
from bioncl.analysis.night_outputs import ClassesSummary, ConfusionSummary
from bioncl.analysis.night_replay import DecodeSummary, OrderSummary, ReactivationSummary
from bioncl.analysis.night_weights import GroupsSummary, TrajectorySummary
from bioncl.analysis.order import order_test
from bioncl.analysis.selectivity import ByClass, TopReactivation
from bioncl.analysis.synapse_groups import GroupChange
from bioncl.analysis.trajectory import Trajectory
from bioncl.experiments.line import NightLine
from bioncl.report import style
from bioncl.report.classes import classes_figure
from bioncl.report.confusion import confusion_figure
from bioncl.report.decoding import decoding_figure
from bioncl.report.groups import groups_figure
from bioncl.report.line import line_figure
from bioncl.report.membrane import membrane_figure
from bioncl.report.order import order_figure
from bioncl.report.reactivation import reactivation_figure
from bioncl.report.trajectory import trajectory_figure
from bioncl.report.weights import weights_figure

LONG = (
    "Split of 5,000 embedded MNIST digits, class-incremental: nights on the current task: night 4"
)
AGES = np.array(["old", "old", "new", "–"])
CLASSES = np.array([0, 1, 2, 3])
WINDOWS = np.array([[0, 500], [500, 1000], [1000, 1500]])
RANDOM = np.random.default_rng(0)


def potentials(neurons: int = 3) -> Potentials:
    values = RANDOM.random((80, neurons)) * 1.2
    values[:, 0] /= 2
    return Potentials(np.arange(neurons) * 100, 1000, 1.0, values, values >= 1.0)


def classes() -> ClassesSummary:
    counts = RANDOM.integers(0, 90, (3, 4))
    total = counts.sum(0)
    return ClassesSummary(CLASSES, AGES, total, total / total.sum(), total / 1.5, WINDOWS, counts)


def confusion() -> ConfusionSummary:
    matrix = RANDOM.integers(0, 90, (2, 4, 4))
    shares = [class_accuracies(one) for one in matrix]
    none = np.full(4, -1)
    return ConfusionSummary(AGES, *matrix, *shares, none, none, 0.25, 0.5)


def order() -> OrderSummary:
    test = order_test(np.array([2, -1, 1]), 4, shuffles=5)
    decoded, counts = np.array([2, -1, 1]), np.array([0, 1, 1, 0])
    steps = np.array([np.nan, 500.0, 500.0, np.nan])
    return OrderSummary(CLASSES, WINDOWS, decoded, counts, steps, counts - 1, steps, test, None)


def reactivation() -> ReactivationSummary:
    top = TopReactivation(np.arange(4.0) + 5, np.ones(4), np.array([0.01, 0.2, 0.04, np.nan]))
    spread = ByClass(np.arange(4.0) + 4, np.full(4, 0.5))
    return ReactivationSummary(CLASSES, AGES, 20, top, spread, 2.0)


def decoding() -> DecodeSummary:
    likely = RANDOM.dirichlet(np.ones(4), 3)
    best, nothing = likely.argmax(1), np.full(4, np.nan)
    sure = np.where([True, False, True], best, -1)
    q = np.array([0.01, 0.5, 0.02])
    last = (likely.max(1), q, sure, nothing, nothing, nothing)
    return DecodeSummary(WINDOWS, CLASSES, AGES, 0.83, likely, best, *last)


def groups() -> GroupsSummary:
    many = np.array([[50, 20, 0], [1234, 8, 0], [5, 5, 0]])
    change = GroupChange(many, many * 0.1, many * -0.1, many // 2, many // 3)
    sizes = np.array([1080, 51, 0])
    return GroupsSummary(("old", "new", "–"), sizes, sizes, change, change.mean_change, True)


def trajectory(nights: int = 5) -> TrajectorySummary:
    path = Trajectory(RANDOM.random((2 * nights, 3)) - 0.5, np.array([0.6, 0.3, 0.1]))
    sleep = np.tile([False, True], nights)
    return TrajectorySummary(np.repeat(np.arange(nights), 2), sleep, path, np.ones(2 * nights - 1))


def line(tasks: int = 5) -> NightLine:
    alphas, each = np.linspace(0, 1, 7), RANDOM.random((7, tasks))
    walked = Line(alphas, 2 * each.mean(1), each.mean(1))
    return NightLine(walked, 0.1, [f"task {i}" for i in range(tasks)], 2 * each, each, None)


def weights() -> dict[str, LayerWeights]:
    before = RANDOM.normal(0, 0.1, (12, 30)).astype(np.float32)
    delta = np.where(RANDOM.random(before.shape) < 0.3, 0.05, 0)
    return {"hidden1": LayerWeights(None, delta), "output": LayerWeights(before, delta)}


FIGURES: dict[str, Callable[[], Figure]] = {
    "membrane": lambda: membrane_figure(LONG, potentials()),
    "one neuron": lambda: membrane_figure(LONG, potentials(1)),
    "classes": lambda: classes_figure(LONG, classes()),
    "confusion": lambda: confusion_figure(LONG, confusion()),
    "order": lambda: order_figure(LONG, {"hidden1": order(), "output": order()}),
    "reactivation": lambda: reactivation_figure(LONG, {"hidden1": reactivation()}),
    "decoding": lambda: decoding_figure(LONG, {"hidden1": decoding(), "output": decoding()}),
    "groups": lambda: groups_figure(LONG, {"hidden1": groups(), "output": groups()}),
    "trajectory": lambda: trajectory_figure(LONG, {"hidden1": trajectory(), "all": trajectory()}),
    "one night": lambda: trajectory_figure(LONG, {"output": trajectory(1)}),
    "line": lambda: line_figure(LONG, line()),
    "first line": lambda: line_figure(LONG, line(1)),
    "weights": lambda: weights_figure(LONG, weights()),
}


@pytest.mark.parametrize("name", FIGURES)
def test_texts_are_on_the_page_and_apart(name: str, check_texts: Callable[[Figure], None]) -> None:
    """Also with a title that is wider than the page; nights are numbers in the plane."""
    with style.styled():
        figure = FIGURES[name]()
        for panel in figure.axes if "traj" in name or "night" in name else []:
            for text in panel.texts:
                text.set_visible(False)
        check_texts(figure)


def test_potentials_thresholds_and_spikes() -> None:
    found = potentials()
    for place, panel in enumerate(membrane_figure("x", found).axes):
        curve, threshold, marks = panel.lines
        np.testing.assert_array_equal(curve.get_ydata(), found.values[:, place])
        assert curve.get_xdata()[0] == 1000
        assert set(threshold.get_ydata()) == {1.0}
        spikes = 1000 + np.flatnonzero(found.values[:, place] >= 1.0)
        np.testing.assert_array_equal(marks.get_xdata(), spikes)
    assert len(membrane_figure("x", found).axes[0].lines[2].get_xdata()) == 0


def test_classes_and_decisions_stand_in_their_cells() -> None:
    spikes = classes()
    left, right, *_ = classes_figure("x", spikes).axes
    np.testing.assert_array_equal(left.collections[0].get_array(), spikes.counts.T)
    assert [bar.get_width() for bar in right.patches] == spikes.spikes.tolist()
    assert left.get_yticklabels()[2].get_text() == "2 (new)"
    decided = confusion()
    _, after, *_ = confusion_figure("x", decided).axes
    shares = 100 * decided.after / decided.after.sum(1, keepdims=True)
    np.testing.assert_allclose(after.images[0].get_array(), shares)
    shown = {text.get_position(): text.get_text() for text in after.texts}
    assert shown[1, 2] == f"{shares[2, 1]:.0f}"


def test_a_class_without_examples_is_left_blank() -> None:
    decided = confusion()
    decided.after[1] = 0
    _, after, *_ = confusion_figure("x", decided).axes
    assert (
        np.ma.getmaskarray(after.images[0].get_array()).all(1).tolist()
        == [False, True] + [False] * 2
    )


def test_windows_are_drawn_where_they_were_decoded() -> None:
    (left, right, *_), found = order_figure("x", {"a": order()}).axes, order()
    segments = left.collections[0].get_segments()
    drawn = [(segment[0][0], segment[1][0], segment[0][1]) for segment in segments]
    assert drawn == [(0, 500, 2), (1000, 1500, 1)]
    excess = found.test.transitions - found.test.expected
    np.testing.assert_array_equal(right.images[0].get_array(), excess)
    upper, lower, *_ = decoding_figure("x", {"a": decoding()}).axes
    assert upper.collections[0].get_array().shape == (4, 3)
    guessed, sure, _ = lower.lines
    assert (list(guessed.get_xdata()), list(sure.get_xdata())) == ([750], [250, 1250])


def test_what_is_significant_is_filled() -> None:
    (panel,) = reactivation_figure("x", {"a": reactivation()}).axes
    filled = [one for one in panel.lines if str(one.get_label()).startswith("top, p")]
    assert list(filled[0].get_xdata()) == [0, 2]
    assert [tick.get_text() for tick in panel.get_xticklabels()][2:] == ["2\nnew", "3"]


def test_groups_are_coloured_by_their_mean_change() -> None:
    found = groups()
    change, grew, *_ = groups_figure("x", {"a": found}).axes
    np.testing.assert_array_equal(change.images[0].get_array().mask, np.isnan(found.mean_change))
    np.testing.assert_allclose(change.images[0].get_array()[0, :2], -0.2)
    assert grew.images[0].get_array()[1, 0] == pytest.approx(50)
    assert change.get_xticklabels()[0].get_text() == "old\n(1,080)"


def test_the_path_is_drawn_by_what_led_on() -> None:
    """Sleep from before to after a night, training on to the next."""
    found = trajectory(2)
    (panel,) = trajectory_figure("x", {"a": found}).axes
    sleep, training, again = panel.lines[:3]
    assert [one.get_color() for one in (sleep, training, again)] == [
        style.ASLEEP,
        style.AWAKE,
        style.ASLEEP,
    ]
    np.testing.assert_array_equal(training.get_xdata(), found.path.coordinates[1:3, 0])
    assert [text.get_text() for text in panel.texts] == ["0", "1"]
    assert panel.get_xlabel() == "component 0 (60% of the variance)"


def test_weights_are_scattered_before_against_after() -> None:
    figure = weights_figure("x", weights())
    points = figure.axes[5].lines[1]
    moved = np.subtract(points.get_ydata(), points.get_xdata())
    assert len(moved) == 360
    assert set(moved.round(6)) == {0.0, 0.05}
    assert not figure.axes[2].axison


def test_the_line_tells_old_tasks_from_the_new_one() -> None:
    found = line(3)
    loss, accuracy = line_figure("x", found).axes
    assert [one.get_color() for one in loss.lines[:3]] == [
        style.AGES[a] for a in ("old", "old", "new")
    ]
    np.testing.assert_allclose(accuracy.lines[-1].get_ydata(), 100 * found.line.accuracy)
    labels: Any = line_figure("x", replace(found)).legends[0].get_texts()
    assert [text.get_text() for text in labels] == ["old tasks", "new task", "all so far"]
