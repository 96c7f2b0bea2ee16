"""Any torch network as a graph of populations, and the way back for changed weights.

    model ── torch.fx ──► steps ── handlers ──► populations and paths (`Traced.graph`)
      ▲                                              │ a night changes weights
      └────────────── Traced.write_back ◄────────────┘

The graph says what the network computes in eval mode: evaluated with ReLU units
(`bioncl.spiking.graph.activations`) it gives the network's outputs, before a final softmax.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from bioncl.errors import InputError, UnsupportedError, describe, did_you_mean
from bioncl.spiking.graph import symbolic
from bioncl.spiking.graph.building import Builder
from bioncl.spiking.graph.modes import evaluating
from bioncl.spiking.graph.own import OWN
from bioncl.spiking.graph.populations import Graph
from bioncl.spiking.graph.signals import Signal, Unsuitable
from bioncl.spiking.graph.supported import FUNCTIONS, LISTED, METHODS, MODULES, Handler, Step
from bioncl.spiking.graph.ties import Tie, write_back

LAYERS: dict[type[nn.Module], Handler] = {**OWN, **MODULES}
SOFTMAX = (
    torch.softmax,
    torch.log_softmax,
    functional.softmax,
    functional.log_softmax,
    "softmax",
    "log_softmax",
)


@dataclass(frozen=True, eq=False)
class Traced:
    """A network's graph and the ties of its weights to the network.

    Attributes:
        graph: Holds copies of the weights, BatchNorm folded in where possible.
        ties: Which parameter each weight came from.
    """

    graph: Graph
    ties: tuple[Tie, ...]

    def write_back(self) -> None:
        """Copy the graph's changed weights into the network's layers; all of them or none.

        Where a BatchNorm's scale s was folded in, W = W_graph / s channel by channel; a channel
        with s = 0 keeps its weights. BatchNorm's own parameters and statistics and all biases stay
        as they are; so does, bit for bit, every weight that did not change in the graph. Afterwards
        the network computes what the graph does, except where a BatchNorm's shift or a bias passes
        through a layer on its way to the ReLU: the graph's bias is that of the old weights. Trace
        anew for the present one.

        Raises:
            DivergedError: A weight is no finite number; the network was not changed.
        """
        write_back(self.ties)


def trace(model: nn.Module, sample: Tensor, *, leave_out: Sequence[str] = ()) -> Traced:
    """Make the graph of `model`; the model is not changed.

    Args:
        model: Any torch network of supported layers (`bioncl.spiking.graph.supported`), with
            running statistics where it normalises. A final softmax is dropped.
            A bare layer is named "0".
        sample: Inputs [n, *shape], n ≥ 1, of the model's precision and device; only their shape
            matters.
        leave_out: Modules, by path, or functions, by the name that an error told, to treat as if
            they were not there; they must keep the shape of what goes in.

    Raises:
        UnsupportedError: A step of the network is not supported; the message names it.
        InputError: `leave_out` names something that the network does not have.
    """
    if sample.dim() < 2 or not len(sample) or not sample.is_floating_point():
        got = f"{[*sample.shape]} of {sample.dtype}"
        raise InputError(describe("Sample", expected="[n, *shape], n ≥ 1, real numbers", got=got))
    if isinstance(model, tuple(LAYERS)):
        model = nn.Sequential(model)
    with evaluating(model):
        steps = symbolic.steps(model, tuple(LAYERS), leave_out)
        _check_names(leave_out, model, steps)
        weights = [getattr(_module(model, node), "weight", None) for node in steps]
        walk = _Walk(model, Builder(sample, Counter(map(id, weights))), leave_out)
        walk.follow(steps)
    return Traced(walk.builder.graph, tuple(walk.builder.ties))


class _Walk:
    """Goes through the steps in order and keeps the value of each."""

    def __init__(self, model: nn.Module, builder: Builder, leave_out: Collection[str]) -> None:
        self.model, self.builder, self.leave_out = model, builder, leave_out
        self.values: dict[fx.Node, Any] = {}
        self.place = 0

    def follow(self, steps: Sequence[fx.Node]) -> None:
        """Evaluate every step; the last is the output."""
        for self.place, node in enumerate(steps):
            try:
                self.values[node] = self._value(node)
            except Unsuitable as reason:
                raise _refusal(self.model, node, str(reason)) from reason

    def _value(self, node: fx.Node) -> Any:
        if node.op == "placeholder":
            return self.builder.start()
        args = fx.map_arg(node.args, self.values.__getitem__)
        kwargs = fx.map_arg(node.kwargs, self.values.__getitem__)
        if node.op == "output":
            return self._finish(args[0])
        if not args:
            raise Unsuitable("it takes no layer's output, or takes it by keyword")
        module = _module(self.model, node)
        name = node.name if module is None else str(node.target)
        if name in self.leave_out:
            return self._left_out(node, module or node.target, args, kwargs)
        if _final_softmax(node, module):
            return args[0]
        inputs = args if module is None else (args[0], module)
        step = Step(self.builder, name, self.place)
        value = _handler(node, module)(step, *inputs, **kwargs)
        return self._settle(node, value)

    def _settle(self, node: fx.Node, value: Any) -> Any:
        """Only a single reader may fold into a layer; a step in place changes what it read, too."""
        if isinstance(value, Signal) and len(node.users) != 1:
            value = replace(value, foldable=None)
        if isinstance(value, Signal) and symbolic.in_place(node, self.model):
            self.values[node.args[0]] = value  # type: ignore[index]
        return value

    def _left_out(self, node: fx.Node, step: Any, args: Any, kwargs: Any) -> Any:
        """The signal that goes in, if the step keeps its shape."""

        def zeros(value: Any) -> Any:
            same = isinstance(value, Signal)
            return self.builder.one.new_zeros((1, *value.shape)) if same else value

        inputs = [zeros(value) for value in args]
        call = getattr(inputs[0], step) if node.op == "call_method" else step
        inputs = inputs[1:] if node.op == "call_method" else inputs
        try:
            with torch.no_grad():
                shape = tuple(call(*inputs, **kwargs).shape[1:])
        except symbolic.FX_FAILURES as error:
            raise Unsuitable(f"it cannot be left out ({error})") from error
        if shape != args[0].shape:
            raise Unsuitable(f"it cannot be left out: it turns {args[0].shape} into {shape}")
        return args[0]

    def _finish(self, value: Any) -> None:
        if not isinstance(value, Signal):
            raise Unsuitable("it returns something other than one tensor")
        self.builder.finish(value)


def _module(model: nn.Module, node: fx.Node) -> nn.Module | None:
    return model.get_submodule(str(node.target)) if node.op == "call_module" else None


def _handler(node: fx.Node, module: nn.Module | None) -> Handler:
    """The handler of a step.

    Raises:
        Unsuitable: There is none.
    """
    found: Handler | None
    if module is not None:
        found = next((LAYERS[kind] for kind in LAYERS if isinstance(module, kind)), None)
    elif node.op == "call_method":
        found = METHODS.get(str(node.target))
    else:
        found = FUNCTIONS.get(node.target)  # type: ignore[arg-type]
    if found is None:
        raise Unsuitable("it is not supported")
    return found


def _final_softmax(node: fx.Node, module: nn.Module | None) -> bool:
    """Whether the step is the softmax of the output; it keeps the order of outputs."""
    softmax = node.target in SOFTMAX or isinstance(module, nn.Softmax | nn.LogSoftmax)
    return softmax and all(user.op == "output" for user in node.users)


def _check_names(leave_out: Sequence[str], model: nn.Module, steps: Sequence[fx.Node]) -> None:
    known = {*dict(model.named_modules()), *(node.name for node in steps)} - {""}
    for name in leave_out:
        if name not in known:
            raise InputError(
                describe(f"Unknown name '{name}' in leave_out", hint=did_you_mean(name, known))
            )


def _refusal(model: nn.Module, node: fx.Node, why: str) -> UnsupportedError:
    """The error that names the step, what is supported, and the way out."""
    module = _module(model, node)
    if module is not None:
        name, what = str(node.target), f"Layer {node.target} ({type(module).__name__})"
    else:
        target = (
            node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
        )
        name, what = node.name, f"Step '{node.name}' of the forward pass ({target})"
    hint = (
        f"Supported are {LISTED}. A step that keeps its input's shape can be left out: "
        f"leave_out=['{name}']."
    )
    return UnsupportedError(describe(f"{what} has no spiking twin: {why}", hint=hint))
