"""Borders and standardised pixels against numpy."""

from __future__ import annotations

import numpy
import torch

from bioncl.streams.labelled.pixels import padded, standardised
from bioncl.streams.stream import Examples, LabelledSet


def images(channels: int = 3) -> LabelledSet:
    generator = torch.Generator().manual_seed(3)
    x = torch.rand(7, channels, 4, 5, generator=generator)
    y = torch.arange(7) % 2
    return LabelledSet("made", Examples(x[:5], y[:5]), Examples(x[5:], y[5:]), 2)


def test_a_border_is_numpys_padding_with_zeros():
    """On both parts, all four sides; the set given is left alone."""
    given = images()
    found = padded(given, 2)
    frame = ((0, 0), (0, 0), (2, 2), (2, 2))
    for old, new in ((given.train, found.train), (given.test, found.test)):
        assert numpy.array_equal(new.x.numpy(), numpy.pad(old.x.numpy(), frame))
        assert torch.equal(old.y, new.y)
    assert given.input_shape == (3, 4, 5)
    assert found.input_shape == (3, 8, 9)


def test_no_border_changes_nothing():
    given = images()
    assert padded(given, 0) is given


def test_standardised_pixels_use_mean_and_std_of_training_images_per_channel():
    """Test images are moved by the training images' figures, not by their own."""
    given = images()
    found = standardised(given)
    train = given.train.x.numpy().astype(numpy.float64)
    mean = train.mean(axis=(0, 2, 3), keepdims=True)
    std = train.std(axis=(0, 2, 3), keepdims=True)
    for old, new in ((given.train, found.train), (given.test, found.test)):
        expected = (old.x.numpy() - mean) / std
        numpy.testing.assert_allclose(new.x.numpy(), expected, atol=1e-6)
    assert found.train.x.dtype == torch.float32
