"""A night neuron by neuron: every synapse is a row of a list, nothing is shared or batched."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import torch

from bioncl.spiking.graph.populations import Flatten, Linear, Pool, Scale


@functools.cache
def pairs_of(layer, size):
    """(index of the weight, pre neuron, post neuron) of every synapse, and the output's shape."""
    weight = layer.weight
    if isinstance(layer, Linear):
        outer = size[:-1]
        shape = (*outer, len(weight))
        found = []
        for place in np.ndindex(*outer):
            for o, i in np.ndindex(*weight.shape):
                pre = np.ravel_multi_index((*place, i), size)
                found.append(((o, i), int(pre), int(np.ravel_multi_index((*place, o), shape))))
        return found, shape
    kernel = weight.shape[2:]
    out = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip(
            size[1:], layer.padding, layer.dilation, kernel, layer.stride, strict=True
        )
    )
    shape, found = (len(weight), *out), []
    per_group = len(weight) // layer.groups
    for o, i in np.ndindex(*weight.shape[:2]):
        channel = o // per_group * weight.shape[1] + i
        for place, offset in itertools.product(np.ndindex(*out), np.ndindex(*kernel)):
            where = [
                a * s - p + b * d
                for a, s, p, b, d in zip(
                    place, layer.stride, layer.padding, offset, layer.dilation, strict=True
                )
            ]
            if all(0 <= w < n for w, n in zip(where, size[1:], strict=True)):
                pre = np.ravel_multi_index((channel, *where), size)
                post = np.ravel_multi_index((o, *place), shape)
                found.append(((o, i, *offset), int(pre), int(post)))
    return found, shape


def matrix_of(layer, size):
    """The layer as a dense matrix [post, pre], and for each entry the index of its weight."""
    pairs, shape = pairs_of(layer, size)
    matrix, owner = np.zeros((int(np.prod(shape)), int(np.prod(size)))), {}
    for index, pre, post in pairs:
        matrix[post, pre] += float(layer.weight[index])
        owner[post, pre] = index
    return matrix, owner


@functools.cache
def windows(pool, shape):
    """For each output of an unpadded pooling, the flat indices that it reads; the shape."""
    spans = zip(shape[1:], pool.kernel, pool.stride, strict=True)
    sizes = [(n - k) // s + 1 for n, k, s in spans]
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    found = []
    for channel, *place in np.ndindex(shape[0], *sizes):
        starts = [a * s for a, s in zip(place, pool.stride, strict=True)]
        ranges = [slice(a, a + k) for a, k in zip(starts, pool.kernel, strict=True)]
        found.append(numbers[channel][tuple(ranges)].ravel().tolist())
    return found, (shape[0], *sizes)


def slow_night(graph, raster, rules, decay, shared):
    """Weights by layer and spikes [steps, neurons] by population; the graph is left alone."""
    weights = {name: layer.weight.numpy().copy() for name, layer in graph.layers().items()}
    membranes = {pop.name: np.zeros(int(np.prod(pop.shape))) for pop in graph.populations}
    spikes = {name: [] for name in ("input", *membranes)}
    for fired in raster:
        now, asked = {"input": fired.astype(float)}, {}
        for pop in graph.populations:
            slow_step(graph, pop, (now, membranes, asked), decay, weights)
        change(weights, asked, rules, shared)
        for name, s in now.items():
            spikes[name].append(s > 0)
    return weights, {name: np.array(s) for name, s in spikes.items()}


def slow_step(graph, pop, state, decay, weights):
    """Add a population's spikes, and what its synapses ask of each weight."""
    now, membranes, asked = state
    shapes = {"input": graph.input_shape, **{p.name: p.shape for p in graph.populations}}
    u, seen = np.zeros(int(np.prod(pop.shape))), []
    for path in pop.paths:
        part, meetings = slow_path(path, now[path.source], shapes[path.source], weights)
        u += path.gain * part
        seen += meetings
    if pop.bias is not None:
        u += np.broadcast_to(pop.bias.numpy(), pop.shape).ravel()
    v = decay * membranes[pop.name] + u
    post = v >= pop.threshold
    membranes[pop.name] = np.where(post, 0.0, v)
    now[pop.name] = post.astype(float)
    for name, index, signal, neurons, sign in seen:
        found = [(float(signal), sign)] * int(post[neurons].sum())
        asked.setdefault((name, index), []).extend(found)


def change(weights, asked, rules, shared):
    """Change every weight by what its synapses ask for, from the weights as they are."""
    old = {name: w.copy() for name, w in weights.items()}
    for (name, index), meetings in asked.items():
        if rules.get(name) is not None and meetings:
            each = [slow_change(rules[name], float(old[name][index]), *m) for m in meetings]
            weights[name][index] += sum(each) / (len(each) if shared == "mean" else 1)


@functools.cache
def slow_change(rule, weight, signal, sign):
    """What one synapse asks for: signal 1 together, 0 alone, a share of a window between."""
    w = torch.tensor([[sign * weight]], dtype=torch.float64)
    yes, no = torch.tensor([True]), torch.tensor([False])
    up, down = (float(rule.change(w, pre, yes)) - float(w) for pre in (yes, no))
    return sign * (signal * up + (1 - signal) * down)


def slow_path(path, x, shape, weights):
    """Current of the path, and for each synapse: layer, weight, pre signal, post neurons, sign."""
    meetings = []
    for op in path.ops:
        if isinstance(op, Flatten):
            shape = (int(np.prod(shape)),)
        elif isinstance(op, Pool):
            found, shape = windows(op, shape)
            x = np.array([(x[w].mean() if op.kind == "avg" else x[w].max()) for w in found])
            inside = {i: [o for o, w in enumerate(found) if i in w] for w in found for i in w}
            meetings = [
                (name, index, s, [t for p in posts for t in inside[p]], sign)
                for name, index, s, posts, sign in meetings
            ]
        elif isinstance(op, Scale):
            factor = np.repeat(op.factor.double().numpy(), int(np.prod(shape[1:])))
            x = x * factor
            meetings = [
                (name, index, s, posts, sign * (-1 if factor[posts[0]] < 0 else 1))
                for name, index, s, posts, sign in meetings
            ]
        else:
            pairs, out = pairs_of(op, shape)
            y = np.zeros(int(np.prod(out)))
            for index, pre, post in pairs:
                y[post] += weights[op.name][index] * x[pre]
                meetings.append((op.name, index, x[pre], [post], 1))
            x, shape = y, out
    return x, meetings
