"""Tables to dataclasses and back: the wording of unions, nested tables and defaults."""

import dataclasses
import re
from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, MinLen

from bioncl.errors import SettingsError
from bioncl.experiments.components import Faults, build, build_named, shown, table_of
from bioncl.registry import Registry


@dataclass(frozen=True)
class Part:
    """A nested part."""

    size: int = 1


@dataclass(frozen=True)
class OtherPart:
    """Another one."""

    width: float = 2.0


PARTS = Registry("part", {"a": (f"{__name__}:Part", ""), "b": (f"{__name__}:OtherPart", "")})


@dataclass
class Thing:
    """Fields of all kinds."""

    count: Annotated[int, Ge(1)]
    either: int | tuple[int, ...] = 0
    kind: Literal["x", "y"] = "x"
    pairs: Annotated[tuple[tuple[int, ...], ...], MinLen(1)] | None = None
    text: str = ""
    items: list[float] = field(default_factory=list)
    part: Part | OtherPart = field(default=Part(), metadata={"registry": PARTS})
    ready: str = field(default="", metadata={"table": "elsewhere"})
    state: int = field(default=0, init=False)


def made(table, **given):
    """What `table` gives, or the faults."""
    faults = Faults()
    thing = build(Thing, table, "thing", faults, given)
    return thing if thing is not None else faults.found


def test_defaults_fill_what_is_not_given():
    assert made({"count": 2}) == Thing(2)


def test_lists_become_tuples_where_the_field_says_so():
    assert made({"count": 2, "pairs": [[0, 1], [2]]}).pairs == ((0, 1), (2,))
    assert made({"count": 2, "either": [3, 4]}).either == (3, 4)


def test_ready_made_fields_are_taken_as_they_are():
    assert made({"count": 2}, ready="r").ready == "r"


@pytest.mark.parametrize("name", ["ready", "state", "cuont"])
def test_only_settings_are_known_keys(name):
    (fault,) = made({"count": 2, name: 1})
    assert fault.startswith(f"thing.{name}: unknown key.")
    known = fault.partition("Known: ")[2]
    assert set(re.findall(r"\w+", known)) == {
        "count", "either", "items", "kind", "pairs", "part", "text"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("count", 0, "thing.count: expected at least 1, got 0"),
        ("either", "q", 'thing.either: expected a whole number or a list, got "q"'),
        ("either", [1, "q"], 'thing.either[1]: expected a whole number, got "q"'),
        ("kind", "z", 'thing.kind: expected "x" or "y", got "z"'),
        ("pairs", [], "thing.pairs: expected at least 1 in the list, got []"),
        ("pairs", [[0], 1], "thing.pairs[1]: expected a list, got 1"),
        ("pairs", [[0, "a"]], 'thing.pairs[0][1]: expected a whole number, got "a"'),
        ("text", 4, "thing.text: expected text, got 4"),
        ("items", [1.0, None], "thing.items[1]: expected a number, got null"),
        ("part", 4, 'thing.part: expected a table such as { name = "a" }, got 4'),
        ("part", {}, "thing.part.name: missing. Known: a, b."),
        ("part", {"name": "b", "size": 1}, "thing.part.size: unknown key. Known: width."),
    ],
)
def test_a_fault_reads_as_a_sentence(key, value, fault):
    assert made({"count": 2} | {key: value}) == [fault]


def test_faults_of_several_places_come_together():
    assert made({"either": "q", "kind": 3, "part": {"name": "a", "size": "s"}}) == [
        'thing.part.size: expected a whole number, got "s"',
        "thing.count: missing",
        'thing.either: expected a whole number or a list, got "q"',
        'thing.kind: expected "x" or "y", got 3',
    ]


def test_the_message_names_the_source_and_lists_every_fault():
    faults = Faults()
    faults.stop("'nothing'")
    build(Thing, {"kind": 3}, "thing", faults)
    with pytest.raises(SettingsError) as refused:
        faults.stop("'mine'")
    assert str(refused.value).splitlines() == [
        "Settings 'mine' cannot be used:",
        "  thing.count: missing",
        '  thing.kind: expected "x" or "y", got 3',
    ]


def test_a_table_comes_back_as_it_was():
    thing = made({"count": 2, "pairs": [[0, 1]], "part": {"name": "b", "width": 0.5}})
    table = table_of(thing)
    assert table["part"] == {"name": "b", "width": 0.5}
    assert set(table) == {f.name for f in dataclasses.fields(Thing)} - {"ready", "state"}
    assert made(table) == thing


def test_a_named_table_of_a_registry_comes_back_with_its_name():
    faults = Faults()
    part = build_named(PARTS, {"name": "b", "width": 3}, "part", faults)
    assert table_of(part, PARTS) == {"name": "b", "width": 3.0}
    assert not faults.found


def test_long_values_are_cut():
    assert shown("short") == '"short"'
    assert len(shown("x" * 500)) == 81
