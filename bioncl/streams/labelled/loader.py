"""What a loader is, and how a settings value becomes one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast

from bioncl.errors import SettingsError, describe, did_you_mean
from bioncl.streams.files import DataPlaces
from bioncl.streams.labelled import LABELLED
from bioncl.streams.stream import LabelledSet

DataChoice: TypeAlias = str | Mapping[str, Any]
"""A name such as "mnist", or a table such as {"name": "features", "path": "mine.npz"}."""


class Loader(Protocol):
    """Reads one data set; a frozen dataclass whose fields are its settings."""

    def __hash__(self) -> int:
        """Of the settings, so that a set is loaded once."""

    def paths(self, places: DataPlaces) -> tuple[Path, ...]:
        """The files that `load` reads, fetched and verified; empty for embedded sets."""

    def load(self, places: DataPlaces) -> LabelledSet:
        """Read the set; with an empty test part, and no look at it, where `places.sealed`."""


def make_loader(choice: DataChoice) -> Loader:
    """Make the loader that `choice` describes.

    Raises:
        InputError: The name is unknown.
        SettingsError: A setting is unknown, missing or of the wrong type.
    """
    table = {"name": choice} if isinstance(choice, str) else dict(choice)
    name = table.pop("name", None)
    if not isinstance(name, str):
        what = "A data set"
        raise SettingsError(describe(what, expected="a name or a table with a name", got=choice))
    kind = LABELLED.load(name)
    known = [field.name for field in dataclasses.fields(kind) if field.init]
    for key in table:
        if key not in known:
            hint = did_you_mean(key, known)
            raise SettingsError(describe(f"Unknown setting '{key}' of data set {name}", hint=hint))
    return _checked(name, kind, table)


def _checked(name: str, kind: type, table: dict[str, Any]) -> Loader:
    """Make `kind` from `table`, with its fields' types and limits checked."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return cast(Loader, TypeAdapter(kind).validate_python(table))
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        what = f"Setting '{where}' of data set {name}"
        got = None if fault["type"] == "missing" else repr(fault["input"])
        raise SettingsError(describe(what, expected=fault["msg"].lower(), got=got)) from error
