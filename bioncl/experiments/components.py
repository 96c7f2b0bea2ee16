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

LONGEST = 80
"""Characters of a wrong value that a message shows."""

EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a table",
    "mapping_type": "a table",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "too_short": "at least {min_length} in the list",
    "too_long": "at most {max_length} in the list",
}
"""What pydantic's kinds of error ask for, in our words."""


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
        known = registry.names()
        name = table if table in known else known[0]
        faults.add(path, f'expected a table such as {{ name = "{name}" }}, got {shown(table)}')
        return None
    rest = dict(table)
    name = rest.pop("name", None)
    if not isinstance(name, str):
        fault = "missing" if name is None else f"expected a name, got {shown(name)}"
        faults.add(f"{path}.name", f"{fault}. {did_you_mean('', registry.names())}")
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
        faults.add(path, f"expected a table, got {shown(table)}")
        return None
    before = len(faults.found)
    values: dict[str, Any] = dict(given or {})
    plain = dict(table)
    for part in dataclasses.fields(cls):
        registry = part.metadata.get("registry")
        if registry is not None and part.name in plain:
            nested = plain.pop(part.name)
            values[part.name] = build_named(registry, nested, below(path, part.name), faults)
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
    config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=())
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
    places: dict[str, list[ErrorDetails]] = {}
    for error in errors:
        first, *deeper = error["loc"]
        steps = "".join(f"[{step}]" for step in deeper if isinstance(step, int))
        places.setdefault(below(path, f"{first}{steps}"), []).append(error)
    for where, here in places.items():
        # A list whose items are wrong also fails as the other kinds of value that may stand there.
        if not any(other.startswith(f"{where}[") for other in places):
            faults.add(where, wording(here, known))


def wording(errors: list[ErrorDetails], known: list[str]) -> str:
    """The errors of one place in our words; they differ only in what would have been right."""
    first = errors[0]
    if first["type"] == "extra_forbidden":
        hint = did_you_mean(str(first["loc"][-1]), known) if known else "It has no settings."
        return f"unknown key. {hint}"
    if first["type"] == "missing":
        return "missing"
    rights = dict.fromkeys(expectation(error) for error in errors)
    return f"expected {' or '.join(rights)}, got {shown(first['input'])}"


def expectation(error: ErrorDetails) -> str:
    """What would have been right, such as "a whole number" or "at least 0"."""
    kind = EXPECTED.get(error["type"])
    if kind is None:
        return error["msg"].replace("Input should be ", "").replace("'", '"')
    return kind.format(**error.get("ctx", {}))


def shown(value: Any) -> str:
    """`value` as a settings file would have it, cut short."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def below(path: str, name: str) -> str:
    """The path of `name` in the table at `path`; the top level has none."""
    return f"{path}.{name}" if path else name


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
