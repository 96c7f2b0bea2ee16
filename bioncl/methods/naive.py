"""Naive: train on one task after another and do nothing else; the lower end of every comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bioncl.learning.method import Method


@dataclass
class Naive(Method):
    """Plain sequential training."""

    paper: ClassVar[str] = "lower reference"
