"""Continual-learning methods, one file each; none imports another."""

from bioncl.registry import Registry

METHODS = Registry(
    "method",
    {
        "naive": ("bioncl.methods.naive:Naive", "train on one task after another"),
        "joint": ("bioncl.methods.joint:Joint", "train on all tasks so far at once"),
        "rehearsal": ("bioncl.methods.rehearsal:Rehearsal", "replay stored examples"),
        "src": ("bioncl.methods.src:SRC", "sleep after each task: Sleep Replay Consolidation"),
        "lwf": ("bioncl.methods.lwf:LwF", "keep the old network's outputs on new data"),
        "rescl": ("bioncl.methods.rescl:ResCL", "combine old and fine-tuned network, then merge"),
    },
)
