"""The folder of a run: who may run in it, and which checkpoint a run goes on from."""

import json
import random
import subprocess
import sys

import pytest
import torch
from filelock import FileLock, Timeout

from bioncl.errors import CheckpointError, InputError, StorageError
from bioncl.experiments.folder import RunFolder, differences
from bioncl.models.checkpoint import Checkpoint

SETTINGS = {"seed": 1, "train": {"lr": 0.1, "epochs": 2}, "device": "cpu"}


@pytest.fixture
def folder(tmp_path):
    """The folder of a run that has not begun."""
    return RunFolder(tmp_path / "run")


def fill(folder, tasks, *, only_last=False):
    """Do as a run does that has learnt so many tasks."""
    folder.claim(SETTINGS)
    for task in range(tasks):
        made = Checkpoint({"w": torch.full((50,), float(task))}, {"tasks_done": task + 1})
        folder.keep(task, made, only_last=only_last)


def test_a_folder_goes_on_with_the_same_settings_only(folder):
    fill(folder, 1)
    folder.check(SETTINGS, resume=True)
    with pytest.raises(InputError, match=r"other settings \(seed, train\.lr\)"):
        folder.check(SETTINGS | {"seed": 2, "train": {"lr": 1.0, "epochs": 2}}, resume=True)


def test_what_cannot_change_the_result_may_change(folder):
    fill(folder, 1)
    folder.check(SETTINGS | {"device": "cuda", "title": "new"}, resume=True)


def test_a_finished_task_is_not_replaced_without_resume(folder):
    fill(folder, 1)
    with pytest.raises(InputError, match="--resume"):
        folder.check(SETTINGS, resume=False)


def test_a_run_that_has_finished_no_task_gives_way_to_another(folder):
    """A mistake found after the start, such as missing data, needs no new folder."""
    folder.claim(SETTINGS)
    folder.trace.write_text("of a night whose task was not finished")
    folder.check(SETTINGS | {"seed": 2}, resume=False)
    folder.claim(SETTINGS | {"seed": 2})
    assert json.loads(folder.settings.read_text())["seed"] == 2
    assert not folder.trace.exists()


@pytest.mark.parametrize("content", [None, "{", "[1]"])
def test_settings_that_are_gone_or_damaged_are_not_guessed(folder, content):
    fill(folder, 1)
    folder.settings.unlink()
    if content is not None:
        folder.settings.write_text(content)
    with pytest.raises(InputError, match=r"settings\.json is missing or damaged"):
        folder.check(SETTINGS, resume=True)


def test_the_newest_whole_checkpoint_is_taken(folder):
    fill(folder, 12)
    done, checkpoint = folder.latest()
    assert (done, checkpoint.header["tasks_done"]) == (12, 12)
    whole = folder.checkpoint(11).read_bytes()
    folder.checkpoint(11).write_bytes(whole[: len(whole) // 2])
    assert folder.latest()[0] == 11


def test_more_than_99_tasks_are_in_order_and_strangers_are_left_alone(folder):
    fill(folder, 1)
    for number in (99, 100, 101):
        folder.keep(number - 1, Checkpoint({}, {"tasks_done": number}), only_last=False)
    folder.checkpoint(0).rename(folder.checkpoint(0).with_name("task-01 copy.safetensors"))
    assert folder.latest()[0] == 101


def test_without_a_whole_checkpoint_nothing_is_overwritten(folder):
    """Starting again in silence would throw finished tasks away."""
    fill(folder, 1)
    content = bytearray(folder.checkpoint(0).read_bytes())
    content[random.Random(0).randrange(len(content) - 200, len(content))] ^= 1
    folder.checkpoint(0).write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        folder.latest()


def test_a_checkpoint_of_another_task_is_refused(folder):
    fill(folder, 1)
    folder.checkpoint(0).rename(folder.checkpoint(5))
    with pytest.raises(CheckpointError, match="tasks learnt: expected 6, got 1"):
        folder.latest()


def test_only_the_last_checkpoint_is_kept_if_told(folder):
    fill(folder, 3, only_last=True)
    assert [path.stem for path in folder.checkpoints()] == ["task-03"]


def test_two_processes_cannot_run_in_one_folder(folder):
    hold = (
        "import sys; from filelock import FileLock\n"
        "with FileLock(sys.argv[1]): print('held', flush=True); input()"
    )
    folder.path.mkdir()
    other = subprocess.Popen(
        [sys.executable, "-c", hold, folder.path / ".lock"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout.readline() == "held\n"
    with pytest.raises(InputError, match="Another process is running"), folder.locked():
        pass
    other.communicate("\n")
    with folder.locked():
        assert folder.path.is_dir()


def test_the_lock_holds_while_a_run_is_there(folder):
    """Seen from another lock object, as another process would have."""
    with folder.locked(), pytest.raises(Timeout):
        FileLock(folder.path / ".lock", is_singleton=False).acquire(timeout=0)


def test_a_folder_in_which_nothing_was_made_disappears(folder):
    with folder.locked():
        pass
    assert not folder.path.exists()


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StorageError, match="Cannot write"),
        RunFolder(tmp_path / "file" / "run").locked(),
    ):
        pass


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {}, ["a"]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, ["a.c"]),
        ({"a": {"b": 1}}, {"a": 1}, ["a"]),
        ({"methods": [{"x": 1}]}, {"methods": [{"x": 2}]}, ["methods"]),
        ({"data": {"dir": "x"}, "sleep": {"threads": 1}}, {"data": {}, "sleep": {}}, []),
        ({"model": {"device": 1}}, {"model": {"device": 2}}, ["model.device"]),
    ],
)
def test_differences_are_dotted_keys(old, new, expected):
    assert sorted(differences(old, new)) == expected
