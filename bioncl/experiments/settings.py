"""Settings of a run: from TOML, a mapping or the name of a shipped file to a checked `RunConfig`.

    SETTINGS ─► read ─► extends (deep merge) ─► --set ─► checked and built ─► RunConfig

A file may `extends` another one, shipped or beside it: tables are merged, lists and values replace.
Tables: [stream] [model] [train] [[methods]] [sleep] [data] [trace]; top level: seed, title, paper,
notes, device, checkpoints. See `components` for how a table becomes an object. The table [tune] is
for `bioncl tune` alone; runs pass over it.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Interval

from bioncl.errors import SettingsError, describe, did_you_mean
from bioncl.experiments import shipped
from bioncl.experiments.components import Faults, build, build_named, shown, table_of
from bioncl.learning.method import Method
from bioncl.learning.training import Training
from bioncl.methods import METHODS
from bioncl.models import MODELS
from bioncl.models.backbone import Architecture
from bioncl.nights.settings import NightSettings
from bioncl.spiking.engines import ENGINES
from bioncl.streams import STREAMS
from bioncl.streams.builder import StreamBuilder

STRAY = "is read before --set; write it into a settings file"
TABLES = ("stream", "model", "train", "methods", "sleep", "data", "trace", "tune")


@dataclass(frozen=True)
class DataSettings:
    """Where data comes from and what is held out.

    Attributes:
        dir: Folder to look into first.
        download: Whether missing files may be fetched.
        validation: Share of the training data held out for validation, with a fixed seed.
        validation_seed: That seed.
        evaluate_on: "test", or "validation": then the test data is not even loaded into the run.
    """

    dir: str | None = None
    download: bool = True
    validation: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    validation_seed: int = 0
    evaluate_on: Literal["test", "validation"] = "test"


@dataclass(frozen=True)
class TraceSettings:
    """What is kept of the nights.

    Attributes:
        record: Whether spikes and weights go to trace.h5.
        compressed: Pack them; SONATA readers such as libsonata want them unpacked.
        weights_before: Keep the weights before each night beside their change.
        examples: Training examples of each class whose activations before and after the night are
            kept, besides the class means; 0 keeps none of either.
    """

    record: bool = True
    compressed: bool = True
    weights_before: bool = True
    examples: Annotated[int, Ge(0)] = 20


@dataclass(frozen=True)
class General:
    """The top level of a settings file.

    Attributes:
        seed: Fixes everything random.
        device: "cpu" or "cuda".
        checkpoints: Keep the checkpoint of "all" tasks, or of the "last" one only.
        title: One line about the run.
        paper: The paper whose settings these are.
        notes: Where they differ from it.
    """

    seed: Annotated[int, Interval(ge=0, lt=2**63)] = 0
    device: Literal["cpu", "cuda"] = "cpu"
    checkpoints: Literal["all", "last"] = "all"
    title: str = ""
    paper: str = ""
    notes: str = ""


@dataclass(frozen=True)
class RunConfig:
    """Everything that fixes a run; equal configs give equal results on one machine.

    Attributes:
        name: Name of the settings.
        general: Top-level settings.
        stream: Builder of the stream.
        model: Architecture of the network.
        training: Awake training.
        methods: Templates of the methods; a run works on copies.
        method_names: Their registered names.
        data: Where data comes from.
        trace: What is kept of the nights.
        resolved: All of it as JSON-able tables, defaults included.
    """

    name: str
    general: General
    stream: StreamBuilder
    model: Architecture
    training: Training
    methods: tuple[Method, ...]
    method_names: tuple[str, ...]
    data: DataSettings
    trace: TraceSettings
    resolved: Mapping[str, Any] = field(repr=False)

    @property
    def sleeps(self) -> bool:
        """Whether a method sleeps."""
        return any(m.sleeps for m in self.methods)


def load(
    settings: str | Path | Mapping[str, Any], overrides: Iterable[tuple[str, Any]] = ()
) -> RunConfig:
    """Read, merge, override and check settings.

    Args:
        settings: Path of a TOML file, name of a shipped one, or tables.
        overrides: Pairs of a dotted key (`train.lr`, `methods.0.memory`) and a value. A new name
            (`sleep.drive.name`) drops the settings of what it replaces.

    Raises:
        SettingsError: With every fault and its path.
    """
    name, tables = gathered(settings, overrides)
    return check(tables, name)


def gathered(
    settings: str | Path | Mapping[str, Any], overrides: Iterable[tuple[str, Any]] = ()
) -> tuple[str, dict[str, Any]]:
    """Name and tables of settings: read, merged and overridden, not yet checked; see `load`."""
    if isinstance(settings, Mapping):
        name, tables = str(settings.get("settings", "custom")), extended(settings, Path())
    else:
        name, text, folder = shipped.read(settings)
        tables = extended(parse(text, name), folder)
    for key, value in sorted(overrides, key=_breadth):
        override(tables, key, value)
    return name, tables


def parse(text: str, source: str) -> dict[str, Any]:
    """Read TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(describe(f"Settings {source} are not valid TOML ({error})")) from error


