"""Orthonormal rows against QR and singular values in double precision."""

from __future__ import annotations

import pytest
import torch

from bioncl.learning.orthogonal import extended, off


def rows_of(count, width=40, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, width, generator=generator, dtype=dtype)


def basis_of(count, width=40, seed=1):
    return torch.linalg.qr(rows_of(count, width, seed, torch.float64).T).Q.T


@pytest.mark.parametrize("count", [0, 1, 30])
def test_off_is_the_rest_of_least_squares(count):
    basis, rows = basis_of(count), rows_of(3, dtype=torch.float64)
    fit = torch.linalg.lstsq(basis.T, rows.T).solution if count else torch.zeros(0, 3).double()
    torch.testing.assert_close(off(rows, basis), rows - (basis.T @ fit).T)


def test_little_that_is_left_is_orthogonal_too():
    """A millionth of the vector lies off the basis; one pass alone leaves it oblique."""
    basis = basis_of(20).float()
    rest = off(rows_of(1, dtype=torch.float64), basis.double()).float()
    row = basis.sum(0, keepdim=True) + 1e-6 * rest
    found = off(row, basis)
    once = row - (row @ basis.T) @ basis
    assert (once @ basis.T).abs().max() > 1e-3 * once.norm()
    assert (found @ basis.T).abs().max() < 1e-5 * found.norm()


@pytest.mark.parametrize("count", [3, 60, 130])
def test_extended_is_orthonormal_and_spans_the_rows(count):
    basis, rows = basis_of(7, 200).float(), rows_of(count, 200)
    found = extended(basis, rows, 1e-3)
    assert torch.equal(found[:7], basis)
    assert len(found) == 7 + count
    torch.testing.assert_close(found @ found.T, torch.eye(len(found)), rtol=0, atol=2e-6)
    assert (off(rows, found).norm(dim=1) < 1e-5 * rows.norm(dim=1)).all()


def test_nearly_dependent_rows_stay_orthonormal():
    """They have 0.2 % of their length off the others: kept at a thousandth, not at a hundredth."""
    basis, odd = basis_of(10, 200).float(), rows_of(5, 200, seed=3)
    rows = rows_of(5, 10, seed=2) @ basis
    rows = rows + 2e-3 * odd / odd.norm(dim=1, keepdim=True) * rows.norm(dim=1, keepdim=True)
    found = extended(basis, rows, 1e-3)
    assert len(found) == 15
    torch.testing.assert_close(found @ found.T, torch.eye(15), rtol=0, atol=2e-6)
    assert len(extended(basis, rows, 1e-2)) == 10


def test_dependent_and_zero_rows_are_dropped():
    rows = rows_of(4)
    doubled = torch.cat([rows, rows[:2] + rows[2:], torch.zeros(1, 40)])
    assert len(extended(torch.empty(0, 40), doubled, 1e-3)) == 4
