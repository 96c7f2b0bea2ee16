"""The driver of the search of one night: trials in batches, whose nights run side by side.

    ask for a batch ─► for each seed: all its nights ─► note what they are worth ─► tell all

What is noted of a trial is stored with it, and no trial of a batch is told before all of it is
noted. So a driver that was killed goes on with the same trials: those that were asked for first,
then the rest of their batch; what a sampler or pruner sees is what it would have seen.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import optuna

from bioncl.errors import BionclError, DivergedError, SettingsError, describe
from bioncl.experiments.single import check_night
from bioncl.experiments.tuning.evening import Evening
from bioncl.experiments.tuning.plan import Plan
from bioncl.experiments.tuning.study import TrialStore
from bioncl.progress import Progress
from bioncl.streams.stream import Stream

NOTED = "night"


@dataclass
class Note:
    """What is known of a trial before it is told.

    Attributes:
        runs: What its night was worth with each seed so far.
        hopeless: Whether it ends early.
        error: Why it failed, or empty.
        diverged: Whether that is why.
    """

    runs: list[dict[str, Any]] = field(default_factory=list)
    hopeless: bool = False
    error: str = ""
    diverged: bool = False

    @property
    def over(self) -> bool:
        """Whether it has no more nights."""
        return self.hopeless or bool(self.error)


@dataclass(frozen=True)
class Ticket:
    """A trial on its way, and what is known of it."""

    trial: optuna.Trial
    note: Note

    @classmethod
    def of(cls, trial: optuna.Trial) -> Ticket:
        """With what an earlier driver has noted."""
        return cls(trial, Note(**trial.user_attrs.get(NOTED, {})))

    def keep(self) -> None:
        """Store what is known."""
        self.trial.set_user_attr(NOTED, asdict(self.note))


def check_task(plan: Plan, number: int, stream: Stream) -> None:
    """Refuse to search the night after task `number` (from 1) where there is none.

    Raises:
        SettingsError: There is no such task, or no night after it.
    """
    tasks = len(stream)
    if not 1 <= number <= tasks:
        what = f"The task before the night, in {stream.name}"
        raise SettingsError(describe(what, expected=f"1 to {tasks}", got=number))
    check_night(plan.held.config, number, tasks)


def search_nights(
    store: TrialStore, number: int, trials: int, together: int, out: Path, progress: Progress
) -> None:
    """Go on until `trials` trials of the night after task `number` have ended.

    Args:
        store: Of the search.
        number: The task, from 1.
        trials: Number in all, those of earlier calls included.
        together: Trials of a batch.
        out: Folder of the search.
        progress: Where to report to.

    Raises:
        DivergedError: The tasks before the night cannot be learnt.
    """
    left = store.left()
    known = store.trials
    if not left and len(known) >= trials:
        return
    seeds = [Evening(store.plan, number, seed, out, progress) for seed in store.plan.seeds]
    with progress.start("trials", max(trials, len(known))) as bar:
        bar.advance(len(known) - len(left))
        while left or len(store.trials) < trials:
            batch = [*left, *rest_of_batch(store, trials, together, bool(left))]
            tickets = [Ticket.of(trial) for trial in batch]
            for done, evening in enumerate(seeds, start=1):
                sleep(store, evening, tickets, done)
            for ticket in tickets:
                tell(store, ticket)
            bar.advance(len(batch))
            left = []


def rest_of_batch(store: TrialStore, trials: int, together: int, begun: bool) -> list[optuna.Trial]:
    """Ask for the trials of a batch that were not asked for yet.

    Args:
        store: Of the search.
        trials: Number in all.
        together: Trials of a batch, which ends where this divides the number of trials.
        begun: Whether the trials asked for last are still to be told.
    """
    known = len(store.trials)
    end = min(trials, ((known - begun) // together + 1) * together)
    return [store.ask() for _ in range(known, end)]


def sleep(store: TrialStore, evening: Evening, tickets: list[Ticket], done: int) -> None:
    """Bring the tickets that are not over to `done` seeds, the last being that of `evening`."""
    waiting = [one for one in tickets if not one.note.over and len(one.note.runs) == done - 1]
    if waiting:
        worth = evening.nights([one.trial.params for one in waiting])
        for ticket, found in zip(waiting, worth, strict=True):
            if isinstance(found, BionclError):
                ticket.note.error = str(found)
                ticket.note.diverged = isinstance(found, DivergedError)
            else:
                ticket.note.runs.append(found)
            ticket.keep()
    for ticket in tickets:
        if not ticket.note.over and len(ticket.note.runs) == done:
            ticket.note.hopeless = store.hopeless(ticket.trial, ticket.note.runs)
            if ticket.note.hopeless:
                ticket.keep()


def tell(store: TrialStore, ticket: Ticket) -> None:
    """End a trial of which everything is known."""
    note = ticket.note
    if note.error:
        store.lose(ticket.trial, note.error, diverged=note.diverged)
    else:
        store.tell(ticket.trial, note.runs, early=note.hopeless)
