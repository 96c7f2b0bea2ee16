"""Tables of the page about a trace."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bioncl.analysis.night_outputs import ConfusionSummary
from bioncl.analysis.night_replay import OrderSummary
from bioncl.analysis.night_summaries import (
    CodeSummary,
    ReplaySummary,
    RowChange,
    SparsenessSummary,
    WeightsSummary,
)
from bioncl.report.page.blocks import Missing, Table
from bioncl.report.page.text import NOTHING, number, percent
from bioncl.report.trace_page.numbers import Firing, NightNumbers

_SETTING_LENGTH = 400


def nights_table(nights: Sequence[NightNumbers]) -> Table:
    """All nights: length, accuracies, rates."""
    layers = list(nights[0].layers) if nights else []
    head = ("night", "after task", "steps", "before %", "after %", "input Hz")
    rows = [
        (
            str(night.index),
            str(night.task),
            f"{night.recorded:,}" + ("" if night.complete else f" of {night.steps:,}"),
            *(percent(accuracy(night, when)) for when in ("before", "after")),
            _mean_hz(night.drive),
            *(_mean_hz(layer.firing) for layer in night.layers.values()),
        )
        for night in nights
    ]
    caption = "Nights: accuracy on all classes before and after, mean rates of the layers"
    return Table(caption, (*head, *(f"{name} Hz" for name in layers)), rows)


def accuracy(night: NightNumbers, when: str) -> float | None:
    """Accuracy on all classes, 0..1, "before" or "after" the night; None if it was not noted."""
    found = night.facts.get(f"accuracy_all_{when}")
    return float(found) if isinstance(found, int | float) else None


def _mean_hz(found: Firing | Missing) -> str:
    return NOTHING if isinstance(found, Missing) else number(found.summary.mean_hz)


def settings_table(settings: Mapping[str, Any]) -> Table:
    """Settings by their full names; long ones are cut here, and whole in the page's JSON."""
    rows = [
        (name, text if len(text) <= _SETTING_LENGTH else text[:_SETTING_LENGTH] + " …")
        for name, text in _flat(settings, "")
    ]
    return Table("Settings of the run", ("setting", "value"), rows)


def _flat(settings: Mapping[str, Any], above: str) -> list[tuple[str, str]]:
    rows = []
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            rows += _flat(value, f"{above}{key}.")
        elif value is not None:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            rows.append((f"{above}{key}", text))
    return rows


def firing_table(caption: str, found: Mapping[str, Firing | Missing]) -> Table:
    """How often and how regularly layers fired."""
    head = ("layer", "neurons", "spikes", "mean Hz", "silent %", "mean ISI ms", "CV", "Fano")
    rows = [
        (
            name,
            f"{one.summary.neurons:,}",
            f"{one.summary.spikes:,}",
            number(one.summary.mean_hz),
            percent(one.summary.silent),
            *map(number, (one.summary.mean_isi_ms, one.summary.mean_cv, one.summary.mean_fano)),
        )
        for name, one in found.items()
        if not isinstance(one, Missing)
    ]
    return Table(caption, head, rows)


def replay_table(found: ReplaySummary, order: OrderSummary) -> Table:
    """Each class: likeness, share of windows, place in the order."""
    tasks = [""] * len(found.classes)
    if found.tasks is not None:
        tasks = ["new" if new else "old" for new in found.tasks.new]
    columns = (found.classes, tasks, found.mean_score, found.mean_z, found.share)
    places = (order.episodes, order.dwell, order.centre)
    rows = [
        (
            str(label),
            age or NOTHING,
            number(score, "+.3f"),
            number(z, "+.2f"),
            percent(share),
            str(runs),
            number(dwell, ",.0f"),
            number(centre, ",.0f"),
        )
        for label, age, score, z, share, runs, dwell, centre in zip(*columns, *places, strict=True)
    ]
    head = ("class", "task", "mean r", "mean z", "decoded %", "runs", "dwell", "centre")
    return Table("Replay of each class; dwell and centre in steps", head, rows)


