"""Losses and decisions against autograd, torch and the published gradient."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from bioncl.learning.objective import decide, loss


@pytest.fixture
def logits():
    """Five rows; the second is silent, the third has a zero exactly at the kink."""
    z = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z[1] = -z[1].abs()
    z[2, 0] = 0.0
    return z.requires_grad_()


LABELS = torch.tensor([0, 1, 2, 3, 0])


def test_relu_loss_is_half_the_squared_error_of_the_activated_output(logits):
    a, y = logits.detach().numpy().clip(0), torch.eye(4).numpy()[LABELS]
    assert loss("relu", logits, LABELS).item() == pytest.approx((0.5 * (y - a) ** 2).sum() / 5)


def test_relu_gradient_skips_the_derivative_of_the_output(logits):
    """(a − y)/n everywhere, silent outputs included: the published delta."""
    loss("relu", logits, LABELS).backward()
    delta = (logits.detach().clamp(min=0) - torch.eye(4)[LABELS]) / 5
    torch.testing.assert_close(logits.grad, delta, rtol=1e-14, atol=1e-15)
    assert logits.grad[1, 1] == pytest.approx(-1 / 5)  # silent, and still pulled up


def test_softmax_loss_is_cross_entropy_with_gradient_p_minus_y(logits):
    value = loss("softmax", logits, LABELS)
    assert value.item() == pytest.approx(cross_entropy(logits, LABELS).item())
    value.backward()
    delta = (logits.detach().softmax(1) - torch.eye(4)[LABELS]) / 5
    torch.testing.assert_close(logits.grad, delta, rtol=1e-12, atol=1e-15)


def test_decisions():
    """Silent and equal outputs: the first one wins; softmax compares logits themselves."""
    z = torch.tensor([[-3.0, -1.0, -2.0], [0.0, 2.0, 2.0], [-1.0, 0.0, -2.0], [1.0, -1.0, 3.0]])
    assert decide("relu", z).tolist() == [0, 1, 0, 2]
    assert decide("softmax", z).tolist() == [1, 1, 1, 2]
