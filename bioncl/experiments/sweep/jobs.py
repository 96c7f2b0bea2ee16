"""What a job is: checked settings with a seed, and the address of their result.

The address is a hash of everything that can change the numbers: the settings as they resolve,
defaults included and the seed among them, and the code. So equal addresses mean equal results, and
a result is found again wherever it was asked for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import bioncl
from bioncl.experiments.folder import VOLATILE
from bioncl.experiments.settings import RunConfig, load

DIGITS = 20
"""Of an address, hexadecimal: 80 bits."""

ARRANGING = ("adapters", "cli", "report")
"""Packages that show results or call runs, and so cannot change them."""


@dataclass(frozen=True)
class Job:
    """One run to be done.

    Attributes:
        name: Of the settings, for people; it does not count.
        tables: The settings as they resolve, the seed among them.
        code: What `code_version` said where the job was planned.
    """

    name: str
    tables: Mapping[str, Any]
    code: str

    @classmethod
    def of(cls, config: RunConfig) -> Job:
        """The job that runs `config`; nights keep to one thread, since jobs run side by side."""
        tables = dict(config.resolved)
        if "sleep" in tables:
            tables["sleep"] = {**tables["sleep"], "threads": 1}
        return cls(config.name, tables, code_version())

    @property
    def seed(self) -> int:
        """The seed."""
        return int(self.tables["seed"])

    @cached_property
    def address(self) -> str:
        """Hash of settings, seed and code: the name of the folder of the run."""
        text = json.dumps([self.code, canonical(self.tables)], sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]

    def config(self) -> RunConfig:
        """The checked settings.

        Raises:
            SettingsError: This code does not take them.
        """
        return load({**self.tables, "settings": self.name})


def plan(
    settings: str | Path | Mapping[str, Any],
    seeds: Iterable[int],
    overrides: Iterable[tuple[str, Any]] = (),
) -> list[Job]:
    """The jobs of `settings` with each of `seeds`.

    Args:
        settings: As `bioncl.run` takes them.
        seeds: Replace that of the settings.
        overrides: Pairs of a dotted key and a value, as `--set` takes them.

    Raises:
        SettingsError: With every fault and its path.
    """
    given = list(overrides)
    return [Job.of(load(settings, [*given, ("seed", seed)])) for seed in seeds]


def canonical(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys and values of what can change a result; lists of tables by their places."""
    return {key: value for key, value in flattened(tables) if key not in VOLATILE}


def flattened(tables: Mapping[Any, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values; an empty table or list is a value."""
    for key, value in tables.items():
        where = f"{path}{key}"
        listed = isinstance(value, list) and all(isinstance(item, Mapping) for item in value)
        table = dict(enumerate(value)) if listed else value
        if isinstance(table, Mapping) and table:
            yield from flattened(table, f"{where}.")
        else:
            yield where, value


@cache
def code_version() -> str:
    """Version and hash of the sources that can change a result.

    Those are all but the packages that only show results or arrange runs: `ARRANGING`, and the
    packages inside `experiments`, whose own modules are what runs.
    """
    root = Path(bioncl.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        place = path.relative_to(root)
        arranging = place.parts[0] in ARRANGING or (
            place.parts[0] == "experiments" and len(place.parts) > 2
        )
        if not arranging:
            digest.update(f"{place.as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return f"{bioncl.__version__}-{digest.hexdigest()[:12]}"
