"""Engines that run a night: `dense` is the definition, every other one equals it."""

from bioncl.registry import Registry

ENGINES = Registry(
    "engine",
    {
        "dense": ("bioncl.spiking.engines.dense:Dense", "the definition in plain torch, any dtype"),
        "event": ("bioncl.spiking.engines.event:Event", "compiled, event by event, all cores"),
        "cuda": ("bioncl.spiking.engines.cuda:Cuda", "the same on a GPU, many nights at a time"),
        "snntorch": (
            "bioncl.spiking.engines.snntorch_engine:SnnTorch",
            "step by step, snntorch.Leaky",
        ),
        "norse": ("bioncl.spiking.engines.norse_engine:Norse", "step by step, norse.torch.IAFCell"),
    },
)
