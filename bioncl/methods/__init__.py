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
        "ewc": ("bioncl.methods.ewc:EWC", "hold weights by Fisher information, task by task"),
        "online-ewc": ("bioncl.methods.online_ewc:OnlineEWC", "the same with one running sum"),
        "si": ("bioncl.methods.si:SI", "hold weights by what they did for the loss"),
        "mas": ("bioncl.methods.mas:MAS", "hold weights by what they do to the outputs"),
        "multi-head": ("bioncl.methods.multi_head:MultiHead", "naive with a head for each task"),
        "independent": ("bioncl.methods.independent:Independent", "a network for each task"),
        "averaging": ("bioncl.methods.averaging:Averaging", "mean of the tasks' networks"),
        "weight-alignment": (
            "bioncl.methods.weight_alignment:WeightAlignment",
            "give output weights of new classes the size of old ones",
        ),
        "gem": ("bioncl.methods.gem:GEM", "no step raises the loss on an old task's memory"),
        "agem": ("bioncl.methods.agem:AGEM", "no step raises the loss on a draw of old examples"),
        "icarl": ("bioncl.methods.icarl:ICaRL", "herded exemplars, nearest class mean"),
        "der++": ("bioncl.methods.der:DER", "replay stored examples and their stored logits"),
        "gdumb": ("bioncl.methods.gdumb:GDumb", "a new network on a balanced memory alone"),
    },
)
