"""`compare`: from contenders to a folder with everything that their runs say.

    comparison.json     what was compared; claims the folder
    runs/<address>/     the runs
    results.csv         one row a run (results.parquet too, where pyarrow is installed)
    summary.csv         one row a contender

The folder may be used again, with the same settings or with others and more seeds: runs that are
done are read, and the tables are always about the latest call. A folder that holds anything else
is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import bioncl
from bioncl.atomic import storage_errors, write_json
from bioncl.errors import InputError, describe
from bioncl.experiments.comparison import files
from bioncl.experiments.comparison.contenders import Contender
from bioncl.experiments.comparison.summary import Comparison, check_baseline, summarise
from bioncl.experiments.setup import make_methods, make_stream
from bioncl.experiments.sweep.engine import run_jobs
from bioncl.experiments.sweep.workers import Cluster, Workers
from bioncl.progress import Progress, Silent
from bioncl.streams.stream import Stream

SCHEMA = 1


def compare(
    found: Sequence[Contender],
    workers: Workers,
    out: Path,
    *,
    baseline: str | None = None,
    retry_failed: bool = False,
    command: str = "",
    progress: Progress | None = None,
) -> Comparison:
    """Run what is not done yet, and write the tables.

    Args:
        found: From `contenders.together`.
        workers: Who runs it.
        out: Folder for everything.
        baseline: Label of the contender to compare with; by default the first of each problem.
        retry_failed: Whether runs that have failed before are run again.
        command: The command line, for the record.
        progress: Where to report to.

    Raises:
        InputError: The folder, the baseline, data or methods cannot be used; nothing has run.
        RunError: The workers cannot be reached any more.
        StorageError: A table cannot be written.
    """
    progress = progress or Silent()
    check_baseline(found, baseline)
    check_folder(out)
    if not isinstance(workers, Cluster):  # whose data may be elsewhere
        check_streams(found, progress)
    claim(out, found, command)
    jobs = [job for one in found for job in one.jobs]
    outcomes = run_jobs(jobs, workers, out, retry_failed=retry_failed, progress=progress)
    comparison = summarise(found, outcomes, baseline)
    write_tables(comparison, out, progress)
    return comparison


def check_folder(out: Path) -> None:
    """Refuse a folder that holds something else than a comparison.

    Raises:
        InputError: It does.
    """
    if out.exists() and not (out / "comparison.json").exists():
        empty = out.is_dir() and not any(out.iterdir())
        if not empty:
            hint = "Choose another --out."
            raise InputError(describe(f"{out} holds something else than a comparison", hint=hint))


def check_streams(found: Sequence[Contender], progress: Progress) -> None:
    """Load the data of each problem once, and let every method say whether it suits.

    Raises:
        InputError: Data is missing, or a method does not suit; it says of which contender.
    """
    streams: dict[str, Stream] = {}
    for one in found:
        tables = one.jobs[0].tables
        key = str([tables["stream"], tables["data"]])
        try:
            config = one.jobs[0].config()
            if key not in streams:
                streams[key] = make_stream(config, progress)
            make_methods(config).check(streams[key])
        except InputError as error:
            raise type(error)(f"{one.label}: {error}") from error


def claim(out: Path, found: Sequence[Contender], command: str) -> None:
    """Note what is compared, before the first run."""
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    told = {
        "schema": SCHEMA,
        "bioncl": bioncl.__version__,
        "command": command,
        "contenders": [
            {
                "label": one.label,
                "command": one.command(),
                "runs": {str(job.seed): job.address for job in one.jobs},
            }
            for one in found
        ],
    }
    write_json(out / "comparison.json", told)


def write_tables(comparison: Comparison, out: Path, progress: Progress) -> None:
    """Write results.csv, summary.csv and, if it can be, results.parquet.

    Raises:
        StorageError: One cannot be written.
    """
    records = files.run_records(comparison)
    files.write_csv(out / "results.csv", records)
    files.write_csv(out / "summary.csv", files.summary_records(comparison))
    if files.can_write_parquet():
        files.write_parquet(out / "results.parquet", records)
    else:
        (out / "results.parquet").unlink(missing_ok=True)  # it would be about an earlier call
        progress.note("no results.parquet: install pyarrow with pip install 'bioncl[frames]'")
