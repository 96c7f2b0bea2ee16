"""From a table of settings to an object, strictly.

Every part of a run (stream, model, training, method, night, rule, …) is a dataclass whose fields
are its settings, with their ranges in the annotations. A table is checked against the fields:
unknown keys, wrong types and values out of range are all reported at once, each with its path. A
field with `metadata={"registry": R}` holds a nested table whose `name` chooses a class from R.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import ErrorDetails

from bioncl.errors import InputError, SettingsError, did_you_mean
from bioncl.registry import Registry

Table = Mapping[str, Any]


@dataclass
class Faults:
    """Collects what is wrong with a settings file, so that all of it is told at once."""

    found: list[str] = field(default_factory=list)

    def add(self, path: str, text: str) -> None:
        """Note a fault at `path`."""
        self.found.append(f"{path}: {text}")

    def stop(self, source: str) -> None:
        """Raise a SettingsError with everything found, if anything was."""
        if self.found:
            lines = "\n  ".join(self.found)
            raise SettingsError(f"Settings {source} cannot be used:\n  {lines}")


def build_named(registry: Registry, table: Any, path: str, faults: Faults) -> Any:
    """Make the object that `table` describes; its `name` chooses the class from `registry`."""
    if not isinstance(table, Mapping):
        faults.add(path, f"expected a table with a name, got {table!r}")
        return None
    rest = dict(table)
    name = rest.pop("name", None)
    if not isinstance(name, str):
        faults.add(f"{path}.name", f"missing. {did_you_mean('', registry.names())}")
        return None
    try:
        cls = registry.load(name)
    except InputError as error:
        faults.add(f"{path}.name", str(error))
        return None
    return build(cls, rest, path, faults)


def build(cls: Any, table: Any, path: str, faults: Faults, given: Table | None = None) -> Any:
    """Make a `cls` from `table`; `given` holds ready-made fields. None if there are faults."""
    if not isinstance(table, Mapping):
        faults.add(path, f"expected a table, got {table!r}")
        return None
    before = len(faults.found)
    values: dict[str, Any] = dict(given or {})
    plain = dict(table)
    for part in dataclasses.fields(cls):
        registry = part.metadata.get("registry")
        if registry is not None and part.name in plain:
            nested = plain.pop(part.name)
            values[part.name] = build_named(registry, nested, f"{path}.{part.name}", faults)
    try:
        checked = checker(cls).model_validate_json(json.dumps(plain, default=str))
        values |= {name: getattr(checked, name) for name in checked.model_fields_set}
    except ValidationError as error:
        report(error.errors(include_url=False), cls, path, faults)
    return cls(**values) if len(faults.found) == before else None


@cache
def checker(cls: Any) -> type[BaseModel]:
    """A pydantic model of the plain fields of the dataclass `cls`."""
    hints = get_type_hints(cls, include_extras=True)
    definitions: dict[str, Any] = {}
    for part in plain_fields(cls):
        if part.default_factory is not dataclasses.MISSING:
            default: Any = Field(default_factory=part.default_factory)
        else:
            default = ... if part.default is dataclasses.MISSING else part.default
        definitions[part.name] = (hints[part.name], default)
    config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())
    return create_model(cls.__name__, __config__=config, **definitions)


def plain_fields(cls: Any) -> list[dataclasses.Field[Any]]:
    """Fields of `cls` that a settings table gives directly."""
    return [
        part
        for part in dataclasses.fields(cls)
        if part.init and not part.metadata.get("registry") and not part.metadata.get("table")
    ]


def report(errors: list[ErrorDetails], cls: Any, path: str, faults: Faults) -> None:
    """Reword pydantic's errors: one line for each place, with what was found there."""
    known = [p.name for p in dataclasses.fields(cls) if p.init and not p.metadata.get("table")]
    places: dict[str, list[str]] = {}
    for error in errors:
        first, *deeper = error["loc"]
        steps = [f"[{step}]" for step in deeper if isinstance(step, int)]
        where = f"{path}.{first}{''.join(steps)}"
        places.setdefault(where, []).append(wording(error, str(first), known))
    for where, texts in places.items():
        faults.add(where, " or ".join(dict.fromkeys(texts)))


def wording(error: ErrorDetails, name: str, known: list[str]) -> str:
    """One error in our words."""
    if error["type"] == "extra_forbidden":
        return f"unknown key. {did_you_mean(name, known)}"
    if error["type"] == "missing":
        return "missing"
    text = error["msg"].replace("Input should be", "expected").replace("valid ", "")
    return f"{text}, got {error['input']!r}"


def table_of(thing: Any, registry: Registry | None = None) -> dict[str, Any]:
    """The settings table that `build` would turn into `thing`, defaults included."""
    table: dict[str, Any] = {}
    if registry is not None:
        table["name"] = next(n for n in registry.names() if registry.load(n) is type(thing))
    for part in dataclasses.fields(thing):
        if not part.init or part.metadata.get("table"):
            continue
        value = getattr(thing, part.name)
        nested = part.metadata.get("registry")
        table[part.name] = table_of(value, nested) if nested else jsonable(value)
    return table


def jsonable(value: Any) -> Any:
    """`value` with tuples as lists and paths as text."""
    if isinstance(value, (tuple, list)):
        return [jsonable(v) for v in value]
    if isinstance(value, Mapping):
        return {k: jsonable(v) for k, v in value.items()}
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)
