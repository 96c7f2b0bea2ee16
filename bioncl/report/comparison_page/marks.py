"""A colour and a shape for each contender, the same in all panels and tables."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

COLOURS = (
    ("#0072B2", "#56B4E9"),
    ("#D55E00", "#FF8A3D"),
    ("#009E73", "#2FD0A2"),
    ("#AA4499", "#DD8FCB"),
    ("#B08900", "#E6C229"),
    ("#5E4FA2", "#A99BF0"),
    ("#7A5230", "#C79A73"),
)
"""On light and on dark pages; after Okabe and Ito (2008), all apart from their page."""

_SHAPES = (
    "M{l} {t}H{r}V{b}H{l}z",
    "M{l} {y}a{s} {s} 0 1 0 {d} 0a{s} {s} 0 1 0 -{d} 0z",
    "M{x} {t}L{r} {y}L{x} {b}L{l} {y}z",
    "M{x} {t}L{r} {b}H{l}z",
)
"""Square, dot, diamond, triangle; they take turns when the colours have been used up."""


def classes(count: int) -> list[str]:
    """Classes of the style sheet for that many things, as unlike as there are any."""
    return [f"m{i % len(COLOURS)} shape{i // len(COLOURS) % len(_SHAPES)}" for i in range(count)]


def by_name(names: Sequence[str]) -> dict[str, str]:
    """The same by names."""
    return dict(zip(names, classes(len(names)), strict=True))


def mark(kind: str, x: float, y: float, told: str, size: float = 4.0) -> Markup:
    """The mark of `kind` (from `classes`) at a place in px, with a text that shows on hovering."""
    shape = _SHAPES[int(kind[-1])]
    path = shape.format(
        x=f"{x:g}",
        y=f"{y:g}",
        l=f"{x - size:g}",
        r=f"{x + size:g}",
        t=f"{y - size:g}",
        b=f"{y + size:g}",
        s=f"{size:g}",
        d=f"{2 * size:g}",
    )
    return Markup('<path class="mark {}" d="{}"><title>{}</title></path>').format(
        colour(kind), path, told
    )


def colour(kind: str) -> str:
    """The class of the colour alone."""
    return kind.split(maxsplit=1)[0]
