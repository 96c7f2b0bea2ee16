"""Product quantisation against plain loops and scikit-learn."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from bioncl.errors import UnsupportedError
from bioncl.learning import quantiser as module
from bioncl.learning.quantiser import ProductQuantiser
from bioncl.seeding import derive


def vectors_of(count=300, width=12, seed=0):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def fitted():
    return ProductQuantiser.fit(vectors_of(), parts=4, centroids=16, seed=5)


def test_codes_are_the_nearest_centroids(fitted):
    """One vector, one part and one centroid after another."""
    x = vectors_of(50, seed=1)
    books = fitted.codebooks.double().numpy()
    for vector, code in zip(x.double().numpy(), fitted.encode(x).tolist(), strict=True):
        for part, number in enumerate(code):
            piece = vector[3 * part : 3 * part + 3]
            distances = [((piece - centroid) ** 2).sum() for centroid in books[part]]
            assert distances[number] <= min(distances) + 1e-5


def test_decoding_puts_centroids_side_by_side(fitted):
    codes = torch.randint(16, (20, 4), generator=torch.Generator().manual_seed(2))
    found = fitted.decode(codes.to(torch.uint8))
    for row, code in zip(found, codes.tolist(), strict=True):
        assert torch.equal(row, torch.cat([fitted.codebooks[p, c] for p, c in enumerate(code)]))


def test_what_was_decoded_has_the_same_code(fitted):
    codes = fitted.encode(vectors_of(seed=3))
    assert codes.dtype == torch.uint8
    assert codes.shape == (300, 4)
    assert torch.equal(fitted.encode(fitted.decode(codes)), codes)


def test_codebooks_are_those_of_scikit_learn(fitted):
    """k-means of each part, on the same vectors in the same order."""
    x = vectors_of()
    order = torch.randperm(300, generator=module.torch_generator(5, "quantiser", "vectors"))
    for part in range(4):
        seed = derive(5, "quantiser", part) % 2**32
        k_means = KMeans(16, init="random", n_init=1, max_iter=25, random_state=seed)
        k_means.fit(x[order][:, 3 * part : 3 * part + 3].contiguous().numpy())
        found = fitted.codebooks[part].numpy()
        np.testing.assert_allclose(found, k_means.cluster_centers_, rtol=1e-4, atol=1e-5)


def test_fitted_codebooks_beat_random_ones_and_more_parts_beat_fewer(fitted):
    x = vectors_of()

    def error(quantiser):
        return float((quantiser.decode(quantiser.encode(x)) - x).square().mean())

    random = ProductQuantiser(vectors_of(64, 3, seed=9).unflatten(0, (4, 16)))
    coarse = ProductQuantiser.fit(x, parts=2, centroids=16, seed=5)
    assert error(fitted) < 0.8 * error(random)
    assert error(fitted) < 0.8 * error(coarse)


def test_as_many_centroids_as_vectors_give_them_back():
    x = vectors_of(20)
    quantiser = ProductQuantiser.fit(x, parts=3, centroids=256, seed=0)
    torch.testing.assert_close(quantiser.decode(quantiser.encode(x)), x)


def test_equal_vectors_do_no_harm():
    """Fewer different points than centroids, without a warning."""
    x = vectors_of(3).repeat(10, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quantiser = ProductQuantiser.fit(x, parts=1, centroids=8, seed=0)
    torch.testing.assert_close(quantiser.decode(quantiser.encode(x)), x)


def test_the_same_seed_gives_the_same_codebooks(fitted):
    again = ProductQuantiser.fit(vectors_of(), parts=4, centroids=16, seed=5)
    assert torch.equal(again.codebooks, fitted.codebooks)
    other = ProductQuantiser.fit(vectors_of(), parts=4, centroids=16, seed=6)
    assert not torch.equal(other.codebooks, fitted.codebooks)


def test_chunks_do_not_show(fitted, monkeypatch):
    x = vectors_of(seed=4)
    wanted = fitted.encode(x)
    monkeypatch.setattr(module, "CHUNK", 7 * 64)
    assert torch.equal(fitted.encode(x), wanted)


def test_parts_have_to_divide_the_vectors():
    with pytest.raises(UnsupportedError, match="divisor of 12"):
        ProductQuantiser.fit(vectors_of(), parts=5, centroids=4, seed=0)