def extended(tables: Mapping[str, Any], folder: Path, depth: int = 0) -> dict[str, Any]:
    """Merge `tables` over what they extend; relative paths start at `folder`."""
    own = dict(tables)
    own.pop("settings", None)
    base_name = own.pop("extends", None)
    if base_name is None:
        return merged({}, own)
    if depth > 10:
        raise SettingsError(describe(f"Settings extend each other in a circle at '{base_name}'"))
    beside = folder / str(base_name)
    try:
        name, text, base_folder = shipped.read(beside if beside.is_file() else str(base_name))
    except SettingsError as error:
        raise SettingsError(f"extends: {error}") from error
    return merged(extended(parse(text, name), base_folder, depth + 1), own)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`: tables merge unless they name another thing, the rest replaces."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        if isinstance(value, Mapping):
            same = isinstance(old, Mapping) and value.get("name") in (None, old.get("name"))
            result[key] = merged(old if same and old else {}, value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def _breadth(pair: tuple[str, Any]) -> tuple[int, bool]:
    """Whole tables are set before what stands in them, and names first: they clear their table."""
    return pair[0].count("."), not pair[0].endswith(".name")


def override(tables: dict[str, Any], key: str, value: Any) -> None:
    """Set the value at a dotted `key`; numbers in it are places in a list.

    Raises:
        SettingsError: There is no such place, or `key` leads into a value.
    """
    here: Any = tables
    steps = key.split(".")
    for depth, step in enumerate(steps):
        place: Any = step
        if isinstance(here, list):
            if not step.isdigit() or int(step) >= len(here):
                where = ".".join(steps[:depth])
                expected = f"a place from 0 to {len(here) - 1}"
                raise SettingsError(describe(f"--set {key}: {where}", expected=expected, got=step))
            place = int(step)
        elif not isinstance(here, dict):
            where = ".".join(steps[:depth])
            raise SettingsError(describe(f"--set {key}: {where} is a value, not a table"))
        if depth == len(steps) - 1:
            if step == "name" and here.get("name") not in (None, value):
                here.clear()
            here[place] = copy.deepcopy(value)
        else:
            here = here[place] if isinstance(here, list) else here.setdefault(place, {})


def check(tables: Mapping[str, Any], name: str) -> RunConfig:
    """Check merged tables and build what they describe.

    Raises:
        SettingsError: With every fault and its path.
    """
    faults = Faults()
    top = {key: value for key, value in tables.items() if key not in TABLES}
    for key in sorted(set(top) - set(General.__dataclass_fields__)):
        known = [*TABLES, "extends", *General.__dataclass_fields__]
        hint = did_you_mean(key, known)
        faults.add(key, STRAY if key == "extends" else f"unknown key. {hint}")
        del top[key]
    general = build(General, top, "", faults)
    stream = build_named(STREAMS, tables.get("stream", {}), "stream", faults)
    model = build_named(MODELS, tables.get("model", {"name": "mlp"}), "model", faults)
    training = build(Training, tables.get("train", {}), "train", faults)
    data = build(DataSettings, tables.get("data", {}), "data", faults)
    trace = build(TraceSettings, tables.get("trace", {}), "trace", faults)
    night = build(NightSettings, tables.get("sleep", {}), "sleep", faults)
    if night is not None and night.engine not in ENGINES.entries:
        hint = did_you_mean(night.engine, ENGINES.entries)
        faults.add("sleep.engine", f"unknown engine {shown(night.engine)}. {hint}")
    methods, names = build_methods(tables.get("methods", []), night, faults)
    faults.stop(f"'{name}'")
    parts = {"stream": table_of(stream, STREAMS), "model": table_of(model, MODELS)}
    resolved = table_of(general) | parts | {"train": table_of(training)}
    resolved["methods"] = [table_of(method, METHODS) for method in methods]
    if any(method.sleeps for method in methods):
        resolved["sleep"] = table_of(night)
    resolved |= {"data": table_of(data), "trace": table_of(trace)}
    return RunConfig(
        name=name,
        general=general,
        stream=stream,
        model=model,
        training=training,
        methods=tuple(methods),
        method_names=tuple(names),
        data=data,
        trace=trace,
        resolved=json.loads(json.dumps(resolved)),
    )


def build_methods(
    tables: Any, night: NightSettings, faults: Faults
) -> tuple[list[Method], list[str]]:
    """Make the methods; those with a field from the table [sleep] get `night`."""
    if not isinstance(tables, list) or not tables:
        hint = 'Add [[methods]] with name = "src", or another of `bioncl methods`.'
        faults.add("methods", f"expected at least one method. {hint}")
        return [], []
    methods, names = [], []
    for place, table in enumerate(tables):
        method = build_named(METHODS, table, f"methods[{place}]", faults)
        if method is not None:
            for part in dataclasses.fields(method):
                if part.metadata.get("table") == "sleep":
                    setattr(method, part.name, night)
            methods.append(method)
            names.append(table["name"])
    return methods, names
