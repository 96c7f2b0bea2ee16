"""Tables of the page about a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bioncl.experiments.comparison.contenders import Contender
from bioncl.experiments.comparison.differing import ABSENT, differing
from bioncl.experiments.comparison.measures import MEASURES, Measure
from bioncl.experiments.comparison.series import Family
from bioncl.experiments.comparison.statistics import Difference, Estimate, estimate
from bioncl.experiments.comparison.summary import Problem, Row
from bioncl.report.page.blocks import Cell, Sortable, Table
from bioncl.report.page.text import NOTHING, number, percent

SMALLEST_P = 1e-4


def results_table(problem: Problem, marks: Mapping[str, str]) -> Sortable:
    """Every measure of every contender, with its difference from the baseline."""
    acc, *others = MEASURES
    head = (
        ("settings", ""),
        ("ACC % ± std", acc.help),
        ("95 % interval", "percentile bootstrap of the mean"),
        (f"less {problem.baseline}", "mean difference on the same seeds, in points"),
        ("its interval", "percentile bootstrap of the mean difference"),
        ("p (Holm)", "paired t test, adjusted for all comparisons with the baseline"),
        *((_head(measure), measure.help) for measure in others),
        ("seeds", "runs that did not fail, of all"),
    )
    rows = [
        (
            Cell(row.label, row.label, marks[row.label]),
            *_accuracy_cells(row.estimates.get("acc")),
            *_difference_cells(problem.difference(row.label)),
            *(_measure_cell(measure, row.estimates.get(measure.name)) for measure in others),
            Cell(f"{len(row.values)} of {len(row.outcomes)}", float(len(row.values))),
        )
        for row in problem.rows
    ]
    return Sortable(f"{problem.name}, {problem.scenario}-incremental", head, rows)


def _head(measure: Measure) -> str:
    return f"{measure.title} %" if measure.share else measure.title


def _accuracy_cells(found: Estimate | None) -> tuple[Cell, Cell]:
    if found is None:
        return Cell(NOTHING), Cell(NOTHING)
    return Cell(spread(found), found.mean), Cell(span(found), known(found.low))


def _difference_cells(found: Difference | None) -> tuple[Cell, Cell, Cell]:
    about = found.estimate if found else None
    if found is None or about is None:
        return Cell(NOTHING), Cell(NOTHING), Cell(NOTHING)
    return (
        Cell(percent(about.mean, "+.1f"), about.mean),
        Cell(span(about, "+.1f"), known(about.low)),
        Cell(p_text(found.p_holm), known(found.p_holm)),
    )


def _measure_cell(measure: Measure, found: Estimate | None) -> Cell:
    if found is None:
        return Cell(NOTHING)
    text = percent(found.mean) if measure.share else number(found.mean)
    return Cell(text, found.mean)


def pairs_table(problem: Problem) -> Sortable:
    """Everyone against everyone."""
    head = (
        ("settings", ""),
        ("against", ""),
        ("difference", "mean on the same seeds, in points"),
        ("its interval", "percentile bootstrap of the mean difference"),
        ("p", "paired t test"),
        ("p (Holm)", "adjusted for all pairs of this table"),
        ("seeds", "that both have"),
    )
    rows = []
    for one in problem.pairs:
        difference, its_span, adjusted = _difference_cells(one)
        p = Cell(p_text(one.p), known(one.p))
        seeds = Cell(str(len(one.seeds)), float(len(one.seeds)))
        names = Cell(one.first, one.first), Cell(one.second, one.second)
        rows.append((*names, difference, its_span, p, adjusted, seeds))
    return Sortable("Every pair, on the same seeds", head, rows)


def families_table(found: Sequence[Family], target: float | None) -> Sortable:
    """What each method reaches over all its settings (Lee et al. 2020)."""
    wanted = "" if target is None else f" {percent(target, '.3g')} %"
    head = (
        ("method", ""),
        ("settings", "how many were tried"),
        ("best mean accuracy %", "best of any settings, seed by seed"),
        (f"old tasks % where the last reaches{wanted}", "along the Pareto front, seed by seed"),
        ("seeds", "that all settings have"),
    )
    rows = []
    for one in found:
        best = estimate(one.measures.best_average)
        reached = [value for value in one.measures.source_at_target if value is not None]
        source = Cell(NOTHING)
        if reached:
            about = estimate(reached)
            note = "" if len(reached) == len(one.seeds) else f" ({len(reached)} seeds only)"
            source = Cell(spread(about) + note, about.mean)
        rows.append(
            (
                Cell(one.name, one.name),
                Cell(str(len(one.rows)), float(len(one.rows))),
                Cell(spread(best), best.mean),
                source,
                Cell(str(len(one.seeds)), float(len(one.seeds))),
            )
        )
    return Sortable("What each method reaches with the best of its settings", head, rows)


def differing_table(found: Sequence[Contender]) -> Table | None:
    """The settings that are not the same in all; None if there is only one contender."""
    keys = differing(found)
    if not keys:
        return None
    rows = [(key, *(_setting(value) for value in values)) for key, values in keys.items()]
    head = ("setting", *(one.label for one in found))
    return Table("Settings that differ; all others are the same", head, rows)


def failures_table(rows: Sequence[Row]) -> Table | None:
    """Runs that failed; None if none did."""
    told = [
        (row.label, str(job.seed), outcome.error)
        for row in rows
        for job, outcome in zip(row.contender.jobs, row.outcomes, strict=True)
        if outcome.result is None
    ]
    return Table("Runs that failed", ("settings", "seed", "why"), told) if told else None


def _setting(value: Any) -> str:
    if value is ABSENT:
        return NOTHING
    return str(value).lower() if isinstance(value, bool) else str(value)


def known(value: float | None) -> float | str:
    """What a cell is sorted by."""
    return "" if value is None else value


def spread(found: Estimate) -> str:
    """Mean ± standard deviation in per cent."""
    deviation = "" if found.std is None else f" ± {percent(found.std)}"
    return f"{percent(found.mean)}{deviation}"


def span(found: Estimate, form: str = ".1f") -> str:
    """The interval of the mean in per cent."""
    if found.low is None or found.high is None:
        return NOTHING
    return f"{percent(found.low, form)} to {percent(found.high, form)}"


def p_text(p: float | None) -> str:
    """A p value; a very small one is only bounded."""
    return "< 0.0001" if p is not None and p < SMALLEST_P else number(p, ".2g")
