"""What may be done to the pixels of a whole image set before any stream is cut from it."""

from __future__ import annotations

import dataclasses

import torch
from torch.nn.functional import pad

from bioncl.streams.stream import Examples, LabelledSet


def padded(images: LabelledSet, border: int) -> LabelledSet:
    """The set with `border` black pixels (value 0) on each side of every image [n, c, h, w]."""
    if border == 0:
        return images

    def framed(examples: Examples) -> Examples:
        return Examples(pad(examples.x, (border,) * 4), examples.y)

    return dataclasses.replace(images, train=framed(images.train), test=framed(images.test))


def standardised(images: LabelledSet) -> LabelledSet:
    """The set shifted and scaled so that its training images have mean 0 and variance 1.

    One mean and one standard deviation per channel, over all training images of the set: those of
    tasks still to come too, as usual in the papers that do it. The test images are treated alike.
    """
    std, mean = torch.std_mean(images.train.x, (0, 2, 3), correction=0, keepdim=True)

    def scaled(examples: Examples) -> Examples:
        return Examples((examples.x - mean).div_(std), examples.y)

    return dataclasses.replace(images, train=scaled(images.train), test=scaled(images.test))
