"""Streams of tasks, by name.

Each builder is a frozen dataclass whose fields are its settings; `build(source, seed)` makes a
`Stream` of `Task`s from labelled data. Chance (order of classes, permutations, angles) comes from
the seed of the run alone.
"""

from __future__ import annotations

from bioncl.registry import Registry

STREAMS = Registry(
    "stream",
    {
        "split": ("bioncl.streams.split:Split", "each task has some of the classes"),
        "permuted": ("bioncl.streams.permuted:Permuted", "each task shuffles the pixels anew"),
        "rotated": ("bioncl.streams.rotated:Rotated", "each task turns the images by an angle"),
        "cross-modal": (
            "bioncl.streams.cross_modal:CrossModal",
            "one data set, then another, with the same outputs",
        ),
        "patches": (
            "bioncl.streams.patches:Patches",
            "four overlapping binary images in two tasks: the toy of Tadros et al. 2022",
        ),
    },
)
