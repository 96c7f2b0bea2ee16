"""What a search of one night begins with: tasks learnt once, kept as a checkpoint."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bioncl.errors import SettingsError
from bioncl.experiments.single import sleep, train
from bioncl.experiments.tuning.evening import Evening
from bioncl.experiments.tuning.tune import tune
from bioncl.models.checkpoint import load as load_checkpoint
from bioncl.progress import Silent


def test_the_checkpoint_is_that_of_the_parts_one_by_one(night_plan, tmp_path):
    """Two tasks, the first asleep, by `bioncl train` and `bioncl sleep`."""
    searched = night_plan()
    Evening(searched, 2, 1000, tmp_path, Silent())
    config, paths = searched.config(1000), [tmp_path / name for name in "abc"]
    train(config, 1, None, paths[0], Silent())
    sleep(paths[0], paths[1], None, [], Silent())
    train(config, 2, paths[1], paths[2], Silent())
    mine = load_checkpoint(tmp_path / "awake" / "seed-1000.safetensors")
    theirs = load_checkpoint(paths[2])
    assert mine.tensors.keys() == theirs.tensors.keys()
    assert all(torch.equal(value, theirs.tensors[key]) for key, value in mine.tensors.items())
    for key in ("settings", "tasks_done", "asleep"):
        assert mine.header[key] == theirs.header[key]
    assert (mine.header["tasks_done"], mine.header["asleep"]) == (2, False)


def test_a_checkpoint_that_does_not_fit_is_made_anew(night_plan, tmp_path, learnt):
    """Of other settings, of another task, damaged, or asleep."""
    path = tmp_path / "awake" / "seed-1000.safetensors"
    for other, number in [
        (night_plan(), 2),
        (night_plan(more={"seed": 3, "train": {"lr": 0.1}}), 2),
    ]:
        Evening(other, number, 1000, tmp_path, Silent())
    Evening(night_plan(night=3), 3, 1000, tmp_path, Silent())
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    Evening(night_plan(night=3), 3, 1000, tmp_path, Silent())
    sleep(path, path, None, [], Silent())
    for _ in range(2):
        Evening(night_plan(night=3), 3, 1000, tmp_path, Silent())
    assert learnt == [1000] * 5


def test_no_night_is_judged_on_test_data(night_plan, tmp_path):
    """Whoever made the plan: nothing is learnt, nothing is slept."""
    searched = night_plan()
    on_test = replace(searched, held=replace(searched.held, config=searched.held.asked))
    with pytest.raises(SettingsError, match="held-out training data"):
        Evening(on_test, 2, 1000, tmp_path, Silent())
    with pytest.raises(SettingsError, match="held-out training data"):
        tune(on_test, tmp_path / "out", trials=1)
    assert list(tmp_path.iterdir()) == []
