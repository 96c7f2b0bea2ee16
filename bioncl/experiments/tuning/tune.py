"""The way in: one call, or the same call again to go on."""

from __future__ import annotations

from pathlib import Path

from bioncl.errors import SettingsError, describe
from bioncl.experiments.folder import RunFolder
from bioncl.experiments.sweep.workers import Inline, Workers
from bioncl.experiments.tuning.findings import Findings, findings
from bioncl.experiments.tuning.held_out import check_stream
from bioncl.experiments.tuning.one_night import check_task, search_nights
from bioncl.experiments.tuning.plan import Plan
from bioncl.experiments.tuning.search import search
from bioncl.experiments.tuning.study import open_trials
from bioncl.experiments.tuning.written import write
from bioncl.progress import Progress, Silent

TOGETHER = 64
"""Trials of one night that are asked for at a time."""


def tune(
    plan: Plan,
    out: Path,
    *,
    trials: int = 50,
    workers: Workers | None = None,
    together: int | None = None,
    progress: Progress | None = None,
    command: str = "",
) -> Findings:
    """Search for settings on held-out training data; write what was found into `out`.

    A search that was stopped, or that shall have more trials, goes on where it was.

    Args:
        plan: What is searched; see `make_plan`.
        out: Folder of the search.
        trials: Number in all, those of earlier calls included.
        workers: Who computes the runs; this process by default. A search of one night takes none.
        together: Trials of one night that are asked for, and run, at a time; 64 by default.
        progress: Where to report to.
        command: What started the search, for the provenance.

    Raises:
        InputError: `out` holds another search, the stream holds nothing out, or an argument is not
            for such a search.
        RunError: No trial came to an end, or a file cannot be written.
    """
    if trials < 1:
        raise SettingsError(describe("Trials", expected="1 or more", got=trials))
    _check_way(plan, workers, together)
    progress = progress or Silent()
    out = Path(out)
    stream = check_stream(plan.held.config, progress)
    if plan.night is not None:
        check_task(plan, plan.night, stream)
    with RunFolder(out).locked(), open_trials(out, plan) as store:
        if plan.night is None:
            search(store, trials, workers or Inline(), out, progress)
        else:
            search_nights(store, plan.night, trials, together or TOGETHER, out, progress)
        found = findings(store)
        write(found, out, command)
    return found


def _check_way(plan: Plan, workers: Workers | None, together: int | None) -> None:
    """Refuse ways to go about a search that are for the other kind."""
    if plan.night is None:
        if together is not None:
            hint = "Name the night with --night, or leave --together out."
            raise SettingsError(describe("Whole runs are not computed together", hint=hint))
        return
    if workers is not None:
        hint = "Leave --workers and --scheduler out; sleep.threads says how many threads to use."
        raise SettingsError(describe("One night is searched in this process", hint=hint))
    if together is not None and together < 1:
        raise SettingsError(describe("Trials at a time", expected="1 or more", got=together))
