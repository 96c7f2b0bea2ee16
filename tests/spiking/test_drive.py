"""Drives: rates, windows, silence, order, and what fixes the noise."""

from __future__ import annotations

import numpy as np
import pytest

from bioncl.errors import SettingsError
from bioncl.spiking import drive as module
from bioncl.spiking.drive import (
    ClassMeans,
    MaskedMean,
    MaskedSamples,
    Mean,
    OnOff,
    Seen,
    spikes,
    windows,
)

DRIVES = [MaskedMean(3), Mean(), MaskedSamples(2), ClassMeans(), OnOff(3, 7, 5)]
BOTH = pytest.mark.parametrize("drive", DRIVES, ids=lambda d: type(d).__name__)


def seen(shape=(1, 6, 5), count=8, low=0.1):
    inputs = np.random.default_rng(0).uniform(low, 1, (count, int(np.prod(shape))))
    return Seen(inputs.astype(np.float32), np.arange(count) % 4, shape)


def raster(drive, what, steps, scale, seed=0):
    parts = spikes(drive, what, steps, scale, np.random.default_rng(seed))
    return np.concatenate([part.raster() for part in parts])


def intensities(drive, what, steps, seed=0):
    """x(t) of every step, dense: [steps, inputs]."""
    dense = []
    for where, x in drive.intensities(what, steps, np.random.default_rng(seed)):
        block = np.zeros((len(x), what.inputs.shape[1]))
        np.put_along_axis(block, np.asarray(where), np.asarray(x), axis=1)
        dense.append(block)
    return np.concatenate(dense)


def test_rate_is_twice_dt_rate_x():
    """Over 10⁵ steps, each input within 3σ (and one in a hundred a little further)."""
    x = np.linspace(0, 1, 40, dtype=np.float32)
    what = Seen(np.stack([x, x]), np.zeros(2, np.int64), (40,))
    steps, dt, rate = 100_000, 0.001, 239.515363
    found = raster(Mean(), what, steps, 2 * dt * rate).mean(axis=0)
    p = 0.479030726 * x
    away = np.abs(found - p) / np.sqrt(np.maximum(p * (1 - p), 1e-12) / steps)
    assert found[0] == 0.0
    assert (away[1:] < 3).mean() > 0.97
    assert away[1:].max() < 4.5


def test_rate_saturates_at_one():
    x = np.array([0.0, 0.1, 0.5, 0.6, 1.0], np.float32)
    what = Seen(x[None], np.zeros(1, np.int64), (5,))
    found = raster(Mean(), what, 2000, 2.0).mean(axis=0)
    assert found.tolist()[0] == 0.0
    assert found.tolist()[2:] == [1.0, 1.0, 1.0]
    assert 0.15 < found[1] < 0.25


@pytest.mark.parametrize(("shape", "side"), [((1, 28, 28), 11), ((3, 6, 5), 2), ((6, 5), 5)])
def test_windows_are_all_places_inside_the_border(shape, side):
    """Each is a full square, in every channel; each place of the upper left corner comes once."""
    rows, columns = shape[-2:]
    channels = int(np.prod(shape[:-2]))
    found = windows(shape, side)
    assert found.shape == ((rows - side + 1) * (columns - side + 1), channels * side**2)
    corners = set()
    for row in found:
        image = np.zeros(channels * rows * columns, bool)
        image[row] = True
        image = image.reshape(channels, rows, columns)
        assert (image == image[0]).all()
        lit = np.argwhere(image[0])
        (top, left), (bottom, right) = lit.min(0), lit.max(0)
        assert (bottom - top + 1, right - left + 1, len(lit)) == (side, side, side**2)
        corners.add((int(top), int(left)))
    assert corners == {(r, c) for r in range(rows - side + 1) for c in range(columns - side + 1)}


@pytest.mark.parametrize("shape", [(1, 28, 28), (2, 12, 12)])
def test_masked_mean_is_the_mean_image_in_one_window_a_step(shape):
    """11×11 pixels (m = 10), all 18×18 places 0..17 reached, zero outside."""
    what = seen(shape)
    places = (shape[1] - 10) ** 2
    x = intensities(MaskedMean(11), what, 12 * places)
    assert ((x > 0).sum(axis=1) == shape[0] * 121).all()
    mean = what.inputs.mean(axis=0)
    assert np.array_equal(x[x > 0], np.broadcast_to(mean, x.shape)[x > 0].astype(np.float64))
    firsts, counts = np.unique((x > 0).argmax(axis=1), return_counts=True)
    corner_rows, corner_columns = np.divmod(firsts, shape[2])
    assert len(firsts) == places
    assert (corner_rows.max(), corner_columns.max()) == (shape[1] - 11, shape[2] - 11)
    chi2 = ((counts - 12) ** 2 / 12).sum()  # uniform: mean `places − 1`, variance twice that
    assert abs(chi2 - (places - 1)) < 5 * np.sqrt(2 * places)


def test_a_new_window_at_every_step():
    x = intensities(MaskedMean(3), seen((1, 20, 20)), 500) > 0
    assert (x[1:] != x[:-1]).any(axis=1).mean() > 0.98


