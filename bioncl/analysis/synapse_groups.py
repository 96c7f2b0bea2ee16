"""What a night did to groups of synapses, such as those of old and of new tasks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioncl.analysis.undefined import divide
from bioncl.analysis.weights import difference
from bioncl.errors import InputError, describe


@dataclass(frozen=True, eq=False)
class GroupChange:
    """Synapses between groups of neurons: each array is [post groups, pre groups].

    Attributes:
        synapses: Their number.
        before: Sum of their weights before the night.
        after: Sum of their weights afterwards.
        up: How many grew.
        down: How many shrank.
    """

    synapses: NDArray[np.int64]
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    up: NDArray[np.int64]
    down: NDArray[np.int64]

    @property
    def mean_change(self) -> NDArray[np.float64]:
        """Mean change of a synapse of each group; NaN for a group without synapses."""
        return divide(self.after - self.before, self.synapses)


def group_change(
    before: NDArray, after: NDArray, post: NDArray[np.bool_], pre: NDArray[np.bool_]
) -> GroupChange:
    """Change of the synapses from each group of inputs to each group of outputs.

    Groups may overlap; old-task and new-task ones come from `selectivity.membership` of the tasks
    of outputs' classes and of the inputs' preferred classes.

    Args:
        before: Weights before the night [post, pre].
        after: Weights afterwards [post, pre].
        post: Which outputs are in which group: bool [post groups, post].
        pre: Which inputs are in which group: bool [pre groups, pre].

    Raises:
        InputError: Shapes that do not fit together.
    """
    change = difference(before, after)
    expected = post.shape[1], pre.shape[1]
    if change.shape != expected:
        raise InputError(describe("groups do not fit", expected=change.shape, got=expected))
    rows, columns = post.astype(np.float64), pre.astype(np.float64).T

    def total(values: NDArray) -> NDArray[np.float64]:
        return rows @ values.astype(np.float64) @ columns

    return GroupChange(
        np.outer(post.sum(axis=1), pre.sum(axis=1)),
        total(before),
        total(after),
        total(change > 0).astype(np.int64),
        total(change < 0).astype(np.int64),
    )
