"""Features as codes: which vectors they are, and where they belong."""

from __future__ import annotations

import pytest
import torch

from bioncl.learning.feature_codes import FeatureCodes, as_features, as_vectors, features
from bioncl.learning.quantiser import ProductQuantiser
from bioncl.models.convnet import ConvNet
from bioncl.models.mlp import MLP

X = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
NETS = {
    "mlp": MLP(hidden=(12, 8), dropout=0.5),
    "convnet": ConvNet(channels=(4, 4), kernel=3, hidden=(8,), batch_norm=True, dropout=0.5),
}


def net(name):
    return NETS[name].build((1, 8, 8), 4, [(0, 1), (2, 3)], 0)


def test_maps_give_a_vector_of_channels_for_each_pixel():
    maps = torch.rand(3, 4, 2, 5)
    found = as_vectors(maps)
    wanted = [maps[n, :, i, j] for n in range(3) for i in range(2) for j in range(5)]
    assert torch.equal(found, torch.stack(wanted))
    assert torch.equal(as_features(found, (4, 2, 5)), maps)


def test_everything_else_gives_one_vector():
    rows = torch.rand(3, 7)
    assert torch.equal(as_vectors(rows), rows)
    assert torch.equal(as_features(rows, (7,)), rows)


@pytest.mark.parametrize("name", NETS)
def test_features_re_enter_at_their_layer(name):
    """Entering there gives the same logits as the inputs do, in evaluation."""
    model = net(name).eval()
    for layer in ("input", *model.layers[:-1]):
        found = features(model, layer, X)
        torch.testing.assert_close(model(found, layer), model(X))


@pytest.mark.parametrize("name", NETS)
def test_features_are_those_of_evaluation(name):
    """Neither dropout nor the batch changes them, nor do they change statistics or the mode."""
    model = net(name).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    found = features(model, model.layers[1], X)
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not found.requires_grad
    torch.testing.assert_close(features(model, model.layers[1], X[:1]), found[:1])


@pytest.mark.parametrize("shape", [(12,), (4, 3, 2)])
def test_a_code_has_a_byte_for_each_part_of_each_vector(shape):
    found = torch.rand(9, *shape)
    quantiser = ProductQuantiser.fit(as_vectors(found), parts=2, centroids=256, seed=0)
    codes = FeatureCodes(shape, quantiser)
    code = codes.encode(found)
    pixels = 1 if len(shape) == 1 else shape[1] * shape[2]
    assert code.nbytes == 9 * pixels * 2
    torch.testing.assert_close(codes.decode(code), found)  # as many centroids as vectors
