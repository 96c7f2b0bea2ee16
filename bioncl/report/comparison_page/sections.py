"""The parts of the page about a comparison."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bioncl.experiments.comparison.series import Series, curves, families
from bioncl.experiments.comparison.summary import Comparison, Problem, Row
from bioncl.report.comparison_page import figures, tables
from bioncl.report.comparison_page.marks import by_name
from bioncl.report.page.blocks import (
    Block,
    Commands,
    Facts,
    Folded,
    Legend,
    Missing,
    Note,
    Panels,
    Section,
)

HOW = (
    "Intervals are 95 % percentile bootstrap intervals of the mean over seeds; with few seeds they "
    "are rather too narrow. Differences are taken seed by seed, and tested by a two-sided paired "
    "t test; p values are adjusted by Holm’s method for all comparisons of the table they stand in."
)


@dataclass(frozen=True)
class PageSettings:
    """What a page tells besides its results.

    Attributes:
        command: The command that made it; empty if none did.
        target: Accuracy wanted on the last task for the second fair measure, 0..1, or None.
    """

    command: str = ""
    target: float | None = None


def sections(found: Comparison, how: PageSettings) -> list[Block]:
    """All parts, in order."""
    blocks: list[Block] = [Facts(in_short(found))]
    failures = tables.failures_table(found.rows)
    if failures is not None:
        what = f"{found.failed} runs failed; what follows is about the others."
        blocks += [Missing(what), Folded("Why they failed", [failures])]
    for problem in found.problems:
        title = "Results" if len(found.problems) == 1 else f"Results: {problem.name}"
        blocks.append(Section(title, problem_blocks(problem, how.target)))
    return [*blocks, *reproduction(found, how)]


def in_short(found: Comparison) -> list[tuple[str, str]]:
    """What was compared, and who came first."""
    runs = len(found.rows) * len(found.seeds)
    seeds = ", ".join(map(str, found.seeds))
    facts = [
        ("compared", f"{len(found.rows)} settings, seeds {seeds}: {runs} runs"),
    ]
    for problem in found.problems:
        done = [row for row in problem.rows if row.values]
        if done:
            best = max(done, key=lambda row: row.estimates["acc"].mean)
            acc = best.estimates["acc"]
            facts.append((problem.name, f"best: {best.label}, {tables.spread(acc)} %"))
    return facts


def problem_blocks(problem: Problem, target: float | None) -> list[Block]:
    """The table, and accuracy against cost, over the tasks and task by task."""
    marks = by_name([row.label for row in problem.rows])
    results = tables.results_table(problem, marks)
    meanings = Folded("What the columns mean", [Facts([one for one in results.head if one[1]])])
    blocks: list[Block] = [results, Note(HOW), meanings]
    if problem.pairs:
        blocks.append(Folded("Every pair", [tables.pairs_table(problem)]))
    if not any(row.values for row in problem.rows):
        return [*blocks, Missing("No run of this problem was completed.")]
    legend = Legend([(marks[row.label], row.label) for row in problem.rows if row.values])
    courses = figures.course_panels(problem, marks)
    parts: list[Block] = [
        Section("Accuracy against cost", [*_stored(problem.rows), *_budgets(problem, marks)], 3),
        *([Section("Forgetting", [legend, Panels(courses)], 3)] if courses else []),
        Section("Accuracy on each task after each task", _matrices(problem.rows), 3),
    ]
    fair = families(problem.rows, target)
    if fair:
        note = Note("For each seed the best that any settings of the method reach (Lee 2020).")
        table = tables.families_table(fair, target)
        parts.append(Section("What each method can reach", [note, table], 3))
    return [*blocks, *parts]


def _stored(rows: Sequence[Row]) -> list[Block]:
    """Curves over stored examples, if there is a curve."""
    found: list[Series] = [one for one in curves(rows) if len(one.rows) > 1]
    if not any(row.estimates["stored_examples"].mean for one in found for row in one.rows):
        return []
    marks = by_name([one.name for one in found])
    legend = Legend([(marks[one.name], one.name) for one in found])
    return [legend, Panels([figures.stored_panel(found, marks)], wide=True)]


def _budgets(problem: Problem, marks: Mapping[str, str]) -> list[Block]:
    done = [row for row in problem.rows if row.values]
    legend = Legend([(marks[row.label], row.label) for row in done])
    return [legend, Panels(figures.budget_panels(done, marks))]


def _matrices(rows: Sequence[Row]) -> list[Block]:
    return [
        Note("Means over the seeds, in per cent; rows: after which task, columns: on which task."),
        Panels(figures.matrix_panels(rows)),
    ]


def reproduction(found: Comparison, how: PageSettings) -> list[Block]:
    """What differs, the command of each row, and what everything ran on."""
    contenders = [row.contender for row in found.rows]
    differing = tables.differing_table(contenders)
    parts: list[Block] = []
    if differing is not None:
        parts.append(Section("What differs between the settings", [differing]))
    commands = [(one.label, one.command()) for one in contenders]
    if how.command:
        commands.append(("this page", how.command))
    parts.append(Section("How to repeat it", [Commands(commands)]))
    return [*parts, Section("Environment", [Facts(environment(found))])]


def environment(found: Comparison) -> list[tuple[str, str]]:
    """Versions of what made the numbers, the code, and the machine that made this page."""
    runs = [values for row in found.rows for values in row.values.values()]
    versions: dict[str, set[str]] = {}
    for values in runs:
        for name, version in values.get("versions", {}).items():
            versions.setdefault(name, set()).add(str(version))
    codes = {job.code for row in found.rows for job in row.contender.jobs}
    devices = {str(values["device"]) for values in runs}
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return [
        *((name, ", ".join(sorted(known))) for name, known in versions.items()),
        ("code", ", ".join(sorted(codes))),
        ("device", ", ".join(sorted(devices))),
        ("page made on", machine),
    ]
