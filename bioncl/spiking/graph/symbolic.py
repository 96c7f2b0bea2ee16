"""A network's forward pass as a list of steps, by torch.fx."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Collection

from torch import fx, nn
from torch.nn import functional

from bioncl.errors import UnsupportedError, describe

FX_FAILURES = (RuntimeError, TypeError, ValueError, AttributeError, IndexError)


class Tracer(fx.Tracer):
    """Goes into modules until it finds one that a handler knows, or that is left out."""

    def __init__(self, known: tuple[type[nn.Module], ...], left_out: Collection[str]) -> None:
        """Stop at modules of the types `known` and at those of the paths `left_out`."""
        super().__init__()
        self.known, self.left_out = known, left_out

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether `m` is one step; subclasses of known layers are, if they compute the same."""
        kin = (kind for kind in self.known if isinstance(m, kind))
        if any(type(m).forward is kind.forward for kind in kin):
            return True
        left_out = module_qualified_name in self.left_out
        return left_out or super().is_leaf_module(m, module_qualified_name)


def steps(
    model: nn.Module, known: tuple[type[nn.Module], ...], left_out: Collection[str]
) -> list[fx.Node]:
    """The steps that the output depends on, in order; the input first, the output last.

    Arguments of `forward` that have defaults keep them.

    Raises:
        UnsupportedError: The forward pass depends on values, or has not exactly one input.
    """
    parameters = inspect.signature(model.forward).parameters.values()
    fixed = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
    try:
        graph = Tracer(known, left_out).trace(model, concrete_args=fixed or None)
    except FX_FAILURES as error:
        hint = "Give the part that cannot be followed by path in leave_out, or rewrite it."
        what = f"The forward pass of {type(model).__name__} cannot be followed ({error})"
        raise UnsupportedError(describe(what, hint=hint)) from error
    found = _needed(graph, model)
    if sum(node.op == "placeholder" for node in found) != 1:
        names = [str(node.target) for node in found if node.op == "placeholder"]
        what = f"Inputs that the output of {type(model).__name__} depends on"
        raise UnsupportedError(describe(what, expected="one tensor", got=names))
    return found


def in_place(node: fx.Node, model: nn.Module) -> bool:
    """Whether a step changes the tensor that it reads, for everybody who reads it later."""
    if node.op == "call_module":
        return bool(getattr(model.get_submodule(str(node.target)), "inplace", False))
    if node.target is functional.relu:
        return bool(node.kwargs.get("inplace", True in node.args[1:]))
    name = str(getattr(node.target, "__name__", node.target))
    by_name = name.endswith("_") and not name.endswith("__")
    return by_name or bool(node.kwargs.get("inplace")) or node.target is operator.iadd


def _needed(graph: fx.Graph, model: nn.Module) -> list[fx.Node]:
    """Nodes that the output depends on, in order, with steps that change them in place."""
    needed: set[fx.Node] = set()
    for node in reversed(graph.nodes):
        changes = node.args[:1] and node.args[0] in needed and in_place(node, model)
        if node.op == "output" or node in needed or changes:
            needed.update([node, *node.all_input_nodes])
    return [node for node in graph.nodes if node in needed]
