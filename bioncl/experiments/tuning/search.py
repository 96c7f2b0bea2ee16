"""The driver: asks for trials, has their runs done, tells what came of them.

    as many trials at once as there are workers; the seeds of one trial after each other, so that a
    hopeless one ends after its first

It may be killed at any moment and started again: trials that were asked for are taken up with the
same values, and runs that are done are read from their folders.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna

from bioncl.errors import SettingsError
from bioncl.experiments.sweep.jobs import Job
from bioncl.experiments.sweep.work import Outcome, folder_of, run_job
from bioncl.experiments.sweep.workers import Pool, Workers
from bioncl.experiments.tuning.held_out import check_job
from bioncl.experiments.tuning.plan import Plan
from bioncl.experiments.tuning.study import TrialStore
from bioncl.progress import Bar, Progress

DIVERGED = "DivergedError"


@dataclass
class Ticket:
    """A trial on its way.

    Attributes:
        trial: In the study.
        jobs: Its runs, one a seed.
        runs: Results of those that are done, in order.
    """

    trial: optuna.Trial
    jobs: list[Job]
    runs: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def next(self) -> Job:
        """The run that is to be done next."""
        return self.jobs[len(self.runs)]


def search(store: TrialStore, trials: int, workers: Workers, out: Path, progress: Progress) -> None:
    """Go on until `trials` trials have ended.

    Args:
        store: Of the search.
        trials: Number in all, those of earlier calls included.
        workers: Who computes the runs.
        out: Folder of the search.
        progress: Where to report to.

    Raises:
        InputError: There are no such workers.
        RunError: The workers cannot be reached any more; what is done stays done.
    """
    left = store.left()
    known = store.trials
    if not left and len(known) >= trials:
        return
    with (
        progress.start("trials", max(trials, len(known))) as bar,
        workers.open(out, work=run_trial) as pool,
    ):
        bar.advance(len(known) - len(left))
        driver = Driver(store, trials, pool, out, bar)
        for trial in left:
            driver.begin(trial)
        driver.fill()
        for job, outcome in pool.finished():
            driver.note(job, outcome)
            driver.fill()


def run_trial(job: Job, out: Path, retry_failed: bool) -> Outcome:
    """Do one run of a trial, on held-out data and nothing else; keep its result alone.

    Raises:
        SettingsError: The job is judged on something else.
    """
    check_job(job.tables)
    outcome = run_job(job, out, retry_failed)
    if outcome.result is not None:
        shutil.rmtree(folder_of(job, out) / "checkpoints", ignore_errors=True)
    return outcome


class Driver:
    """Keeps trials on their way."""

    def __init__(self, store: TrialStore, trials: int, pool: Pool, out: Path, bar: Bar) -> None:
        """See `search`."""
        self._store, self._trials, self._pool = store, trials, pool
        self._out, self._bar = out, bar
        self._waiting: dict[str, list[Ticket]] = {}
        """Address of a run to the trials that wait for it: two may have drawn the same values."""

    @property
    def _plan(self) -> Plan:
        return self._store.plan

    def fill(self) -> None:
        """Ask for trials until every worker has one, or there are enough."""
        room = max(self._pool.slots, 1)
        while len(self._waiting) < room and len(self._store.trials) < self._trials:
            self.begin(self._store.ask())

    def begin(self, trial: optuna.Trial) -> None:
        """Have the first run of a trial done; values that do not go together end it."""
        try:
            ticket = Ticket(trial, self._plan.jobs(trial.params))
        except SettingsError as error:
            self._store.lose(trial, str(error))
            self._bar.advance()
        else:
            self._submit(ticket)

    def note(self, job: Job, outcome: Outcome) -> None:
        """Take the outcome of a run, and go on with the trials that waited for it."""
        for ticket in self._waiting.pop(job.address):
            if outcome.result is None:
                self._lose(ticket, job, outcome)
            else:
                ticket.runs.append(outcome.values)
                self._go_on(ticket)

    def _submit(self, ticket: Ticket) -> None:
        tickets = self._waiting.setdefault(ticket.next.address, [])
        tickets.append(ticket)
        if len(tickets) == 1:
            self._pool.submit(ticket.next)

    def _go_on(self, ticket: Ticket) -> None:
        hopeless = self._store.hopeless(ticket.trial, ticket.runs)
        if len(ticket.runs) < len(ticket.jobs) and not hopeless:
            self._submit(ticket)
            return
        self._store.tell(ticket.trial, ticket.runs, early=hopeless)
        self._bar.advance()

    def _lose(self, ticket: Ticket, job: Job, outcome: Outcome) -> None:
        """End a trial with a failed run."""
        diverged = _kind(job, self._out) == DIVERGED
        self._store.lose(ticket.trial, outcome.error, diverged=diverged)
        self._bar.advance()


def _kind(job: Job, out: Path) -> str:
    """The kind of error that a failed run left."""
    try:
        text = (folder_of(job, out) / "error.json").read_text(encoding="utf-8")
        return str(json.loads(text)["kind"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
