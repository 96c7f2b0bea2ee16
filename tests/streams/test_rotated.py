"""Rotated streams: images against SciPy's rotation, angles against their bins."""

from __future__ import annotations

from dataclasses import replace

import numpy
import pytest
import torch
from scipy.ndimage import rotate as scipy_rotate

from bioncl.errors import DataError
from bioncl.streams.rotated import Rotated, rotate
from bioncl.streams.stream import Examples

IMAGES = torch.rand(3, 2, 9, 9, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("degrees", [7.5, 30, 45, 90, 180, 271.0, -20])
@pytest.mark.parametrize("shape", [(9, 9), (8, 8), (5, 9), (28, 12)])
def test_rotation_is_scipys_bilinear_rotation(degrees, shape):
    """Same centre, same direction, same interpolation with zeros outside, square or not."""
    x = torch.rand(3, 2, *shape, generator=torch.Generator().manual_seed(1))
    expected = scipy_rotate(
        x.double().numpy(), degrees, axes=(3, 2), reshape=False, order=1, mode="grid-constant"
    )
    assert numpy.allclose(rotate(x, degrees).numpy(), expected, atol=2e-5)


def test_quarter_turns_are_counter_clockwise_and_whole_turns_exact():
    """As numpy.rot90 turns, and nothing at all for 0 and 360."""
    turned = rotate(IMAGES, 90).numpy()
    assert numpy.allclose(turned, numpy.rot90(IMAGES.numpy(), axes=(2, 3)), atol=1e-5)
    assert torch.equal(rotate(IMAGES, 0), IMAGES)
    assert torch.equal(rotate(IMAGES, 360), IMAGES)


def test_image_is_turned_the_same_alone_or_among_others():
    """Images do not mix although they are turned together."""
    together = rotate(IMAGES, 33)
    alone = torch.cat([rotate(IMAGES[k : k + 1], 33) for k in range(3)])
    assert torch.allclose(together, alone, atol=1e-7)


def test_drawn_angles_lie_in_their_bins():
    """The k-th of 20 equal bins of 0..180, anew for each seed, spread over the bin."""
    drawn = [Rotated(tasks=20, max_angle=180).drawn_angles(seed) for seed in range(30)]
    for angles in drawn:
        assert all(9 * k <= angle < 9 * (k + 1) for k, angle in enumerate(angles))
    within = numpy.array(drawn).ravel() % 9 / 9
    assert within.mean() == pytest.approx(0.5, abs=0.05)
    assert drawn[0] == Rotated(tasks=20).drawn_angles(0) != drawn[1]


def test_listed_and_stepped_angles():
    """Angles as given, or multiples of the step."""
    assert Rotated(angles=(0.0, 45.0)).drawn_angles(0) == [0, 45]
    assert Rotated(step=10).drawn_angles(0) == [0, 10, 20, 30, 40]
    assert Rotated(step=-5, tasks=3).drawn_angles(0) == [0, -5, -10]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"angles": (1.0,), "step": 2.0}, r"one of .*\['angles', 'step'\]"),
        ({"step": 1.0, "max_angle": 90.0}, "one of"),
        ({"angles": (1.0, 2.0), "tasks": 3}, "expected 3, got 2"),
        ({"angles": ()}, "got 0"),
        ({"scenario": "rotation"}, "Scenario"),
    ],
)
def test_contradicting_settings_are_refused(numbered, source_of, settings, told):
    """One way of choosing angles, as many as tasks."""
    with pytest.raises(DataError, match=told):
        Rotated("numbered", **settings).build(source_of(numbered()), 0)


def test_stream_turns_training_and_test_images(numbered, source_of):
    """Task k is the whole set turned by the k-th angle, labels as they were."""
    whole = numbered()
    stream = Rotated("numbered", angles=(0.0, 90.0)).build(source_of(whole), 0)
    assert (stream.outputs, len(stream), stream.input_shape) == (4, 2, (1, 2, 3))
    assert torch.equal(stream.task(0).train.x, whole.train.x)
    task = stream.task(1)
    assert torch.equal(task.train.x, rotate(whole.train.x, 90))
    assert torch.equal(task.test.x, rotate(whole.test.x, 90))
    assert torch.equal(task.train.y, whole.train.y)
    assert task.name == "turned by 90 degrees"


def test_features_cannot_be_turned(numbered, source_of):
    """Vectors have no rows and columns."""

    def flat(part):
        return Examples(part.x.flatten(1), part.y)

    whole = numbered()
    vectors = replace(whole, train=flat(whole.train), test=flat(whole.test))
    with pytest.raises(DataError, match="images"):
        Rotated("numbered").build(source_of(vectors), 0)
