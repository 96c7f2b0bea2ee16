"""The way in: one call, or the same call again to go on."""

from __future__ import annotations

from pathlib import Path

from bioncl.errors import SettingsError, describe
from bioncl.experiments.folder import RunFolder
from bioncl.experiments.sweep.workers import Inline, Workers
from bioncl.experiments.tuning.findings import Findings, findings
from bioncl.experiments.tuning.held_out import check_stream
from bioncl.experiments.tuning.plan import Plan
from bioncl.experiments.tuning.search import search
from bioncl.experiments.tuning.study import open_trials
from bioncl.experiments.tuning.written import write
from bioncl.progress import Progress, Silent


def tune(
    plan: Plan,
    out: Path,
    *,
    trials: int = 50,
    workers: Workers | None = None,
    progress: Progress | None = None,
    command: str = "",
) -> Findings:
    """Search for settings on held-out training data; write what was found into `out`.

    A search that was stopped, or that shall have more trials, goes on where it was.

    Args:
        plan: What is searched; see `make_plan`.
        out: Folder of the search.
        trials: Number in all, those of earlier calls included.
        workers: Who computes the runs; this process by default.
        progress: Where to report to.
        command: What started the search, for the provenance.

    Raises:
        InputError: `out` holds another search, or the stream holds nothing out.
        RunError: No trial came to an end, or a file cannot be written.
    """
    if trials < 1:
        raise SettingsError(describe("Trials", expected="1 or more", got=trials))
    progress = progress or Silent()
    out = Path(out)
    check_stream(plan.held.config, progress)
    with RunFolder(out).locked(), open_trials(out, plan) as store:
        search(store, trials, workers or Inline(), out, progress)
        found = findings(store)
        write(found, out, command)
    return found
