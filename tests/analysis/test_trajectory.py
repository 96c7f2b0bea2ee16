"""PCA of weight snapshots against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from bioncl.analysis import trajectory as module
from bioncl.analysis.trajectory import layer_products, path_lengths, trajectory, trajectory_of
from bioncl.errors import InputError


def snapshots_of(seed, count=8):
    random = np.random.default_rng(seed)
    start = [10 + random.normal(size=(6, 5)), random.normal(size=(3, 6))]
    return [[w + 0.1 * k * random.normal(size=w.shape) for w in start] for k in range(count)]


@pytest.mark.parametrize("block", [7, 1 << 17])
@pytest.mark.parametrize("seed", range(3))
def test_coordinates_and_shares_are_those_of_scikit_learn(seed, block, monkeypatch):
    """Up to the sign of a component, in whatever blocks the weights are taken."""
    monkeypatch.setattr(module, "_BLOCK", block)
    snapshots = snapshots_of(seed)
    flat = np.array([np.concatenate([w.ravel() for w in layers]) for layers in snapshots])
    model = PCA(4, svd_solver="full")
    expected = model.fit_transform(flat)
    found = trajectory(snapshots, 4)
    signs = np.sign((expected * found.coordinates).sum(axis=0))
    np.testing.assert_allclose(found.coordinates, expected * signs, atol=1e-9)
    np.testing.assert_allclose(found.explained, model.explained_variance_ratio_, atol=1e-12)


def test_a_straight_path_has_one_component_of_its_length():
    """Steps of length 1 along a line, with large weights beneath; the sign is fixed."""
    direction = np.zeros((4, 4))
    direction[1, 2] = 1.0
    found = trajectory([[1e6 + k * direction] for k in range(5)], 2)
    np.testing.assert_allclose(np.abs(np.diff(found.coordinates[:, 0])), 1.0, atol=1e-9)
    np.testing.assert_allclose(found.explained, [1.0, 0.0], atol=1e-12)
    assert found.coordinates[:, 0].max() == np.abs(found.coordinates[:, 0]).max()


@pytest.mark.parametrize("count", [1, 4])
def test_weights_that_stay_have_no_direction(count):
    found = trajectory([[np.full((2, 3), 0.1)]] * count, 3)
    assert found.coordinates.tolist() == [[0.0] * min(count, 3)] * count
    assert np.isnan(found.explained).all()


def test_snapshots_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="at least 1"):
        trajectory([])
    with pytest.raises(InputError, match="shape"):
        trajectory([[np.ones((2, 3))], [np.ones((3, 2))]])
    with pytest.raises(InputError, match="layers"):
        trajectory([[np.ones((2, 3))], [np.ones((2, 3))] * 2])


def test_products_of_layers_add_up_and_tell_the_distances():
    """Layers one by one give the path of all weights; other shapes are refused."""
    snapshots = snapshots_of(4)
    products = sum(layer_products(list(layer)) for layer in zip(*snapshots, strict=True))
    together, whole = trajectory_of(products), trajectory(snapshots)
    np.testing.assert_allclose(together.coordinates, whole.coordinates, atol=1e-12)
    flat = np.array([np.concatenate([w.ravel() for w in layers]) for layers in snapshots])
    expected = np.linalg.norm(np.diff(flat, axis=0), axis=1)
    np.testing.assert_allclose(path_lengths(products), expected, rtol=1e-12)
    assert path_lengths(products[:1, :1]).shape == (0,)
    with pytest.raises(InputError, match="snapshots"):
        layer_products([np.zeros((2, 3)), np.zeros((3, 2))])
