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
        "imprinting": (
            "bioncl.methods.imprinting:Imprinting",
            "output weights from class mean features, tuned within the task",
        ),
        "gem": ("bioncl.methods.gem:GEM", "no step raises the loss on an old task's memory"),
        "agem": ("bioncl.methods.agem:AGEM", "no step raises the loss on a draw of old examples"),
        "icarl": ("bioncl.methods.icarl:ICaRL", "herded exemplars, nearest class mean"),
        "der++": ("bioncl.methods.der:DER", "replay stored examples and their stored logits"),
        "gdumb": ("bioncl.methods.gdumb:GDumb", "a new network on a balanced memory alone"),
        "stable-sgd": (
            "bioncl.methods.stable_sgd:StableSGD",
            "train for wide minima: dropout, learning rate that decays by task",
        ),
        "sam": ("bioncl.methods.sam:SAM", "step by the gradient at the worst point nearby"),
        "mc-sgd": ("bioncl.methods.mc_sgd:MCSGD", "low-loss lines to old and new solution"),
        "packnet": ("bioncl.methods.packnet:PackNet", "prune, and give freed weights to new tasks"),
        "progressive": (
            "bioncl.methods.progressive:Progressive",
            "a new column for each task, fed by the frozen old ones",
        ),
        "den": ("bioncl.methods.den:DEN", "retrain, add and split units task by task"),
        "ogd": ("bioncl.methods.ogd:OGD", "steps orthogonal to old outputs' gradients"),
        "owm": ("bioncl.methods.owm:OWM", "steps orthogonal to the mean inputs of each layer"),
        "gpm": ("bioncl.methods.gpm:GPM", "steps orthogonal to the main inputs of each layer"),
        "remind": (
            "bioncl.methods.remind:REMIND",
            "replay compressed features above frozen layers",
        ),
    },
)
