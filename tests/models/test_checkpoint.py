"""Checkpoints: the way there and back, and every kind of damage."""

from __future__ import annotations

import json
import pickle

import pytest
import torch
from safetensors.torch import save_file

from bioncl.errors import CheckpointError, StorageError
from bioncl.models.checkpoint import Checkpoint, load, save

TENSORS = {
    "model.weight": torch.arange(6.0).view(2, 3),
    "model.scalar": torch.tensor(3),
    "method.0.flags": torch.tensor([True, False]),
    "method.0.none": torch.empty(0, 4),
    "optimizer.v": torch.tensor([0.1, float("nan"), float("inf")], dtype=torch.float64),
}
HEADER = {"settings": {"seed": 1, "title": "näive"}, "tasks_done": 2, "progress": [[0.5, 0.1]]}


@pytest.fixture
def path(tmp_path):
    save(tmp_path / "a.safetensors", Checkpoint(TENSORS, HEADER))
    return tmp_path / "a.safetensors"


def test_there_and_back(path):
    found = load(path)
    assert found.header == HEADER
    assert found.tensors.keys() == TENSORS.keys()
    for name, value in TENSORS.items():
        assert found.tensors[name].dtype == value.dtype
        assert found.tensors[name].shape == value.shape
        assert torch.equal(found.tensors[name].nan_to_num(7), value.nan_to_num(7))


def test_part_cuts_the_prefix_off(path):
    assert set(load(path).part("method.0.")) == {"flags", "none"}


def test_views_and_transposes_are_kept_as_they_look(tmp_path):
    big = torch.arange(100.0).view(10, 10)
    save(tmp_path / "b", Checkpoint({"slice": big[:2], "turned": big.T, "step": big[:, 3]}, {}))
    found = load(tmp_path / "b").tensors
    assert torch.equal(found["slice"], big[:2])
    assert torch.equal(found["turned"], big.T)
    assert torch.equal(found["step"], big[:, 3])


def test_every_flipped_bit_of_content_is_noticed(path):
    """A flip in any byte of tensors or header is an error, never other numbers."""
    whole = path.read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 97)):
        broken = bytearray(whole)
        broken[place] ^= 4
        path.write_bytes(broken)
        with pytest.raises(CheckpointError):
            load(path)


def test_numbers_read_as_another_type_or_shape_are_noticed(path):
    whole = path.read_bytes()
    for old, new in ((b'"F32"', b'"I32"'), (b"[2,3]", b"[3,2]")):
        assert old in whole
        path.write_bytes(whole.replace(old, new))
        with pytest.raises(CheckpointError, match="SHA-256"):
            load(path)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_cut_off_file_is_refused(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CheckpointError, match="damaged"):
        load(path)


def test_nothing_in_a_pickle_is_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath("hit").touch, ())

    (tmp_path / "p").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError):
        load(tmp_path / "p")
    assert not (tmp_path / "hit").exists()


def test_foreign_newer_and_missing_files_are_told_apart(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign")
    with pytest.raises(CheckpointError, match="not a bioncl checkpoint"):
        load(tmp_path / "foreign")
    facts = {"format": "bioncl-checkpoint", "version": "99", "header": json.dumps({})}
    save_file({"a": torch.zeros(1)}, tmp_path / "newer", metadata=facts)
    with pytest.raises(CheckpointError, match="newer bioncl"):
        load(tmp_path / "newer")
    with pytest.raises(CheckpointError, match="No checkpoint"):
        load(tmp_path / "missing")


def test_failed_write_leaves_the_old_file(path, monkeypatch):
    before = path.read_bytes()

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bioncl.models.checkpoint.save_file", full)
    with pytest.raises(StorageError, match="No space left"):
        save(path, Checkpoint({"a": torch.zeros(1)}, {}))
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_header_with_a_number_json_has_not_is_refused_before_writing(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        save(tmp_path / "c", Checkpoint({}, {"acc": float("nan")}))
    assert not list(tmp_path.iterdir())
