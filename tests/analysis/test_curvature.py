"""The top eigenvalue against dense matrices and against torch's own Hessian."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy, linear

from bioncl.analysis.curvature import hessian_product, top_eigenvalue


def symmetric(values, seed=0):
    """A dense matrix with these eigenvalues."""
    generator = torch.Generator().manual_seed(seed)
    count = len(values)
    noise = torch.randn(count, count, generator=generator, dtype=torch.float64)
    basis, _ = torch.linalg.qr(noise)
    return basis @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ basis.T


def start(size, seed=1, dtype=torch.float64):
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize(
    "values",
    [
        [5.0, 1.0, 0.5, 0.1, 0.0, 0.0],
        [1.0, -30.0, -2.0, 0.3, 0.2, 0.1],  # the largest in size is another one
        [-1.0, -2.0, -3.0, -4.0, -5.0, -6.0],
        [2.0, 2.0, 2.0, 1.0, 1.0, 0.0],  # not a single one
    ],
)
def test_it_is_the_largest_in_order(values):
    matrix = symmetric(values)
    found = top_eigenvalue(lambda v: matrix @ v, start(6), tolerance=1e-10)
    assert found.value == pytest.approx(max(values), abs=1e-9)
    off = matrix @ found.vector - found.value * found.vector
    assert float(off.norm()) < 1e-7
    assert float(found.vector.norm()) == pytest.approx(1)


def test_the_residual_is_the_true_one_and_bounds_the_error():
    """Stopped early; the distance to the nearest eigenvalue is at most the residual."""
    matrix = symmetric([1.0 + 0.01 * i for i in range(200)])
    found = top_eigenvalue(lambda v: matrix @ v, start(200), steps=8, tolerance=0)
    off = float((matrix @ found.vector - found.value * found.vector).norm())
    assert found.products == 8
    assert found.residual == pytest.approx(off, rel=1e-6)
    assert off > 0
    assert float((torch.linalg.eigvalsh(matrix) - found.value).abs().min()) <= off


def test_it_stops_when_it_knows_enough():
    """And counts its products."""
    matrix, calls = symmetric([100.0] + [1.0 + 0.01 * i for i in range(99)]), []

    def product(v):
        calls.append(1)
        return matrix @ v

    found = top_eigenvalue(product, start(100), tolerance=1e-4)
    assert found.products == len(calls) < 15
    assert found.value == pytest.approx(100, rel=1e-4)


def test_a_zero_matrix_has_no_curvature():
    found = top_eigenvalue(torch.zeros_like, start(4))
    assert (found.value, found.residual, found.products) == (0.0, 0.0, 1)


def test_single_precision_keeps_its_basis_orthogonal():
    """Without a second pass the ghost of a converged eigenvalue would come back."""
    matrix = symmetric([1000.0] + [0.001 * i for i in range(79)]).float()
    found = top_eigenvalue(lambda v: matrix @ v, start(80, dtype=torch.float32), tolerance=0)
    assert found.value == pytest.approx(1000, rel=1e-5)


@pytest.fixture
def tiny():
    """A network of 5-4-3 with one bias and tanh: inputs, labels, parameters, loss as a function."""
    generator = torch.Generator().manual_seed(3)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    x, y = draw(12, 5), torch.arange(12) % 3
    parameters = [
        draw(4, 5).requires_grad_(),
        draw(4).requires_grad_(),
        draw(3, 4).requires_grad_(),
    ]

    def loss(x, y, first, bias, second):
        return cross_entropy(linear(linear(x, first, bias).tanh(), second), y)

    return x, y, parameters, loss


def dense(tiny):
    """Its Hessian [36, 36] by torch.autograd.functional."""
    x, y, parameters, loss = tiny
    sizes = [p.numel() for p in parameters]

    def flat(vector):
        parts = zip(vector.split(sizes), parameters, strict=True)
        return loss(x, y, *[part.view_as(p) for part, p in parts])

    vector = torch.cat([p.detach().reshape(-1) for p in parameters])
    return torch.autograd.functional.hessian(flat, vector)


def test_products_are_those_of_torchs_hessian(tiny):
    x, y, parameters, loss = tiny
    product = hessian_product(lambda: [loss(x, y, *parameters)], parameters)
    vector = start(36)
    torch.testing.assert_close(product(vector), dense(tiny) @ vector)


def test_batches_add_up(tiny):
    """Thirds of the examples, each with a third of the mean."""
    x, y, parameters, loss = tiny
    product = hessian_product(
        lambda: (loss(x[i : i + 4], y[i : i + 4], *parameters) / 3 for i in (0, 4, 8)), parameters
    )
    vector = start(36)
    torch.testing.assert_close(product(vector), dense(tiny) @ vector)


def test_the_top_eigenvalue_of_a_network_is_that_of_its_dense_hessian(tiny):
    x, y, parameters, loss = tiny
    product = hessian_product(lambda: [loss(x, y, *parameters)], parameters)
    found = top_eigenvalue(product, start(36), tolerance=1e-8)
    values, vectors = torch.linalg.eigh(dense(tiny))
    assert values[0] < 0  # a saddle, so order and size are told apart
    assert found.value == pytest.approx(float(values[-1]), rel=1e-7)
    assert abs(float(found.vector @ vectors[:, -1])) == pytest.approx(1, abs=1e-5)


def test_what_a_loss_does_not_depend_on_has_no_curvature(tiny):
    """A parameter that is not used, and a loss that is linear in what it uses."""
    _, _, (first, *_), _ = tiny
    unused = torch.ones(2, dtype=torch.float64, requires_grad=True)
    product = hessian_product(lambda: [(first**2).sum(), unused.sum()], [first, unused])
    vector = start(22)
    expected = torch.cat([2 * vector[:20], torch.zeros(2, dtype=torch.float64)])
    torch.testing.assert_close(product(vector), expected)
