"""Nothing is chosen on test data, by mistake or otherwise.

Four locks, each enough for what it guards against:

1. `held_out` makes settings judge on held-out training data, and refuses those that name the test;
2. such settings seal the data's places, so that the test part of a set is not read from its file;
3. `check_stream` refuses streams that are judged on anything else than what was held out;
4. `check_job` is called where a trial is computed, so no other way leads to a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from bioncl.errors import SettingsError, UnsupportedError, describe
from bioncl.experiments.settings import RunConfig, check, gathered
from bioncl.progress import Progress
from bioncl.streams.files import DataPlaces
from bioncl.streams.labelled.loader import DataChoice
from bioncl.streams.labelled.validation import Validation
from bioncl.streams.source import DataSource
from bioncl.streams.stream import LabelledSet, Stream

QUIET = {"checkpoints": "last"}
"""A trial keeps nothing that it could not make again."""


@dataclass(frozen=True)
class HeldOut:
    """Settings to search around.

    Attributes:
        config: They, judged on held-out training data.
        asked: They as they were: those of the run after the search.
        tune: Their table [tune]; empty if they have none.
    """

    config: RunConfig
    asked: RunConfig
    tune: Mapping[str, Any]


def held_out(
    settings: str | Path | Mapping[str, Any],
    overrides: Iterable[tuple[str, Any]],
    share: float,
) -> HeldOut:
    """Read settings and make them judge on training data that is held out.

    Args:
        settings: As `bioncl.run` takes them.
        overrides: Pairs of a dotted key and a value, as `--set` takes them.
        share: Of the training data, held out unless the settings hold some out themselves.

    Raises:
        SettingsError: They cannot be used, or ask for the test data by name.
    """
    name, tables = gathered(settings, overrides)
    asked = check(tables, name)
    data = tables.get("data", {})
    if data.get("evaluate_on") == "test":
        hint = "Leave it out: the search holds out training data, and best.toml runs on the test."
        what = 'data.evaluate_on = "test" in a search'
        raise SettingsError(describe(what, expected='"validation" or nothing', hint=hint))
    validation = asked.data.validation or share
    judged = {**data, "validation": validation, "evaluate_on": "validation"}
    trace = {**tables.get("trace", {}), "record": False}
    tables = {**tables, **QUIET, "data": judged, "trace": trace}
    config = check(tables, name)
    check_job(config.resolved)
    return HeldOut(config, asked, tables.get("tune", {}))


def check_job(tables: Mapping[str, Any]) -> None:
    """Refuse resolved settings that are judged on anything else than held-out training data.

    Raises:
        SettingsError: They are.
    """
    data = tables["data"]
    if data["evaluate_on"] != "validation" or not data["validation"] > 0:
        expected = "held-out training data: data.validation > 0, evaluate_on validation"
        got = f"validation {data['validation']}, evaluate_on {data['evaluate_on']}"
        raise SettingsError(describe("What a trial is judged on", expected=expected, got=got))


def check_stream(config: RunConfig, progress: Progress) -> Stream:
    """Build the stream of settings once, look where its test data comes from, and return it.

    Raises:
        UnsupportedError: It holds nothing out, as the toy whose test data is training data.
    """
    check_job(config.resolved)
    data = config.data
    folder = Path(data.dir) if data.dir else None
    source = Watched(
        DataPlaces(folder, data.download, progress, sealed=True),
        Validation(data.validation, data.validation_seed, data.evaluate_on),
    )
    stream = config.stream.build(source, config.general.seed)
    tests = [stream.test(index) for index in range(len(stream))]
    most = max((len(held) for held in source.held), default=0)
    if not most or not all(0 < len(test) <= most for test in tests):
        what = f"Stream {stream.name} is not judged on the training data that was held out"
        hint = "Search on another stream: nothing may be chosen on test data."
        expected, got = f"1 to {most} examples a task", [len(test) for test in tests]
        raise UnsupportedError(describe(what, expected=expected, got=got, hint=hint))
    return stream


@dataclass(frozen=True)
class Watched(DataSource):
    """A source that remembers what it held out."""

    held: list[Tensor] = field(default_factory=list, compare=False)

    def labelled(self, choice: DataChoice) -> LabelledSet:
        """As its base; the held-out part is noted."""
        found = super().labelled(choice)
        self.held.append(found.test.y)
        return found
