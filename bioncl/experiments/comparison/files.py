"""Tables as files: one row a run in results.csv and results.parquet, a contender in summary.csv.

Empty cells are what is not known: the numbers of a run that failed, the spread over one seed.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bioncl.atomic import replacing, write_text
from bioncl.experiments.comparison.measures import MEASURES
from bioncl.experiments.comparison.statistics import Difference, Estimate
from bioncl.experiments.comparison.summary import Comparison, Problem, Row
from bioncl.experiments.sweep.jobs import Job
from bioncl.experiments.sweep.work import Outcome
from bioncl.traces.exports.optional import require

Record = dict[str, Any]
_RUN_TEXTS = ("problem", "settings", "method", "scenario", "seed", "status")
_RUN_NUMBERS = (
    *(measure.name for measure in MEASURES),
    "stored_bytes",
    "state_bytes",
    "train_seconds",
    "sleep_seconds",
    "eval_seconds",
)
_RUN_NOTES = ("accuracy_last", "address", "code", "error", "command")


def run_records(comparison: Comparison) -> list[Record]:
    """A record of each run; the keys are the same in all."""
    return [
        _run_record(problem, row, job, outcome)
        for problem in comparison.problems
        for row in problem.rows
        for job, outcome in zip(row.contender.jobs, row.outcomes, strict=True)
    ]


def summary_records(comparison: Comparison) -> list[Record]:
    """A record of each contender; the keys are the same in all."""
    return [_summary_record(p, row) for p in comparison.problems for row in p.rows]


def write_csv(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write records with the same keys, at least one, as CSV (RFC 4180 but for line ends).

    Raises:
        StorageError: It cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    write_text(path, text.getvalue())


def can_write_parquet() -> bool:
    """Whether pyarrow is there."""
    return importlib.util.find_spec("pyarrow") is not None


def write_parquet(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write records with the same keys as Parquet.

    Raises:
        UnsupportedError: pyarrow is not installed.
        StorageError: It cannot be written.
    """
    arrow, parquet = require("pyarrow", "frames"), require("pyarrow.parquet", "frames")
    types = {str: arrow.string(), int: arrow.int64(), float: arrow.float64()}
    fields = [(name, types[_kind([record[name] for record in records])]) for name in records[0]]
    table = arrow.Table.from_pylist([dict(r) for r in records], arrow.schema(fields))
    with replacing(path) as part:
        parquet.write_table(table, part)


def _kind(values: Sequence[Any]) -> type:
    """Type of a column, also of an empty one: numbers are what is missing in failed runs."""
    return next((type(value) for value in values if value is not None), float)


def _run_record(problem: Problem, row: Row, job: Job, outcome: Outcome) -> Record:
    values = row.values.get(job.seed)
    texts = (
        problem.name,
        row.label,
        " + ".join(row.methods),
        problem.scenario,
        job.seed,
        "failed" if values is None else "done",
    )
    numbers = dict.fromkeys(_RUN_NUMBERS) if values is None else _numbers(values)
    last = None if values is None else json.dumps(values["accuracy"][-1])
    notes = (last, job.address, job.code, outcome.error or None, row.contender.command(job.seed))
    return {
        **dict(zip(_RUN_TEXTS, texts, strict=True)),
        **numbers,
        **dict(zip(_RUN_NOTES, notes, strict=True)),
    }


def _numbers(values: Mapping[str, Any]) -> Record:
    memory, seconds = values["memory_bytes"], values["seconds"]
    return {measure.name: measure.read(values) for measure in MEASURES} | {
        "stored_bytes": float(memory["stored_examples"]),
        "state_bytes": float(memory["method_state"]),
        "train_seconds": float(seconds.get("train", 0.0)),
        "sleep_seconds": float(seconds.get("sleep", 0.0)),
        "eval_seconds": float(seconds.get("eval", 0.0)),
    }


def _summary_record(problem: Problem, row: Row) -> Record:
    record: Record = {
        "problem": problem.name,
        "settings": row.label,
        "method": " + ".join(row.methods),
        "scenario": problem.scenario,
        "seeds": len(row.values),
        "failed": row.failed,
    }
    for measure in MEASURES:
        record |= _told(measure.name, row.estimates.get(measure.name))
    found = problem.difference(row.label)
    return record | _told_difference(problem.baseline, found)


def _told(name: str, found: Estimate | None) -> Record:
    parts = ("mean", "std", "low", "high")
    return {f"{name}_{part}": found and getattr(found, part) for part in parts}


def _told_difference(baseline: str, found: Difference | None) -> Record:
    about = found.estimate if found else None
    return {
        "baseline": baseline,
        "difference": about and about.mean,
        "difference_low": about and about.low,
        "difference_high": about and about.high,
        "p": found and found.p,
        "p_holm": found and found.p_holm,
    }
