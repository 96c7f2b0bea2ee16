"""The parts of the page: the run, and of each night what went in, fired, was replayed, changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from bioncl.analysis.night_summaries import ReplaySummary
from bioncl.report.page.blocks import (
    Beside,
    Block,
    Choice,
    Facts,
    Folded,
    Missing,
    Note,
    Panels,
    Pictures,
    Section,
)
from bioncl.report.page.text import number
from bioncl.report.trace_page import figures, tables
from bioncl.report.trace_page.numbers import LayerNumbers, NightNumbers
from bioncl.report.trace_page.rasters import Raster
from bioncl.report.trace_page.story import in_short
from bioncl.traces.hdf5_reader import Trace


def run_section(trace: Trace, nights: list[NightNumbers]) -> Section:
    """1: what ran, how far it came, and the accuracies around its nights."""
    sizes = ", ".join(f"{name} {neurons:,}" for name, neurons in trace.sizes.items())
    versions = ", ".join(f"{name} {version}" for name, version in trace.versions.items())
    state = "complete" if trace.complete else "not finished: it holds what was written up to a kill"
    facts = [
        ("file", f"{trace.path.name}, {trace.path.stat().st_size / 1e6:.1f} MB, {state}"),
        ("begun", trace.created),
        ("written by", versions),
        ("layers", sizes),
        ("step", f"{trace.step_ms:g} ms"),
    ]
    blocks: list[Block] = [Facts(facts)]
    if not nights:
        blocks.append(Missing("The file holds no night."))
    else:
        blocks.append(Beside([tables.nights_table(nights), _accuracies(nights)]))
    blocks.append(Folded("Settings", [tables.settings_table(trace.settings)]))
    return Section("1 The run", blocks)


def _accuracies(nights: list[NightNumbers]) -> Block:
    before, after = (
        [tables.accuracy(night, when) for night in nights] for when in ("before", "after")
    )
    if all(value is None for value in (*before, *after)):
        return Missing("The file holds no accuracies.")
    names = [str(night.index) for night in nights]
    title = "accuracy on all classes"
    return Panels([figures.accuracy_panel(title, names, before, after, "night")])


def night_sections(night: NightNumbers, rasters: Mapping[str, Raster], drive: str) -> list[Block]:
    """In short, then 2 to 6.

    Args:
        night: Its numbers.
        rasters: Of each layer, as far as there are any.
        drive: Name of the input layer.
    """
    blocks: list[Block] = []
    if not night.complete:
        state = f"{night.recorded:,} of {night.steps:,} steps"
        blocks.append(Missing(f"This night was not finished: the file holds {state}."))
    return [
        *blocks,
        Facts(in_short(night)),
        Section("2 What went in", _went_in(night, rasters.get(drive), drive), 3),
        Section("3 What fired", _fired(night, rasters), 3),
        Section("4 What was replayed", _replayed(night), 3),
        Section("5 What changed", _changed(night), 3),
        Section("6 What it did to accuracy", _accuracy(night), 3),
    ]


def _went_in(night: NightNumbers, drive: Raster | None, name: str) -> list[Block]:
    if isinstance(night.drive, Missing):
        return [night.drive]
    blocks: list[Block] = [tables.firing_table("The drive", {name: night.drive})]
    blocks += [drive] if drive is not None else []
    return [*blocks, Panels(figures.firing_panels(night.drive)), *_input_pictures(night)]


def _input_pictures(night: NightNumbers) -> Iterable[Block]:
    rates = figures.input_pictures(night.input_counts[None].astype(np.float64))
    if rates is None:
        return
    text = "Inputs as a picture, in the order of the data: their spikes in this night"
    shown: list[Block] = [Pictures(text, [(rates[0], "this night")])]
    if not isinstance(night.mean_inputs, Missing) and not isinstance(night.classes, Missing):
        means = figures.input_pictures(night.mean_inputs) or []
        names = [f"class {label}" for label in night.classes]
        text = "Mean awake input of each class seen so far"
        shown.append(Pictures(text, list(zip(means, names, strict=False))))
    yield Beside(shown)


def _fired(night: NightNumbers, rasters: Mapping[str, Raster]) -> list[Block]:
    firing = {name: one.firing for name, one in night.layers.items()}
    blocks = _with_table(tables.firing_table("Layers", firing), firing)
    for name, found in firing.items():
        if not isinstance(found, Missing):
            shown: list[Block] = [rasters[name]] if name in rasters else []
            panels = Panels(figures.firing_panels(found))
            blocks.append(Choice("layer", name, [*shown, panels], name))
    if isinstance(night.outputs, Missing):
        return [*blocks, night.outputs]
    return [*blocks, Panels([figures.output_panel(night.outputs)])]


def _replayed(night: NightNumbers) -> list[Block]:
    how = night.how
    text = (
        f"The spike counts of each window of {how.window:,} steps are correlated (r) with the mean "
        "awake activity of each class less the mean over classes. A dot marks a window that is "
        "decoded as a class: with the neurons shuffled, so high an r is rare (q ≤ 0.05, "
        f"{how.shuffles:,} shuffles). A faint dot marks the likeliest class of the others."
    )
    return [Note(text), *_layers(night, _layer_replay)]


def _layer_replay(layer: LayerNumbers) -> list[Block]:
    found, order = layer.replay, layer.order
    if isinstance(found, Missing):
        return [found]
    if isinstance(order, Missing):
        return [order]
    left: list[Block] = [tables.replay_table(found, order)]
    old_new = tables.old_new_table(found)
    if old_new is not None:
        left.append(old_new)
    return [
        Panels([figures.replay_panel(found)], wide=True),
        Note(_order_text(found)),
        Beside([*left, Panels([figures.order_panel(found)])]),
    ]


def _order_text(found: ReplaySummary) -> str:
    decoded = int((found.decoded >= 0).sum())
    bits, p = number(found.order.information), number(found.order.information_p)
    text = f"{decoded:,} of {len(found.windows):,} windows are decoded."
    if np.isfinite(found.order.information_p):
        text += (
            f" The class of one tells {bits} bits about that of the next (p {p} against the same "
            "windows in random order)."
        )
    drift = None if found.tasks is None else found.tasks.drift
    if drift is not None and np.isfinite(drift.rho):
        rho, p = number(drift.rho, "+.2f"), number(drift.p)
        text += f" Drift from old to new classes over the night: rank correlation {rho} (p {p})."
    return text


def _changed(night: NightNumbers) -> list[Block]:
    weights = {name: one.weights for name, one in night.layers.items()}
    codes = {name: one.code for name, one in night.layers.items()}
    return [
        *_with_table(tables.weights_table(weights), weights),
        *_layers(night, _layer_weights),
        *_with_table(tables.code_table(codes), codes),
        *_layers(night, _layer_code),
    ]


def _layer_weights(layer: LayerNumbers) -> list[Block]:
    found, histograms = layer.weights, layer.histograms
    if isinstance(found, Missing) or isinstance(histograms, Missing):
        return []
    known = bool(np.isfinite(found.change.relative) or np.isfinite(found.stable_rank_before))
    panels = Panels(figures.weight_panels(histograms, known=known))
    if known:
        return [panels]
    text = "The file holds the change of these weights only, not what they were before the night"
    return [Missing(f"{text} (trace.weights_before = true keeps them)."), panels]


def _layer_code(layer: LayerNumbers) -> list[Block]:
    if isinstance(layer.code, Missing):
        return []
    return [Panels(figures.code_panels(layer.code))]


def _accuracy(night: NightNumbers) -> list[Block]:
    before, after = (_on_tasks(night, when) for when in ("before", "after"))
    blocks: list[Block] = []
    if before and len(before) == len(after):
        names = [str(task) for task in range(len(before))]
        title = "accuracy on each task"
        panel = figures.accuracy_panel(title, names, before, after, "task")
        blocks.append(Beside([tables.tasks_table(before, after), Panels([panel])]))
    else:
        blocks.append(Missing("The file holds no accuracies of this night."))
    if isinstance(night.confusion, Missing):
        return [*blocks, night.confusion]
    panels = Panels(figures.confusion_panels(night.confusion))
    return [*blocks, panels, tables.confusion_table(night.confusion)]


def _on_tasks(night: NightNumbers, when: str) -> list[float | None]:
    """Accuracies on each task; what is no number is not known."""
    found = night.facts.get(f"accuracy_{when}")
    values = found if isinstance(found, list) else []
    return [float(value) if isinstance(value, int | float) else None for value in values]


def _layers(night: NightNumbers, show: Callable[[LayerNumbers], list[Block]]) -> list[Block]:
    """What `show` gives for each layer, of which the reader picks one."""
    shown = ((name, show(layer)) for name, layer in night.layers.items())
    return [Choice("layer", name, blocks, name) for name, blocks in shown if blocks]


def _with_table(table: Block, found: Mapping[str, object]) -> list[Block]:
    """The table, if it has any layer, and why others are not in it."""
    missing = [one for one in found.values() if isinstance(one, Missing)]
    there = [table] if len(missing) < len(found) else []
    return [*there, *dict.fromkeys(missing)]
