"""Numbers as texts for tables, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

NOTHING = "–"
DIGITS = 6


def number(value: float | None, form: str = "") -> str:
    """`value` with a true minus sign; a dash where it is not known or not defined.

    Args:
        value: The number.
        form: As of `format`; by default three digits, and from 1,000 on no fractions.
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    text = format(value, form or (",.0f" if abs(value) >= 1000 else ".3g"))
    if not any(digit in text for digit in "123456789"):
        text = text.removeprefix("-")  # what rounds to zero has no sign
    return text.replace("-", "−")


def percent(share: float | None, form: str = ".1f") -> str:
    """A share 0..1 in per cent."""
    return NOTHING if share is None else number(100 * share, form)


def plain(value: Any) -> Any:
    """`value` as JSON knows it: records as objects, arrays as lists, what is undefined as null.

    Numbers in arrays keep `DIGITS` digits, which halves a page; single numbers keep all.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _rounded(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _rounded(value: Any) -> Any:
    """What came out of an array, as JSON knows it."""
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value
