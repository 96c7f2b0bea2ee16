"""What flows along an edge of a traced network: sums of linear operations on populations' spikes.

A signal is Σ_terms ops(source) + bias. Linear operations extend every term and act on the bias; an
addition joins the terms of two signals; a ReLU ends the signal and begins a population. Max pooling
is no linear operation: on spikes it joins the operations as it is, on a current it waits for the
ReLU that follows and changes places with it (both are monotone).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bioncl.spiking.graph.populations import (
    INPUT,
    Convolution,
    Flatten,
    Linear,
    Operation,
    Pool,
    Scale,
)


class Unsuitable(Exception):  # noqa: N818  (a reason that the walk turns into an UnsupportedError)
    """A step of the network cannot become part of a graph; the text says why."""


@dataclass(frozen=True)
class Term:
    """Operations on the spikes of one source, in order."""

    source: str
    ops: tuple[Operation, ...] = ()


@dataclass(frozen=True, eq=False)
class Signal:
    """A sum of terms and a bias.

    Attributes:
        inner: Shape of one sample of the sum, before what is waiting.
        terms: What is added, at least one.
        bias: Broadcastable to `inner`, or None.
        waiting: Max pooling (and flattening after it) that the next ReLU has to change places with.
        foldable: The layer that made this signal, if nobody else reads it or uses the layer:
            BatchNorm may be folded into it.
        layer: Place in the order of computation and name of the last layer it went through.
    """

    inner: tuple[int, ...]
    terms: tuple[Term, ...]
    bias: Tensor | None = None
    waiting: tuple[Operation, ...] = ()
    foldable: Linear | Convolution | None = None
    layer: tuple[int, str] = (0, "relu")

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample, as the network has it here."""
        shape = self.inner
        for op in self.waiting:
            shape = output_shape(op, shape)
        return shape

    @property
    def spikes(self) -> bool:
        """Whether this is one source's spikes, pooled or flattened or scaled at most."""
        one = len(self.terms) == 1 and self.bias is None and not self.waiting
        return one and not any(isinstance(op, Linear | Convolution) for op in self.terms[0].ops)

    def positive(self) -> bool:
        """Whether it surely is nowhere negative: spikes of a population, none scaled below 0."""
        if not self.spikes or self.terms[0].source == INPUT:
            return False
        scales = [op.factor for op in self.terms[0].ops if isinstance(op, Scale)]
        return all(bool((factor >= 0).all()) for factor in scales)

    def through(self, op: Operation) -> Signal:
        """Apply a linear operation, or flatten.

        Raises:
            Unsuitable: Max pooling of a current waits for its ReLU, or sizes do not fit.
        """
        shape = output_shape(op, self.shape)
        if self.waiting and isinstance(op, Flatten):
            return replace(self, waiting=(*self.waiting, op), foldable=None)
        if self.waiting:
            why = "it follows max pooling of values that may be negative, without a ReLU between"
            raise Unsuitable(why)
        terms = tuple(Term(term.source, (*term.ops, op)) for term in self.terms)
        bias = None if self.bias is None else _narrow(op(self.bias.expand(1, *self.inner))[0])
        return Signal(shape, terms, bias, layer=self.layer)

    def max_pool(self, pool: Pool) -> Signal:
        """Pool spikes now, or a current behind its ReLU."""
        shape = output_shape(pool, self.shape)
        if self.positive() or (self.spikes and not self.terms[0].ops):
            term = Term(self.terms[0].source, (*self.terms[0].ops, pool))
            return Signal(shape, (term,), layer=self.layer)
        return replace(self, waiting=(*self.waiting, pool), foldable=None)

    def affine(self, name: str, factor: Tensor, shift: Tensor | None) -> Signal:
        """Multiply each channel (dimension 1 of a batch) by `factor` and add `shift`, [channels].

        Raises:
            Unsuitable: Max pooling waits for its ReLU and channels are turned round or flattened.
        """
        if self.waiting and bool((factor < 0).any()):
            raise Unsuitable("it turns channels round (scale < 0) between max pooling and ReLU")
        if any(isinstance(op, Flatten) for op in self.waiting):
            raise Unsuitable("it follows max pooling and flattening, without a ReLU between")
        terms = self.terms
        if bool((factor != 1).any()):
            scale = Scale(name, factor)
            terms = tuple(Term(term.source, (*term.ops, scale)) for term in terms)
        changed = replace(self, terms=terms, foldable=None)
        return changed.rebiased(factor, shift)

    def rebiased(self, factor: Tensor, shift: Tensor | None) -> Signal:
        """Multiply the bias alone by `factor` and add `shift`, [channels] both."""
        ones = [1] * (len(self.inner) - 1)
        bias = None if self.bias is None else self.bias * factor.view(-1, *ones)
        return replace(self, bias=add(bias, None if shift is None else shift.view(-1, *ones)))

    def plus(self, other: Signal) -> Signal:
        """Add another signal of the same shape.

        Raises:
            Unsuitable: Shapes differ, or max pooling waits for its ReLU.
        """
        if self.waiting or other.waiting:
            raise Unsuitable("it adds maxima of values that may be negative; put a ReLU before")
        if self.inner != other.inner:
            raise Unsuitable(f"it adds {self.inner} and {other.inner}; sizes must be equal")
        terms = (*self.terms, *other.terms)
        layer = max(self.layer, other.layer)
        return Signal(self.inner, terms, add(self.bias, other.bias), layer=layer)


def output_shape(op: Operation, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of one sample after `op`.

    Raises:
        Unsuitable: The operation does not accept `shape`.
    """
    weight = getattr(op, "weight", getattr(op, "factor", torch.empty(0)))
    try:
        return tuple(op(weight.new_zeros((1, *shape))).shape[1:])
    except (RuntimeError, IndexError) as error:
        raise Unsuitable(f"it does not take a sample of shape {shape} ({error})") from error


def add(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    """The sum, where None is nothing."""
    if one is None or other is None:
        return other if one is None else one
    return one + other


def _narrow(bias: Tensor) -> Tensor:
    """The same with size 1 in dimensions after the first along which it is constant."""
    for dim in range(1, bias.dim()):
        first = bias.narrow(dim, 0, 1)
        bias = first if bool((bias == first).all()) else bias
    return bias
