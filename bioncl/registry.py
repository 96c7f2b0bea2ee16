"""Names to classes, imported only when asked for.

A registry is a table of name -> "module:Class" with one line about each entry. Listing the names
imports nothing, so `bioncl --help` and `bioncl methods` stay light. Other packages add entries
through an entry point group named `bioncl.<kind>s`, e.g. `bioncl.methods`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bioncl.errors import InputError, describe, did_you_mean


@dataclass(frozen=True)
class Entry:
    """One registered name: where its class is, and one line about it."""

    target: str
    summary: str


class Registry:
    """A lazily imported table of classes of one kind (method, stream, engine, …)."""

    def __init__(self, kind: str, entries: Mapping[str, tuple[str, str]]) -> None:
        """Make a registry of `kind` from name -> ("module:Class", one line)."""
        self.kind = kind
        self._own = {name: Entry(*entry) for name, entry in entries.items()}

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """Own entries first, then those of other packages; own names cannot be replaced."""
        found = dict(self._own)
        for point in importlib.metadata.entry_points(group=f"bioncl.{self.kind}s"):
            found.setdefault(point.name, Entry(point.value, f"from {point.value}"))
        return found

    def names(self) -> list[str]:
        """All registered names, in the order of registration."""
        return list(self.entries)

    def load(self, name: str) -> Any:
        """Import and return the class registered under `name`.

        Raises:
            InputError: The name is unknown.
        """
        if name not in self.entries:
            hint = did_you_mean(name, self.entries)
            raise InputError(describe(f"Unknown {self.kind} '{name}'", hint=hint))
        module, _, attribute = self.entries[name].target.partition(":")
        return getattr(importlib.import_module(module), attribute)
