"""How `bioncl compare` reads its arguments.

`SETTINGS` is one contender; `SETTINGS:KEY=V1,V2,…[:KEY=V1,…]` is one with each value, or with each
combination of values.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

import click

_NEXT_KEY = re.compile(r":(?=[A-Za-z_][\w.-]*=)")


def expanded(argument: str) -> list[tuple[str, tuple[str, ...]]]:
    """(settings, what to set) of each contender that `argument` stands for."""
    name, *keys = _NEXT_KEY.split(argument)
    return [(name, chosen) for chosen in itertools.product(*map(_variations, keys))]


def _variations(text: str) -> list[str]:
    """Each "KEY=V1" of "KEY=V1,V2,…"."""
    key, _, rest = text.partition("=")
    values = [value.strip() for value in split_values(rest)]
    if not all(values):
        message = f"'{text}' is not KEY=VALUE,VALUE,… such as methods.0.memory=10,50"
        raise click.BadParameter(message, param_hint="SETTINGS")
    return [f"{key}={value}" for value in values]


def shortened(chosen: Sequence[str]) -> str:
    """What was chosen, by the last part of each key: "memory=10"."""
    return " ".join(re.sub(r"^[^=]*\.(?=[^.=]*=)", "", item) for item in chosen)


def split_values(text: str) -> Iterator[str]:
    """The parts of `text` between commas that stand outside of brackets and quotes."""
    depth, quote, begin = 0, "", 0
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "[{":
            depth += 1
        elif letter in "]}":
            depth -= 1
        elif letter == "," and depth == 0:
            yield text[begin:place]
            begin = place + 1
    yield text[begin:]
