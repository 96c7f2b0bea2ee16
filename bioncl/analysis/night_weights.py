"""Weights of a trace: old-task and new-task synapses, and the path through training and sleep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioncl.analysis.night import NightView, night_view
from bioncl.analysis.selectivity import preferred_class
from bioncl.analysis.synapse_groups import GroupChange, group_change
from bioncl.analysis.trajectory import Trajectory, layer_products, path_lengths, trajectory_of
from bioncl.errors import TraceError, describe
from bioncl.traces.hdf5_reader import Trace

GROUPS = ("old", "new", "–")


@dataclass(frozen=True, eq=False)
class GroupsSummary:
    """What a night did to synapses between neurons of old tasks, of the new one, and of neither.

    A hidden or input neuron belongs to the class for which it is most active awake, an output to
    its own class; "–" are neurons without preference and outputs of classes not seen yet.

    Attributes:
        groups: Names of the groups, in the order of the arrays of `change`.
        post: Neurons of the layer in each group: int64 [groups].
        pre: Neurons of the layer below in each group: int64 [groups].
        change: From each group below to each group of the layer [groups, groups].
        mean_change: Mean change of a synapse of each; NaN where there is none [groups, groups].
        known: Whether `change.before` and `change.after` count from the true weights, not from 0.
    """

    groups: tuple[str, ...]
    post: NDArray[np.int64]
    pre: NDArray[np.int64]
    change: GroupChange
    mean_change: NDArray[np.float64]
    known: bool


def groups_summary(view: NightView, layer: str) -> GroupsSummary:
    """What the night did to the synapses into `layer`, by the tasks that they serve.

    Raises:
        TraceError: The file does not hold weights or awake activations, or old and new classes
            cannot be told apart.
    """
    if view.new_classes() is None:
        message = f"{view.name} does not tell which classes came with its task"
        raise TraceError(describe(message, hint="Its task brought no classes of its own."))
    names, found = view.trace.layers, view.weights(layer)
    below = names[names.index(layer) - 1]
    post, pre = _groups(view, layer), _groups(view, below)
    before = np.zeros_like(found.delta) if found.before is None else found.before
    change = group_change(before, before + found.delta, post, pre)
    return GroupsSummary(
        groups=GROUPS,
        post=post.sum(axis=1),
        pre=pre.sum(axis=1),
        change=change,
        mean_change=change.mean_change,
        known=found.before is not None,
    )


def _groups(view: NightView, layer: str) -> NDArray[np.bool_]:
    """Which neurons of a layer serve which of `GROUPS`: bool [groups, neurons]."""
    if layer == view.trace.layers[-1] and view.output_rows():
        labels = view.class_of_output()
    else:
        labels = np.append(view.classes, -1)[preferred_class(view.means(layer))]
    return np.stack([view.ages(labels) == group for group in GROUPS])


@dataclass(frozen=True, eq=False)
class TrajectorySummary:
    """The path of some weights; see `bioncl.analysis.trajectory`.

    Attributes:
        nights: Night of each point: int64 [points]; two of each, before and after it.
        asleep: Whether the point lies after its night: bool [points].
        path: Place of each point, and the share of the variance that each component explains.
        lengths: Distance from each point to the next: by sleep, then by training, and so on
            [points − 1].
    """

    nights: NDArray[np.int64]
    asleep: NDArray[np.bool_]
    path: Trajectory
    lengths: NDArray[np.float64]


def trajectory_summary(
    trace: Trace, layers: Sequence[str] = (), components: int = 3
) -> dict[str, TrajectorySummary]:
    """The path of the weights of each layer and, under "all", of them together.

    The points are the weights before and after each night that was finished: sleep leads from
    before to after, training on to the point before the next night. One layer is in memory at a
    time.

    Raises:
        InputError: The layer's shape changes from task to task.
        TraceError: The file holds no finished night, or not the weights before its nights.
    """
    views = [night_view(trace, night.index) for night in trace.nights if night.complete]
    if not views:
        raise TraceError(describe(f"{trace.path} holds no finished night"))
    names = views[0].layers(layers, views[0].weight_names())
    nights = np.repeat([view.night.index for view in views], 2)
    asleep = np.tile([False, True], len(views))
    products = {name: layer_products(list(_snapshots(views, name))) for name in names}
    if len(names) > 1:
        products["all"] = np.sum(list(products.values()), axis=0)
    return {
        name: TrajectorySummary(
            nights, asleep, trajectory_of(found, components), path_lengths(found)
        )
        for name, found in products.items()
    }


def around_night(view: NightView, layer: str) -> tuple[NDArray, NDArray]:
    """The network's weights of a layer before and after the night [post, pre].

    Raises:
        TraceError: The file does not hold them.
    """
    found = view.weights(layer)
    if found.before is None:
        hint = "The setting trace.weights_before = true keeps them."
        message = f"{view.name} holds no weights before the night, only their change"
        raise TraceError(describe(message, hint=hint))
    # the night's change is in the night's precision, the network's weights are in their own
    return found.before, (found.before + found.delta).astype(found.before.dtype)


def _snapshots(views: Sequence[NightView], layer: str) -> Iterator[NDArray]:
    for view in views:
        yield from around_night(view, layer)
