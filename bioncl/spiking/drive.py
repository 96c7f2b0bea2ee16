"""What drives a sleeping network: noise shaped by what was seen awake.

A drive turns inputs seen awake into an intensity x(t) in 0..1 for every input and step; input i
then fires with probability min(1, 2·dt·rate·x_i(t)). The factor 2 is the published one (authors'
code of Tadros et al. 2022). Random numbers are drawn only where x > 0 may hold, chunk by chunk, in
a fixed order.

| name | x(t) |
|---|---|
| masked-mean | mean image inside a square window, a new one at every step (published) |
| mean | the mean image, all of it, at every step (published for feature vectors) |
| masked-samples | mean of a few random inputs times a random pixel mask, both new at every step |
| class-means | the mean image of one random class, drawn at every step |
| on-off | masked-mean whose window is held for some steps, followed by silent steps |
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

import numpy as np
from annotated_types import Ge, Interval
from numpy.typing import NDArray

from bioncl.errors import SettingsError, describe
from bioncl.registry import Registry
from bioncl.traces.spikes import Spikes

CHUNK = 500
Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Seen:
    """What was seen awake and may shape the drive.

    Attributes:
        inputs: Float32 [n, inputs], flattened, 0..1.
        labels: int64 [n].
        shape: Shape of one input, such as (1, 28, 28).
    """

    inputs: Array
    labels: NDArray[np.int64]
    shape: tuple[int, ...]


class Drive(Protocol):
    """Settings of a drive."""

    def intensities(
        self, seen: Seen, steps: int, generator: np.random.Generator
    ) -> Iterator[tuple[NDArray[np.int64], Array]]:
        """Yield for each chunk of at most CHUNK steps: where x > 0 may hold, and x there.

        Yields:
            Pairs of input indices int64 [steps, k], ascending in each row, and x [steps, k].
        """


def spikes(
    drive: Drive, seen: Seen, steps: int, scale: float, generator: np.random.Generator
) -> Iterator[Spikes]:
    """Input spikes of a night of `steps` steps, chunk by chunk.

    Args:
        drive: What shapes the noise.
        seen: What was seen awake.
        steps: Length of the night.
        scale: Spike probability where x = 1, 2·dt·rate; clipped at 1 after multiplying with x.
        generator: Source of all randomness.
    """
    return (found for (found,) in spikes_at(drive, seen, steps, [scale], generator))


def spikes_at(
    drive: Drive, seen: Seen, steps: int, scales: Sequence[float], generator: np.random.Generator
) -> Iterator[list[Spikes]]:
    """The same at each of `scales`, from random numbers that are drawn once for all."""
    for where, x in drive.intensities(seen, steps, generator):
        chance = generator.random(x.shape, dtype=np.float32)
        yield [_firing(where, chance < scale * x, seen.inputs.shape[1]) for scale in scales]


def _firing(where: NDArray[np.int64], fires: NDArray[np.bool_], inputs: int) -> Spikes:
    offsets = np.zeros(len(fires) + 1, np.int64)
    np.cumsum(fires.sum(axis=1), out=offsets[1:])
    return Spikes(inputs, offsets, where[fires].astype(np.int32))


@dataclass(frozen=True)
class MaskedMean:
    """A window of the mean image, somewhere else at every step.

    Attributes:
        window: Side of the window in pixels; the published mask of m = 10 keeps 11.
    """

    window: Annotated[int, Ge(1)] = 11

    def intensities(
        self, seen: Seen, steps: int, generator: np.random.Generator
    ) -> Iterator[tuple[NDArray[np.int64], Array]]:
        """See `Drive`."""
        mean, indices = seen.inputs.mean(axis=0), windows(seen.shape, self.window)
        for count in chunks(steps):
            chosen = indices[generator.integers(len(indices), size=count)]
            yield chosen, mean[chosen]


@dataclass(frozen=True)
class Mean:
    """The mean input at every step."""

    def intensities(
        self, seen: Seen, steps: int, generator: np.random.Generator
    ) -> Iterator[tuple[NDArray[np.int64], Array]]:
        """See `Drive`."""
        mean = seen.inputs.mean(axis=0)
        used = np.flatnonzero(mean > 0)
        for count in chunks(steps):
            shape = (count, len(used))
            yield np.broadcast_to(used, shape), np.broadcast_to(mean[used], shape)


@dataclass(frozen=True)
class MaskedSamples:
    """The mean of a few random inputs, seen through a random mask.

    Attributes:
        samples: Inputs averaged at each step, drawn with replacement.
        keep: Probability that the mask keeps an input.
    """

    samples: Annotated[int, Ge(1)] = 10
    keep: Annotated[float, Interval(gt=0, le=1)] = 0.25

    def intensities(
        self, seen: Seen, steps: int, generator: np.random.Generator
    ) -> Iterator[tuple[NDArray[np.int64], Array]]:
        """See `Drive`."""
        inputs = seen.inputs.shape[1]
        for count in chunks(steps):
            chosen = generator.integers(len(seen.inputs), size=(count, self.samples))
            mean = np.stack([seen.inputs[row].mean(axis=0) for row in chosen])
            mean *= generator.random(mean.shape, dtype=np.float32) < self.keep
            yield np.broadcast_to(np.arange(inputs), mean.shape), mean


@dataclass(frozen=True)
class ClassMeans:
    """The mean input of one class, drawn anew every `hold` steps.

    Attributes:
        hold: Steps for which a class stays.
    """

    hold: Annotated[int, Ge(1)] = 1

    def intensities(
        self, seen: Seen, steps: int, generator: np.random.Generator
    ) -> Iterator[tuple[NDArray[np.int64], Array]]:
        """See `Drive`."""
        classes = np.unique(seen.labels)
        means = np.stack([seen.inputs[seen.labels == c].mean(axis=0) for c in classes])
        order = np.repeat(generator.integers(len(classes), size=-(-steps // self.hold)), self.hold)
        start = 0
        for count in chunks(steps):
            x = means[order[start : start + count]]
            start += count
            yield np.broadcast_to(np.arange(x.shape[1]), x.shape), x


@dataclass(frozen=True)
class OnOff:
    """Blocks of activity and silence: a window of the mean image for `on` steps, then nothing.

    Attributes:
        window: Side of the window in pixels.
        on: Steps for which a window stays.
        off: Silent steps after it.
    """

    window: Annotated[int, Ge(1)] = 11
    on: Annotated[int, Ge(1)] = 50
    off: Annotated[int, Ge(0)] = 50

    def intensities(
        self, seen: Seen, steps: int, generator: np.random.Generator
    ) -> Iterator[tuple[NDArray[np.int64], Array]]:
        """See `Drive`."""
        mean, indices = seen.inputs.mean(axis=0), windows(seen.shape, self.window)
        period = self.on + self.off
        order = generator.integers(len(indices), size=-(-steps // period))
        start = 0
        for count in chunks(steps):
            now = np.arange(start, start + count)
            chosen = indices[order[now // period]]
            yield chosen, mean[chosen] * (now % period < self.on).astype(np.float32)[:, None]
            start += count


DRIVES = Registry(
    "drive",
    {
        "masked-mean": ("bioncl.spiking.drive:MaskedMean", "window of the mean image (published)"),
        "mean": ("bioncl.spiking.drive:Mean", "mean input at every step"),
        "masked-samples": ("bioncl.spiking.drive:MaskedSamples", "masked mean of random inputs"),
        "class-means": ("bioncl.spiking.drive:ClassMeans", "mean input of a random class"),
        "on-off": ("bioncl.spiking.drive:OnOff", "blocks of activity and silence"),
    },
)


def chunks(steps: int) -> Iterator[int]:
    """Sizes of the chunks of a night."""
    for start in range(0, steps, CHUNK):
        yield min(CHUNK, steps - start)


def windows(shape: tuple[int, ...], side: int) -> NDArray[np.int64]:
    """Flat indices of every square window of an image, all channels: int64 [positions, k].

    Raises:
        SettingsError: The input is not an image, or the window does not fit into it.
    """
    if len(shape) < 2 or side > min(shape[-2:]):
        expected = f"an image of at least {side}×{side} pixels"
        hint = "Choose a smaller sleep.drive.window, or the drive 'mean' for feature vectors."
        raise SettingsError(
            describe(
                "The drive's window does not fit the input", expected=expected, got=shape, hint=hint
            )
        )
    flat = np.arange(int(np.prod(shape))).reshape(-1, *shape[-2:])
    views = np.lib.stride_tricks.sliding_window_view(flat, (side, side), axis=(1, 2))
    return views.transpose(1, 2, 0, 3, 4).reshape(-1, flat.shape[0] * side * side)
