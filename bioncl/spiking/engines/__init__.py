"""Engines that run a night: `dense` is the definition, every other one equals it."""

from bioncl.registry import Registry

ENGINES = Registry(
    "engine",
    {
        "dense": ("bioncl.spiking.engines.dense:Dense", "the definition in plain torch, any dtype"),
        "event": ("bioncl.spiking.engines.event:Event", "compiled, event by event, all cores"),
    },
)