@pytest.mark.parametrize("drive", [MaskedMean(11), OnOff(11)])
@pytest.mark.parametrize("shape", [(2048,), (1, 10, 28), (1, 28, 10)])
def test_inputs_without_room_for_a_window_are_refused(drive, shape):
    with pytest.raises(SettingsError, match="11×11 pixels.*'mean' for feature vectors"):
        raster(drive, seen(shape), 10, 0.5)


def test_mean_is_the_mean_at_every_step():
    what = seen(low=-0.5)
    what.inputs[:] = np.maximum(what.inputs, 0)
    what.inputs[:, 3] = 0
    x = intensities(Mean(), what, 600)
    np.testing.assert_allclose(x, np.tile(what.inputs.mean(axis=0), (600, 1)), rtol=1e-6)


def test_class_means_are_means_of_one_class():
    """Each step is the mean of one class; all four come, about equally often."""
    what = seen()
    means = [what.inputs[what.labels == c].mean(axis=0) for c in range(4)]
    x = intensities(ClassMeans(), what, 2000)
    which = np.stack([np.isclose(x, mean).all(axis=1) for mean in means], axis=1)
    assert (which.sum(axis=1) == 1).all()
    assert (abs(which.sum(axis=0) - 500) < 100).all()


def test_class_means_are_held():
    x = intensities(ClassMeans(hold=30), seen(), 1000)
    changes = np.flatnonzero((x[1:] != x[:-1]).any(axis=1)) + 1
    assert (changes % 30 == 0).all()
    assert 15 < len(changes) < 34  # three of four borders of 33


def test_masked_samples_are_means_of_few_inputs_behind_a_mask():
    """About a quarter is kept; what is kept is the mean of two of the inputs."""
    what = seen()
    x = intensities(MaskedSamples(samples=2, keep=0.25), what, 2000)
    kept = (x > 0).mean()
    assert abs(kept - 0.25) < 4 * np.sqrt(0.25 * 0.75 / x.size)
    pairs = {(a, b): (what.inputs[a] + what.inputs[b]) / 2 for a in range(8) for b in range(8)}
    for row in x[:50]:
        lit = row > 0
        assert any(np.allclose(row[lit], mean[lit], rtol=1e-5) for mean in pairs.values())
    assert abs((x[1:] > 0).astype(float) - (x[:-1] > 0)).mean() > 0.3  # a new mask each step


def test_masks_of_samples_let_everything_through_at_one():
    x = intensities(MaskedSamples(samples=1, keep=1.0), seen(), 100)
    assert {tuple(row) for row in x} <= {tuple(row.astype(float)) for row in seen().inputs}


def test_on_off_holds_a_window_and_then_is_silent():
    """50 steps of one window, 30 silent ones, over chunk borders too."""
    x = intensities(OnOff(3, on=50, off=30), seen(), 1300)
    assert ((x > 0).sum(axis=1) == np.where(np.arange(1300) % 80 < 50, 9, 0)).all()
    firsts = []
    for start in range(0, 1300, 80):
        block = x[start : min(start + 50, 1300)]
        assert (block == block[0]).all()
        firsts.append(int((block[0] > 0).argmax()))
    assert len(set(firsts)) > 5
    assert not raster(OnOff(3, on=50, off=30), seen(), 1300, 1e9)[50:80].any()


@BOTH
def test_inputs_without_intensity_never_fire(drive):
    what = seen()
    what.inputs[:, ::3] = 0
    found = raster(drive, what, 1200, 1e9)
    assert not found[:, ::3].any()
    assert found.any()


@BOTH
@pytest.mark.parametrize("steps", [0, 1, 499, 500, 501, 1234])
def test_chunks_make_up_the_night(drive, steps):
    """Steps add up; neurons are told; ids ascend strictly within each step and are in range."""
    what, total = seen(), 0
    for chunk in spikes(drive, what, steps, 0.6, np.random.default_rng(0)):
        total += chunk.steps
        assert chunk.neurons == 30
        assert 0 < chunk.steps <= module.CHUNK
        assert (chunk.ids.dtype, chunk.offsets.dtype) == (np.int32, np.int64)
        assert (chunk.offsets[0], chunk.offsets[-1]) == (0, len(chunk.ids))
        for start, stop in zip(chunk.offsets, chunk.offsets[1:], strict=False):
            ids = chunk.ids[start:stop]
            assert (np.diff(ids) > 0).all()
            assert ((ids >= 0) & (ids < 30)).all()
    assert total == steps


@BOTH
def test_equal_generators_give_equal_spikes(drive):
    first = raster(drive, seen(), 1100, 0.6)
    assert np.array_equal(first, raster(drive, seen(), 1100, 0.6))
    assert not np.array_equal(first, raster(drive, seen(), 1100, 0.6, seed=1))


@BOTH
def test_what_was_seen_is_left_alone(drive):
    what = seen()
    before = what.inputs.copy()
    raster(drive, what, 700, 0.6)
    assert np.array_equal(what.inputs, before)
