"""What is compared: settings by name or path, each with the same seeds.

All of them are checked before anything runs.
"""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bioncl.errors import SettingsError, describe
from bioncl.experiments.sweep.jobs import Job, plan

QUIET: tuple[tuple[str, Any], ...] = (("trace.record", False), ("checkpoints", "last"))
"""What runs of a comparison do not keep, unless told to: it changes no number."""


@dataclass(frozen=True)
class Contender:
    """One thing that is compared.

    Attributes:
        label: What people call it; unlike all others of the comparison.
        words: What `bioncl run` needs besides a seed to repeat its runs.
        jobs: One for each seed.
    """

    label: str
    words: tuple[str, ...]
    jobs: tuple[Job, ...]

    def command(self, seed: int | None = None) -> str:
        """The command that repeats its run with `seed`; without one it has SEED in its place."""
        chosen = "SEED" if seed is None else str(seed)
        return shlex.join(["bioncl", "run", *self.words, "--seed", chosen])


def contender(
    settings: str,
    seeds: Sequence[int],
    overrides: Iterable[tuple[str, Any]] = (),
    words: Sequence[str] = (),
    note: str = "",
) -> Contender:
    """Check and plan one contender.

    Args:
        settings: Path of a TOML file, or name of a shipped one.
        seeds: It runs with each of them; at least one.
        overrides: Pairs of a dotted key and a value.
        words: The same as words of a command line.
        note: What tells it from other contenders with the same settings.

    Raises:
        SettingsError: With every fault and its path.
    """
    jobs = plan(settings, seeds, [*QUIET, *overrides])
    label = f"{jobs[0].name} {note}".strip()
    return Contender(label, (settings, *words), tuple(jobs))


def together(found: Sequence[Contender]) -> list[Contender]:
    """The contenders of one comparison, with labels that tell them apart.

    Raises:
        SettingsError: There is none, or the runs of two would be the same.
    """
    if not found:
        raise SettingsError(describe("Nothing to compare", hint="Name some settings."))
    seen: dict[str, str] = {}
    for one in found:
        address = one.jobs[0].address
        if address in seen:
            what = f"'{seen[address]}' and '{one.label}' are the same settings"
            raise SettingsError(describe(what, hint="Leave one of them out."))
        seen[address] = one.label
    return list(_unlike(found))


def _unlike(found: Sequence[Contender]) -> Iterator[Contender]:
    """The same with unlike labels, which name their jobs too.

    The folder goes in front where needed, and else a number.
    """
    labels = [one.label for one in found]
    taken: set[str] = set()
    for one in found:
        folder = Path(one.words[0]).parent.name
        first = one.label if labels.count(one.label) == 1 else f"{folder}/{one.label}".lstrip("/")
        numbered = (f"{first} ({number})" for number in itertools.count(2))
        label = next(c for c in itertools.chain([first], numbered) if c not in taken)
        taken.add(label)
        yield replace(one, label=label, jobs=tuple(replace(job, name=label) for job in one.jobs))
