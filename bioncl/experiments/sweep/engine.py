"""`run_jobs`: a whole list of jobs, on any workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bioncl.experiments.sweep.jobs import Job
from bioncl.experiments.sweep.work import Outcome, Work, known, run_job
from bioncl.experiments.sweep.workers import Workers
from bioncl.progress import Progress, Silent

OnDone = Callable[[Job, Outcome], None]


def run_jobs(
    jobs: Sequence[Job],
    workers: Workers,
    out: Path,
    on_done: OnDone | None = None,
    *,
    retry_failed: bool = False,
    work: Work = run_job,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Do `jobs` in the sweep at `out`; what stands there already is not done again.

    Jobs with the same address are done once. Workers start only if something is to be done.

    Args:
        jobs: What to run.
        workers: Who runs it.
        out: Folder of the sweep.
        on_done: Told each job and its outcome as soon as it is known, in this process.
        retry_failed: Whether jobs that have failed before are run again.
        work: Does a job.
        progress: Where to report to.

    Returns:
        The outcomes, in the order of `jobs`.

    Raises:
        InputError: There are no such workers.
        RunError: The workers cannot be reached any more; what is done stays done.
    """
    reporter, outcomes = progress or Silent(), dict[str, Outcome]()
    with reporter.start("runs", len({job.address for job in jobs})) as bar:

        def note(job: Job, outcome: Outcome) -> None:
            outcomes[job.address] = outcome
            if outcome.result is None:
                reporter.note(f"{job.name}, seed {job.seed}, failed: {outcome.error}")
            if on_done is not None:
                on_done(job, outcome)
            bar.advance()

        left = _left(jobs, out, note, retry_failed=retry_failed)
        if left:
            with workers.open(out, retry_failed=retry_failed, work=work) as pool:
                for job in left:
                    pool.submit(job)
                for job, outcome in pool.finished():
                    note(job, outcome)
    return [outcomes[job.address] for job in jobs]


def _left(jobs: Sequence[Job], out: Path, note: OnDone, *, retry_failed: bool) -> list[Job]:
    """The jobs that are still to be done; outcomes that are known are noted."""
    left = []
    for job in {job.address: job for job in jobs}.values():
        found = known(job, out)
        if found is None or (found.result is None and retry_failed):
            left.append(job)
        else:
            note(job, found)
    return left
