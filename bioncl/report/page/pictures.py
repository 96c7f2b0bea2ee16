"""Arrays as small pictures inside the page: a colour for each sign, strength as opacity.

What is not opaque shows the page, so that the same picture suits a light and a dark one.
"""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray

from bioncl.report import style

ABOVE = style.ASLEEP
BELOW = "#B35806"


def cells(values: NDArray) -> str:
    """Values −1..1 [rows, columns] as a data URI; 0 and NaN are empty."""
    filled = np.nan_to_num(np.asarray(values, np.float64)).clip(-1, 1)
    rgb = np.where((filled >= 0)[:, :, None], _rgb(ABOVE), _rgb(BELOW))
    return _png(np.dstack([rgb, np.abs(filled) * 255]))


def colours(values: NDArray) -> str:
    """Red, green and blue 0..1 [rows, columns, 3] as a data URI."""
    filled = np.nan_to_num(np.asarray(values, np.float64)).clip(0, 1)
    return _png(filled * 255)


def _rgb(colour: str) -> NDArray[np.int64]:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])


def _png(pixels: NDArray) -> str:
    from matplotlib.image import imsave

    buffer = io.BytesIO()
    imsave(buffer, np.round(pixels).astype(np.uint8), format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
