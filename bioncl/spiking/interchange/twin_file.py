"""Files that hold a twin: tensors in safetensors, its structure as JSON.

Saved by way of `bioncl.models.checkpoint`: atomic, guarded by a SHA-256, and loading reads numbers
and JSON only; nothing in the file is ever executed. Header:

    kind          "spiking twin"
    library       which library's module was asked for; either can load the file
    input_shape, decay, reset, start, output, pooling: see `Twin`
    ops           what paths are made of: {"op": "linear" | "convolution" | "scale" | "pool" |
                  "flatten", …}; the tensor of op i is "ops.i"
    populations   {"name", "shape", "threshold", "bias": whether the tensor "biases.NAME" is there,
                  "paths": [{"source", "gain", "ops": [numbers of ops]}]}
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from torch import Tensor

from bioncl import __version__
from bioncl.errors import CheckpointError, describe
from bioncl.models.checkpoint import Checkpoint, load, save
from bioncl.spiking.graph.populations import (
    Convolution,
    Flatten,
    Graph,
    Linear,
    Operation,
    Path,
    Pool,
    Population,
    Scale,
)
from bioncl.spiking.interchange.twin import Twin

KIND = "spiking twin"


def save_twin(path: FilePath, twin: Twin, library: str) -> None:
    """Write `twin` to `path` atomically, for the loader of `library` ("snntorch" or "norse").

    Raises:
        StorageError: It cannot be written; what stood at `path` is untouched.
    """
    graph = twin.graph
    ops = list(
        {id(op): op for p in graph.populations for way in p.paths for op in way.ops}.values()
    )
    numbers = {id(op): number for number, op in enumerate(ops)}
    tensors = {
        f"ops.{i}": tensor for i, op in enumerate(ops) if (tensor := _tensor(op)) is not None
    }
    tensors |= {f"biases.{p.name}": p.bias for p in graph.populations if p.bias is not None}
    header = {
        "kind": KIND,
        "bioncl": __version__,
        "library": library,
        "input_shape": list(graph.input_shape),
        "decay": twin.decay,
        "reset": twin.reset,
        "start": twin.start,
        "output": twin.output,
        "pooling": twin.pooling,
        "ops": [_described(op) for op in ops],
        "populations": [_population(p, numbers) for p in graph.populations],
    }
    save(path, Checkpoint({name: t.clone() for name, t in tensors.items()}, header))


def load_twin(path: FilePath | str) -> Twin:
    """Read a twin.

    Raises:
        CheckpointError: The file is missing, damaged, or does not hold a twin.
    """
    checkpoint = load(path)
    if checkpoint.header.get("kind") != KIND:
        hint = "Make one with `bioncl convert CHECKPOINT --to snntorch --out FILE`."
        raise CheckpointError(describe(f"{path} holds no spiking twin", hint=hint))
    try:
        return _twin(checkpoint)
    except (KeyError, TypeError, IndexError) as error:
        what = f"{path} is not a spiking twin as bioncl writes it ({error!r})"
        raise CheckpointError(describe(what, hint="Convert the checkpoint again.")) from error


def _twin(checkpoint: Checkpoint) -> Twin:
    header, tensors = checkpoint.header, checkpoint.tensors
    ops = [_op(d, tensors.get(f"ops.{i}")) for i, d in enumerate(header["ops"])]
    populations = []
    for entry in header["populations"]:
        paths = tuple(
            Path(way["source"], tuple(ops[i] for i in way["ops"]), way["gain"])
            for way in entry["paths"]
        )
        bias = tensors[f"biases.{entry['name']}"] if entry["bias"] else None
        shape = tuple(entry["shape"])
        populations.append(Population(entry["name"], shape, paths, bias, entry["threshold"]))
    graph = Graph(tuple(header["input_shape"]), populations)
    names = ("decay", "reset", "start", "output", "pooling")
    return Twin(graph, **{name: header[name] for name in names})


def _population(population: Population, numbers: Mapping[int, int]) -> dict[str, Any]:
    return {
        "name": population.name,
        "shape": list(population.shape),
        "threshold": float(population.threshold),
        "bias": population.bias is not None,
        "paths": [
            {"source": p.source, "gain": float(p.gain), "ops": [numbers[id(op)] for op in p.ops]}
            for p in population.paths
        ],
    }


def _tensor(op: Operation) -> Tensor | None:
    if isinstance(op, Linear | Convolution):
        return op.weight
    return op.factor if isinstance(op, Scale) else None


def _described(op: Operation) -> dict[str, Any]:
    """An operation without its tensor."""
    plain = {k: v for k, v in vars(op).items() if not isinstance(v, Tensor)}
    return {"op": type(op).__name__.lower(), **plain}


def _op(told: Mapping[str, Any], tensor: Tensor | None) -> Operation:
    """The operation that `_described` told of."""
    if told["op"] == "flatten":
        return Flatten(told["start"], told["end"])
    if told["op"] == "pool":
        kernel, stride, padding = (tuple(told[key]) for key in ("kernel", "stride", "padding"))
        return Pool(told["kind"], kernel, stride, padding)
    if tensor is None:
        raise KeyError(told["name"])
    if told["op"] == "convolution":
        stride, padding, dilation = (tuple(told[key]) for key in ("stride", "padding", "dilation"))
        return Convolution(told["name"], tensor, stride, padding, dilation, told["groups"])
    if told["op"] == "scale":
        return Scale(told["name"], tensor)
    return Linear(told["name"], tensor)
