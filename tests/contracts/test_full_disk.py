"""A file that cannot be written: one clear message, exit code 1 and nothing half-written.

Old files stay as they were, and a run goes on when there is room again.
"""

import errno
import json
import os
import resource

from bioncl import atomic


def no_room(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_no_permission(refused, settings_file, checkpoint, tmp_path):
    """A path below a file cannot be written, not even by root."""
    (tmp_path / "file").write_text("")
    below = tmp_path / "file" / "below"
    for words in (
        ["run", settings_file("src"), "--out", below],
        ["train", settings_file("src"), "--task", 1, "--out", below],
        ["sleep", checkpoint, "--out", below],
    ):
        assert "Cannot write" in refused(*words, code=1)


def test_a_disk_that_is_full_when_a_checkpoint_is_written(
    refused, checkpoint, settings_file, monkeypatch
):
    monkeypatch.setattr(atomic, "commit", no_room)
    words = ["train", settings_file("src"), "--task", 1, "--out", checkpoint]
    assert "No space left" in refused(*words, code=1)


def test_a_run_that_meets_a_full_disk_goes_on_when_there_is_room(
    command, settings_file, tmp_path, monkeypatch
):
    calls = []

    def third_fails(part, path):
        calls.append(path)
        return no_room() if len(calls) == 3 else commit(part, path)

    commit = atomic.commit
    monkeypatch.setattr(atomic, "commit", third_fails)
    words = ["run", settings_file(), "--out", tmp_path / "run", "--no-figures", "--json"]
    code, output, errors = command(*words)
    assert (code, output) == (1, "")
    assert "No space left" in errors
    names = sorted(path.name for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert names == ["settings.json", "task-01.safetensors"]
    code, output, _ = command(*words, "--resume")
    whole = command(*words[:3], tmp_path / "peace", "--no-figures", "--json")
    assert json.loads(output)["accuracy"] == json.loads(whole[1])["accuracy"]


def test_a_real_limit_on_the_size_of_files(command, settings_file, tmp_path):
    """The operating system cuts the write of the first checkpoint short."""
    path = settings_file(model={"hidden": [64, 64]})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    try:
        code, output, errors = command(
            "run", path, "--out", tmp_path / "run", "--json", "--no-figures"
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (code, output) == (1, ""), errors
    assert errors.startswith("bioncl: error: Cannot write ")
    assert len(errors.splitlines()) == 1
    left = [path.name for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert left == ["settings.json"]