def old_new_table(found: ReplaySummary) -> Table | None:
    """Old tasks' classes against those of the night's own; None where they are not known."""
    tasks = found.tasks
    if tasks is None:
        return None
    rows = [
        ("old", number(tasks.old_score, "+.3f"), percent(tasks.old_decoded)),
        ("new", number(tasks.new_score, "+.3f"), percent(tasks.new_decoded)),
    ]
    return Table("Old tasks against the new one", ("task", "mean r", "windows decoded %"), rows)


def weights_table(found: Mapping[str, WeightsSummary | Missing]) -> Table:
    """What happened to the weights of each layer, and to output rows of old and new classes."""
    head = ("into", "synapses", "grown", "shrunk", "unchanged", "mean change", "relative change")
    rows = []
    for name, one in found.items():
        if isinstance(one, Missing):
            continue
        change = one.change
        counts = (one.synapses, change.up, change.down, change.unchanged)
        numbers = (number(change.mean, "+.3g"), number(change.relative))
        ranks = (number(one.stable_rank_before), number(one.stable_rank_after))
        rows.append((name, *(f"{count:,}" for count in counts), *numbers, *ranks))
        rows += _row_changes(name, one)
    return Table("Weights", (*head, "stable rank before", "after"), rows)


def _row_changes(name: str, found: WeightsSummary) -> list[tuple[str, ...]]:
    sides: tuple[tuple[str, RowChange | None], ...] = (
        ("old", found.old_rows),
        ("new", found.new_rows),
    )
    return [
        (
            f"{name}: {age} classes {', '.join(map(str, rows.classes))}",
            NOTHING,
            f"{rows.up:,}",
            f"{rows.down:,}",
            NOTHING,
            number(rows.mean, "+.3g"),
            *[NOTHING] * 3,
        )
        for age, rows in sides
        if rows is not None and len(rows.classes)
    ]


def code_table(found: Mapping[str, SparsenessSummary | Missing]) -> Table:
    """The awake code of each layer before and after."""
    head = ("layer", "sleep", "active %", "Treves–Rolls", "Hoyer", "r within", "r between")
    rows = [
        (name, when, *_code_cells(code))
        for name, one in found.items()
        if not isinstance(one, Missing)
        for when, code in (("before", one.before), ("after", one.after))
    ]
    caption = "Awake code: sparse if Treves–Rolls is small and Hoyer large"
    return Table(caption, head, rows)


def _code_cells(code: CodeSummary) -> tuple[str, ...]:
    numbers = (code.treves_rolls, code.hoyer, code.within, code.between)
    return (percent(code.active), *(number(value, ".3f") for value in numbers))


def tasks_table(before: Sequence[float | None], after: Sequence[float | None]) -> Table:
    """Accuracies on each task."""
    rows = [
        (str(task), percent(first), percent(last), _points(first, last))
        for task, (first, last) in enumerate(zip(before, after, strict=True))
    ]
    return Table("Accuracy on each task", ("task", "before %", "after %", "change"), rows)


def confusion_table(found: ConfusionSummary) -> Table:
    """Accuracy on each class, and what it was most often wrongly taken for."""
    rows = [
        (
            str(label),
            str(age),
            percent(first),
            percent(last),
            _points(first, last),
            str(was) if was >= 0 else NOTHING,
            str(now) if now >= 0 else NOTHING,
        )
        for label, (age, first, last, was, now) in enumerate(
            zip(
                found.ages,
                found.accuracy_before,
                found.accuracy_after,
                found.wrong_before,
                found.wrong_after,
                strict=True,
            )
        )
    ]
    head = ("class", "task", "before %", "after %", "change", "taken for before", "after")
    return Table("Accuracy on each class, and what it is most often wrongly taken for", head, rows)


def _points(before: float | None, after: float | None) -> str:
    """Percentage points from before to after."""
    return NOTHING if before is None or after is None else number(100 * (after - before), "+.1f")
