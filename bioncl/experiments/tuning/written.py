"""What a search leaves in its folder.

best.toml       settings for `bioncl run`, judged on what the settings were judged on before
pareto/         the same for each trial of the front, with several objectives
trials.csv      one row a trial
summary.txt     for people; summary.json for programs
study.db        the trials; a search goes on from it
runs/           result.json of each run
awake/          of a search of one night: the checkpoints before it, one a seed
"""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna

from bioncl.atomic import write_json, write_text
from bioncl.experiments.settings import RunConfig
from bioncl.experiments.sweep.jobs import code_version
from bioncl.experiments.tuning.findings import Findings, Found
from bioncl.experiments.tuning.plan import Plan, changed
from bioncl.experiments.tuning.toml_text import toml_text

BEST = "best.toml"


def write(findings: Findings, folder: Path, command: str = "") -> None:
    """Write everything into `folder`; `command` is what started the search."""
    write_text(folder / "trials.csv", trials_csv(findings))
    write_json(folder / "summary.json", findings.as_json())
    write_text(folder / "summary.txt", summary(findings))
    if len(findings.plan.objectives) > 1:
        for trial in findings.best:
            path = folder / "pareto" / f"trial-{trial.number:04d}.toml"
            write_text(path, best_toml(findings, trial, command))
    write_text(folder / BEST, best_toml(findings, findings.best[0], command))


def best_config(findings: Findings, trial: Found) -> RunConfig:
    """The settings of a trial, judged on what the settings of the search were judged on before."""
    plan = findings.plan
    return changed(plan.held.asked, plan.space, trial.params)


def best_toml(findings: Findings, trial: Found, command: str = "") -> str:
    """A settings file that says where it comes from: in comments, and in its notes."""
    plan = findings.plan
    tables = dict(best_config(findings, trial).resolved)
    tables["title"] = f"{tables['title'] or plan.held.config.name}, searched"
    notes = [tables["notes"], provenance(findings)]
    tables["notes"] = " ".join(note for note in notes if note)
    comments = "".join(f"# {line}\n" for line in told(findings, trial, command))
    return f"{comments}\n{toml_text(tables)}"


def provenance(findings: Findings) -> str:
    """Where the settings come from, in a sentence."""
    plan = findings.plan
    share = plan.held.config.data.validation
    names = ", ".join(one.name for one in plan.objectives)
    what = "" if plan.night is None else f"on the one night after task {plan.night} "
    return (
        f"Searched {what}around '{plan.held.config.name}' with `bioncl tune` "
        f"({plan.choosing.sampler}, {len(findings.trials)} trials of {len(plan.seeds)} seeds from "
        f"{plan.seeds[0]} on, for {names}) on {100 * share:g} % of the training data, held out; "
        "no test data was read."
    )


def told(findings: Findings, trial: Found, command: str) -> Iterator[str]:
    """The lines of the comment at the top of best.toml."""
    plan = findings.plan
    yield provenance(findings)
    if command:
        yield f"command:    {command}"
    yield f"versions:   bioncl {code_version()}, optuna {optuna.__version__}"
    yield f"trial:      {trial.number} of {counted(findings)}"
    for one in plan.objectives:
        each = ", ".join(f"{value:.6g}" for value in trial.seeds[one.name])
        yield f"validation: {one.name} {trial.values[one.name]:.6g} (seeds: {each})"
    for key, value in findings.settings(trial).items():
        yield f"found:      {key} = {value} in {_extent(plan, key)}"
    for name, shares in findings.importance.items():
        listed = ", ".join(f"{key} {share:.2f}" for key, share in shares.items())
        yield f"importance: {name}: {listed}"


def counted(findings: Findings) -> str:
    """Number of trials, and how they ended."""
    states = ", ".join(f"{count} {state}" for state, count in findings.counts.items())
    return f"{len(findings.trials)} trials ({states})"


def trials_csv(findings: Findings) -> str:
    """One row a trial: number, state, objectives, values of each seed, settings, error."""
    plan, rows = findings.plan, io.StringIO(newline="")
    objectives = [one.name for one in plan.objectives]
    each = [f"{name}, seed {seed}" for name in objectives for seed in plan.seeds]
    out = csv.writer(rows, lineterminator="\n")
    out.writerow(["trial", "state", *objectives, *each, *plan.space, "error"])
    for trial in findings.trials:
        seeds: list[Any] = []
        for name in objectives:
            known = trial.seeds[name]
            seeds += [*known, *[""] * (len(plan.seeds) - len(known))]
        values = [trial.values.get(name, "") for name in objectives]
        params = [trial.params.get(key, "") for key in plan.space]
        out.writerow([trial.number, trial.state, *values, *seeds, *params, trial.error])
    return rows.getvalue()


def summary(findings: Findings) -> str:
    """What was found, as text."""
    plan = findings.plan
    name = plan.held.config.name
    if plan.night is not None:
        name += f", the night after task {plan.night}"
    lines = [f"{name} · {plan.choosing.sampler} · {counted(findings)}"]
    for trial in findings.best:
        values = [f"{one.what} {trial.values[one.name]:.6g}" for one in plan.objectives]
        lines.append(f"trial {trial.number}: {', '.join(values)} (held-out training data)")
        lines += [f"  {key} = {value}" for key, value in findings.settings(trial).items()]
    for name, shares in findings.importance.items():
        lines.append(f"importance of the settings for {name}:")
        lines += [f"  {share:5.2f}  {key}" for key, share in shares.items()]
    return "\n".join(lines) + "\n"


def run_command(folder: Path) -> str:
    """The command that runs what was found, on the test data."""
    return shlex.join(["bioncl", "run", str(folder / BEST)])


def _extent(plan: Plan, key: str) -> str:
    table = plan.space[key].table()
    if "choices" in table:
        return f"{table['choices']}"
    marks = "".join(f", {mark}" for mark in ("log", "int") if table[mark])
    return f"[{table['low']:g}, {table['high']:g}]{marks}"
