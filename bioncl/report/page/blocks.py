"""What a page is made of; `parts.html` knows how to show each kind of block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from markupsafe import Markup


class Block(Protocol):
    """Anything that a page shows."""

    @property
    def kind(self) -> str:
        """Name of the macro of `parts.html` that shows it."""


@dataclass(frozen=True)
class Missing:
    """Stands where a block or numbers would, if there are none.

    Attributes:
        missing: Why, in a sentence or two.
    """

    kind: ClassVar[str] = "missing"
    missing: str


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        caption: What it shows.
        head: Names of the columns.
        rows: Cells; the first of a row names it.
    """

    kind: ClassVar[str] = "table"
    caption: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Cell:
    """A cell of a table that can be sorted.

    Attributes:
        text: What stands there.
        value: What counts when rows are sorted; nothing known sorts last.
        mark: Class of a coloured square in front; none if empty.
    """

    text: str
    value: float | str = ""
    mark: str = ""


@dataclass(frozen=True)
class Sortable:
    """A table that a click on the head of a column sorts.

    Attributes:
        caption: What it shows.
        head: (name, what it is) of the columns.
        rows: Cells; the first of a row names it.
    """

    kind: ClassVar[str] = "sortable"
    caption: str
    head: tuple[tuple[str, str], ...]
    rows: Sequence[tuple[Cell, ...]]


@dataclass(frozen=True)
class Legend:
    """What the colours of panels mean.

    Attributes:
        entries: (class of the style sheet, text) of each.
    """

    kind: ClassVar[str] = "legend"
    entries: list[tuple[str, str]]


@dataclass(frozen=True)
class Commands:
    """Commands to copy, each under a name.

    Attributes:
        commands: (name, command) of each.
    """

    kind: ClassVar[str] = "commands"
    commands: list[tuple[str, str]]


@dataclass(frozen=True)
class Panels:
    """Panels side by side, as many as fit.

    Attributes:
        panels: From `charts`.
        wide: Whether each takes the whole width.
    """

    kind: ClassVar[str] = "panels"
    panels: Sequence[Markup]
    wide: bool = False


@dataclass(frozen=True)
class Pictures:
    """Small pictures in a row.

    Attributes:
        caption: What they show.
        pictures: (data URI, what it shows) of each.
    """

    kind: ClassVar[str] = "pictures"
    caption: str
    pictures: list[tuple[str, str]]


@dataclass(frozen=True)
class Note:
    """A paragraph.

    Attributes:
        text: Its words.
    """

    kind: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True)
class Facts:
    """Short statements, each under a name.

    Attributes:
        facts: (name, statement) of each.
    """

    kind: ClassVar[str] = "facts"
    facts: list[tuple[str, str]]


@dataclass(frozen=True)
class Folded:
    """Blocks that open on a click.

    Attributes:
        title: What stands there before.
        blocks: What is inside.
    """

    kind: ClassVar[str] = "folded"
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Beside:
    """Blocks side by side where there is room.

    Attributes:
        blocks: From left to right.
    """

    kind: ClassVar[str] = "beside"
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Choice:
    """Blocks that are shown while `name` is picked in the menu `menu`, or all are.

    Attributes:
        menu: The menu, such as "layer".
        name: The choice, such as "hidden1".
        blocks: What is shown.
        heading: Stands above it; nothing does if empty.
    """

    kind: ClassVar[str] = "choice"
    menu: str
    name: str
    blocks: Sequence[Block]
    heading: str = ""


@dataclass(frozen=True)
class Section:
    """A part of a page with a heading.

    Attributes:
        title: The heading.
        blocks: What stands below.
        level: 2 for a part of the page, 3 for a part of a part.
    """

    kind: ClassVar[str] = "section"
    title: str
    blocks: Sequence[Block]
    level: int = 2


@dataclass(frozen=True)
class Menu:
    """A menu that picks which `Choice`s are shown.

    Attributes:
        name: Of the menu; its label, too.
        choices: (name, text) of each.
        first: Name of the choice that is picked at first.
        every: Text of an entry that shows all; none if empty.
    """

    name: str
    choices: list[tuple[str, str]]
    first: str
    every: str = ""
