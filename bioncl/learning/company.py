"""For methods that go with no other."""

from __future__ import annotations

from collections.abc import Sequence

from bioncl.errors import UnsupportedError, describe
from bioncl.learning.method import Method


def demand_alone(method: str, others: Sequence[Method], reason: str) -> None:
    """Refuse every other method of the field; those that only watch, and so name no paper, may be.

    Args:
        method: Name of the method that goes with no other.
        others: What it is joined with.
        reason: Why.

    Raises:
        UnsupportedError: There are others.
    """
    names = [type(other).__name__ for other in others if other.paper]
    if names:
        what = f"The method {method} goes with no other, for {reason}"
        expected, got = "no other methods", ", ".join(names)
        hint = "Leave the other methods out."
        raise UnsupportedError(describe(what, expected=expected, got=got, hint=hint))
