"""What every registered builder of streams must do, on the smallest real set."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from pydantic import TypeAdapter

from bioncl.streams import STREAMS
from bioncl.streams.files import DataPlaces
from bioncl.streams.source import DataSource

SETTINGS = {
    "split": {"data": "digits", "order": "random"},
    "permuted": {"data": "digits", "tasks": 3},
    "rotated": {"data": "digits", "tasks": 3},
    "cross-modal": {"first": "digits", "second": "digits"},
    "patches": {},
}
SOURCE = DataSource(DataPlaces(download=False))


@pytest.mark.parametrize("name", STREAMS.names())
def test_builders_keep_the_contract(name):
    """Settings are frozen data; tasks fit the stream's outputs and shape; same seed, same data."""
    builder = TypeAdapter(STREAMS.load(name)).validate_python(SETTINGS[name])
    with pytest.raises(dataclasses.FrozenInstanceError):
        builder.scenario = "task"
    stream, again = builder.build(SOURCE, 5), builder.build(SOURCE, 5)
    assert len(stream) >= 2
    for index, task in enumerate(stream.tasks()):
        assert task.index == index
        assert list(task.outputs) == sorted(set(task.outputs))
        for part, twin in ((task.train, again.task(index).train), (task.test, again.test(index))):
            assert torch.equal(part.x, twin.x)
            assert torch.equal(part.y, twin.y)
            assert part.x.dtype == torch.float32
            assert part.y.dtype == torch.int64
            assert tuple(part.x.shape[1:]) == stream.input_shape
            assert set(part.y.tolist()) == set(task.outputs)
            assert max(task.outputs) < stream.outputs
            assert 0 <= part.x.min() <= part.x.max() <= 1 + 1e-6


@pytest.mark.parametrize("name", ["split", "permuted", "rotated"])
def test_seed_changes_what_is_left_to_chance(name):
    """Another seed gives another stream."""
    builder = STREAMS.load(name)(**SETTINGS[name])
    one, other = (builder.build(SOURCE, seed).task(1) for seed in (0, 1))
    assert not torch.equal(one.test.x[:20], other.test.x[:20])
