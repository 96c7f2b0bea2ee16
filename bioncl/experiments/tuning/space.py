"""What a search may change: dotted keys of settings, each with a range or a list of choices.

    [tune]
    "sleep.steps" = { low = 100, high = 1000, int = true, log = true }
    "sleep.rule.inc" = { low = 1e-5, high = 1e-3, log = true }
    "sleep.when" = { choices = ["each-task", "last"] }
    "sleep.thresholds.0" = { low = 0.1, high = 2.0 }

Nested tables are the same as dotted keys. A choice may be a list or a whole table, such as a drive
with its settings. A file may hold the keys at its top level, or in a table [tune].
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from bioncl.errors import SettingsError, describe, did_you_mean

FOLDER = Path(__file__).with_name("spaces")
MAY_VARY = ("sleep", "train", "model", "methods")
"""Tables that a search may change: not the data, the stream or the seed, which are the question."""

RANGE_KEYS = {"low", "high", "log", "int"}
Value: TypeAlias = bool | int | float | str
"""What a study stores of one dimension."""


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included.

    Attributes:
        low: Least value.
        high: Greatest value.
        log: Whether equal factors, and not equal steps, are equally likely.
        int: Whether only whole numbers count.
    """

    low: float
    high: float
    log: bool = False
    int: bool = False

    def setting(self, value: Value) -> Any:
        """The settings value that a stored value stands for."""
        return value

    def stored(self, setting: Any) -> Value | None:
        """What is stored for a settings value; None if it is outside."""
        number = isinstance(setting, float | int) and not isinstance(setting, bool)
        if not number or not self.low <= setting <= self.high:
            return None
        return round(setting) if self.int else float(setting)

    def samples(self) -> list[Any]:
        """Values that show whether settings bear this dimension."""
        return [self.low, self.high]

    def table(self) -> dict[str, Any]:
        """As in a space file."""
        return {"low": self.low, "high": self.high, "log": self.log, "int": self.int}


@dataclass(frozen=True)
class Choices:
    """One of some values; lists and tables are stored as JSON."""

    choices: tuple[Any, ...]

    def setting(self, value: Value) -> Any:
        """The settings value that a stored value stands for."""
        for choice in self.choices:
            if stored(choice) == value and type(stored(choice)) is type(value):
                return choice
        raise SettingsError(describe(f"{value!r} is none of the choices"))

    def stored(self, setting: Any) -> Value | None:
        """What is stored for a settings value; None if it is no choice."""
        return next((stored(choice) for choice in self.choices if choice == setting), None)

    def samples(self) -> list[Any]:
        """Values that show whether settings bear this dimension."""
        return list(self.choices)

    def table(self) -> dict[str, Any]:
        """As in a space file."""
        return {"choices": list(self.choices)}


Dimension: TypeAlias = Range | Choices
Space: TypeAlias = Mapping[str, Dimension]
"""Dotted key to dimension, in the order of the file."""


def stored(choice: Any) -> Value:
    """A choice as a study stores it."""
    return choice if isinstance(choice, Value) else json.dumps(choice, sort_keys=True, default=str)


def settings_of(space: Space, params: Mapping[str, Value]) -> dict[str, Any]:
    """The settings that stored values stand for."""
    return {key: space[key].setting(value) for key, value in params.items()}


def space_of(tables: Mapping[str, Any], source: str) -> Space:
    """Read a space from the content of a table [tune].

    Raises:
        SettingsError: It is empty, a key may not vary, or a dimension is none; with every fault.
    """
    space: dict[str, Dimension] = {}
    faults = []
    for key, table in _leaves(tables, ""):
        try:
            space[key] = _dimension(key, table)
        except SettingsError as error:
            faults.append(str(error))
    if not space and not faults:
        faults.append('No key. Write such as "sleep.steps" = { low = 100, high = 900, int = true }')
    if faults:
        lines = "\n  ".join(faults)
        raise SettingsError(f"The search space of {source} cannot be used:\n  {lines}")
    return space


def read_space(name: str | Path) -> Space:
    """Read a space from a TOML file, or one that ships (see `names`).

    Raises:
        SettingsError: There is neither, or it cannot be used.
    """
    path = Path(name)
    if not path.is_file() and (FOLDER / f"{name}.toml").is_file():
        path = FOLDER / f"{name}.toml"
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        hint = f"Name a TOML file or a space that ships. {did_you_mean(str(name), names())}"
        raise SettingsError(describe(f"No search space '{name}'", hint=hint)) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(describe(f"Search space {path} cannot be read ({error})")) from error
    return space_of(tables.get("tune", tables), str(name))


def names() -> list[str]:
    """Names of all spaces that ship."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def _leaves(tables: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    """Dotted keys and what stands there, down to tables that describe a dimension."""
    for name, value in tables.items():
        key = f"{above}{name}"
        inner = isinstance(value, Mapping) and not {"low", "high", "choices"} & set(value)
        if inner and value:
            yield from _leaves(value, f"{key}.")
        else:
            yield key, value


def _dimension(key: str, table: Any) -> Dimension:
    if key.partition(".")[0] not in MAY_VARY or "." not in key:
        expected = f"a key in {', '.join(MAY_VARY)}"
        hint = "Data, stream and seed are the question, not the answer."
        raise SettingsError(describe(f"{key} cannot be searched", expected=expected, hint=hint))
    if not isinstance(table, Mapping):
        expected = "{ low = …, high = … } or { choices = [ … ] }"
        raise SettingsError(describe(key, expected=expected, got=json.dumps(table, default=str)))
    known = {"choices"} if "choices" in table else RANGE_KEYS
    for unknown in sorted(set(table) - known):
        raise SettingsError(f"{key}.{unknown}: unknown key. {did_you_mean(unknown, known)}")
    return _choices(key, table["choices"]) if "choices" in table else _range(key, table)


def _choices(key: str, choices: Any) -> Choices:
    kept = [stored(choice) for choice in choices] if isinstance(choices, list) else []
    if len({(type(one), one) for one in kept}) < max(len(kept), 2):
        expected = "a list of two or more different values"
        raise SettingsError(describe(f"{key}.choices", expected=expected, got=choices))
    return Choices(tuple(choices))


def _range(key: str, table: Mapping[str, Any]) -> Range:
    whole, log = table.get("int", False), table.get("log", False)
    if not isinstance(whole, bool) or not isinstance(log, bool):
        raise SettingsError(describe(f"{key}: log and int", expected="true or false"))
    low, high = (_number(f"{key}.{end}", table.get(end), whole) for end in ("low", "high"))
    if not low < high:
        raise SettingsError(describe(key, expected="low < high", got=f"{low:g} and {high:g}"))
    if log and low <= 0:
        raise SettingsError(describe(f"{key}.low of a log range", expected="more than 0", got=low))
    return Range(low, high, log, whole)


def _number(where: str, value: Any, whole: bool) -> float:
    """An end of a range; a whole number stays one where only those count."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or (whole and not isinstance(value, int)):
        expected = "a whole number" if whole else "a finite number"
        raise SettingsError(describe(where, expected=expected, got=json.dumps(value, default=str)))
    return int(value) if whole else float(value)
