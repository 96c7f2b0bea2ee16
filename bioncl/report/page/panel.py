"""One panel: a box with two axes as SVG, into which `charts` draws marks.

Colours and fonts come from the page's style sheet by class, so panels follow the reader's theme.
Text is text; each panel has a title that screen readers read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike, NDArray

from bioncl.report.page.scales import Scale

_RIGHT, _BOTTOM, _LINE = 18.0, 34.0, 15.0


@dataclass(frozen=True)
class Panel:
    """Where a panel's marks go; lengths are px at the panel's natural size.

    Attributes:
        title: Stands above it.
        x: From left to right.
        y: From the bottom to the top.
        width: Of the whole panel.
        height: Of the whole panel.
        left: Room for the labels of y.
        key: (class of the style sheet, text) of what the colours mean; a line below the title.
        grid: Whether lines lead from the ticks of y across the panel; else it has a frame.
    """

    title: str
    x: Scale
    y: Scale
    width: float = 340.0
    height: float = 210.0
    left: float = 52.0
    key: tuple[tuple[str, str], ...] = ()
    grid: bool = True

    @property
    def top(self) -> float:
        """Where the box begins, below the title and the key."""
        return 7.0 + _LINE * (2 if self.key else 1)

    @property
    def right(self) -> float:
        """Where the box ends."""
        return self.width - _RIGHT

    @property
    def bottom(self) -> float:
        """Where the box stands."""
        return self.height - _BOTTOM

    def across(self, values: ArrayLike) -> NDArray[np.float64]:
        """Places of values of x, in px."""
        return np.round(self.left + self.x.place(values) * (self.right - self.left), 1)

    def up(self, values: ArrayLike) -> NDArray[np.float64]:
        """Places of values of y, in px."""
        return np.round(self.bottom - self.y.place(values) * (self.bottom - self.top), 1)

    def svg(self, marks: Iterable[Markup]) -> Markup:
        """The panel with these marks in it."""
        head = Markup(
            '<svg class="panel" viewBox="0 0 {0} {1}" role="img" aria-label="{2}">'
            '<text class="title" x="{3}" y="13">{2}</text>'
        ).format(f"{self.width:g}", f"{self.height:g}", self.title, f"{self.left:g}")
        pieces = [head, *self._key(), *self._axes(), *marks, Markup("</svg>")]
        return Markup("").join(pieces)

    def _key(self) -> Iterable[Markup]:
        """The meaning of colours, each with a square in front."""
        words = Markup(" ").join(
            Markup('<tspan class="{}">■</tspan> {}').format(name, text) for name, text in self.key
        )
        if self.key:
            yield Markup('<text x="{}" y="{}">{}</text>').format(
                f"{self.left:g}", f"{13 + _LINE:g}", words
            )

    def _axes(self) -> Iterable[Markup]:
        left, right, bottom = f"{self.left:g}", f"{self.right:g}", f"{self.bottom:g}"
        for value, text in self.y.ticks:
            place = self.up(value)
            if self.grid:
                yield Markup('<path class="grid" d="M{} {}H{}"/>').format(left, place, right)
            yield Markup('<text class="ytick" x="{}" y="{}">{}</text>').format(
                f"{self.left - 5:g}", place, text
            )
        for value, text in self.x.ticks:
            yield Markup('<text class="xtick" x="{}" y="{}">{}</text>').format(
                self.across(value), f"{self.bottom + 13:g}", text
            )
        rest = "" if self.grid else f"V{self.top:g}H{left}z"
        yield Markup('<path class="axis" d="M{} {}H{}{}"/>').format(left, bottom, right, rest)
        yield Markup('<text class="xlabel" x="{}" y="{}">{}</text>').format(
            f"{(self.left + self.right) / 2:g}", f"{self.height - 5:g}", self.x.label
        )
        yield Markup(
            '<text class="ylabel" transform="translate(10 {})rotate(-90)">{}</text>'
        ).format(f"{(self.bottom + self.top) / 2:g}", self.y.label)
