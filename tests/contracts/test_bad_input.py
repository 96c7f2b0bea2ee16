"""Whatever is wrong with what is handed in: one clear message, the right exit code, no damage.

Standard output stays empty, no traceback appears, files that stood there are left as they were,
and nothing half-written remains. Files that cannot be written are in test_full_disk.py.
"""

import gzip
import pickle
import subprocess
import sys

import numpy
import pytest
import safetensors.torch
import torch

from bioncl.experiments.folder import RunFolder

# -- settings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ({"train": {"lernrate": 0.1}}, ["train.lernrate: unknown key", "Known: batch_size"]),
        ({"train": {"lr": "fast"}}, ['train.lr: expected a number, got "fast"']),
        ({"train": {"lr": -1.0}}, ["train.lr: expected more than 0.0, got -1.0"]),
        ({"sleep": {"engine": "evnt"}}, ["sleep.engine", "Did you mean 'event'"]),
        (
            {"train": {"lr": -1.0, "epochs": "x"}, "model": {"hiden": [3]}, "seed": -1},
            ["train.lr: ", "train.epochs: ", "Did you mean 'hidden'", "seed: "],
        ),
    ],
)
def test_wrong_settings(refused, settings_file, tmp_path, tables, told):
    message = refused("run", settings_file("naive", **tables), "--out", tmp_path / "run")
    assert all(text in message for text in told), message


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"train = [", "not valid TOML"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"", "stream.name: m"),
    ],
)
def test_a_file_that_is_no_settings(refused, tmp_path, content, told):
    (tmp_path / "bad.toml").write_bytes(content)
    assert told in refused("run", tmp_path / "bad.toml", "--out", tmp_path / "run")


@pytest.mark.parametrize("given", ["mnist5k", "mnist-5k.toml", "mnist_5k"])
def test_an_unknown_name_gets_the_close_ones(refused, tmp_path, given):
    message = refused("run", given, "--out", tmp_path / "run")
    assert "Did you mean mnist-5k" in message
    assert "bioncl run --list" in message
    assert len(message) < 300


def test_no_settings_at_all(refused):
    assert "bioncl run --list" in refused("run")


@pytest.mark.parametrize("given", ["train.lr", "=3", "train.lr:3"])
def test_a_set_without_key_and_value(refused, settings_file, given):
    assert "KEY=VALUE" in refused("run", settings_file(), "--set", given)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--seed", "-1"], "--seed"),
        (["--device", "tpu"], "--device"),
        (["--set", "methods.3.name=src"], "a place from 0 to 0"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_wrong_options(refused, settings_file, words, told):
    assert told in refused("run", settings_file(), *words)


def test_a_device_that_is_not_here(refused, settings_file, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    message = refused("run", settings_file(), "--device", "cuda", "--out", tmp_path / "run")
    assert "No CUDA device" in message


# -- data --------------------------------------------------------------------------------------


@pytest.fixture
def _no_data(monkeypatch, tmp_path):
    """No data set lies on this machine."""
    monkeypatch.delenv("BIONCL_DATA", raising=False)
    monkeypatch.setenv("BIONCL_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("_no_data")
def test_missing_data_with_the_network_forbidden(refused, tmp_path):
    words = ["--set", "data.download=false", "--out", tmp_path / "run"]
    message = refused("run", "tadros2022-mnist", *words)
    assert "train-images" in message
    assert "downloading is off" in message
    assert "bioncl data fetch mnist" in message


@pytest.mark.usefixtures("_no_data")
def test_damaged_data(refused, tmp_path):
    """A file of the right name and the wrong bytes is neither used nor removed."""
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (tmp_path / f"{name}-ubyte.gz").write_bytes(gzip.compress(b"not pictures"))
    words = ["--data-dir", tmp_path, "--set", "data.download=false", "--out", tmp_path / "run"]
    message = refused("run", "tadros2022-mnist", *words)
    assert "is damaged or an" in message
    assert "Replace the file" in message


def features(path, **changes):
    """A features file, wrong where told."""
    rng = numpy.random.default_rng(0)
    arrays = {
        "x_train": rng.random((40, 6), dtype=numpy.float32),
        "y_train": numpy.arange(40) % 4,
        "x_test": rng.random((8, 6), dtype=numpy.float32),
        "y_test": numpy.arange(8) % 4,
    }
    numpy.savez(path, **(arrays | changes))
    return {"data": {"name": "features", "path": str(path)}, "classes": [[0, 1], [2, 3]]}


def test_a_good_features_file_is_learnt(command, settings_file, tmp_path):
    """Otherwise the tests below could fail for another reason."""
    stream = features(tmp_path / "f.npz")
    words = ["--out", tmp_path / "run", "--no-figures"]
    assert command("run", settings_file(stream=stream), *words)[0] == 0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"y_train": numpy.arange(39) % 4}, "[40, 6] and [39]"),
        ({"x_test": numpy.zeros((8, 5), numpy.float32)}, "expected (6,), got (5,)"),
        ({"x_train": numpy.full((40, 6), numpy.nan)}, "240 that are not"),
        ({"y_test": numpy.full(8, 9)}, "Test labels"),
        ({"y_train": numpy.array(["a"] * 40)}, "expected numbers"),
    ],
)
def test_features_that_do_not_fit_together(refused, settings_file, tmp_path, changes, told):
    stream = features(tmp_path / "f.npz", **changes)
    assert told in refused("run", settings_file(stream=stream), "--out", tmp_path / "run")


@pytest.mark.parametrize("damage", ["cut", "text", "missing", "flipped"])
def test_a_damaged_features_file(refused, settings_file, tmp_path, damage):
    path = tmp_path / "f.npz"
    stream = features(path)
    whole = path.read_bytes()
    if damage == "cut":
        path.write_bytes(whole[:300])
    if damage == "text":
        path.write_text("hello")
    if damage == "missing":
        path.unlink()
    if damage == "flipped":
        middle = whole.index(b"x_train.npy") + 200  # in the pixels
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    assert "f.npz" in refused("run", settings_file(stream=stream), "--out", tmp_path / "run")


@pytest.mark.parametrize(
    ("sleep", "told"),
    [
        ({"drive": {"name": "masked-mean"}}, "expected an image of at least 11×11"),
        ({"thresholds": [1.0, 2.0]}, "sleep.thresholds: expected 1 or 3 values"),
        ({"downscale": [1.0, 2.0]}, "sleep.downscale: expected 1 or 3 values"),
        ({"bounds": [[1, 0]]}, "sleep.bounds: expected lower ≤ upper"),
        ({"gains": {"name": "fixed", "values": [1.0, 2.0]}}, "sleep.gains.values: expected 1 or 3"),
        ({"steps": [5, 5]}, "sleep.steps: expected a number for task 3"),
    ],
)
def test_a_night_that_does_not_fit_is_refused_before_any_training(
    refused, settings_file, tmp_path, sleep, told
):
    path = settings_file("src", sleep=sleep)
    for words in (["run", path], ["train", path, "--task", 1]):
        message = refused(*words, "--out", tmp_path / "out")
        assert told in message
        assert "epochs" not in message


# -- checkpoints -------------------------------------------------------------------------------


def flipped(whole, place):
    """The bytes with one bit flipped."""
    return whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :]


SPOILT = {
    "flipped in the tensors": lambda whole: flipped(whole, len(whole) - 3),
    "flipped in the header": lambda whole: flipped(whole, whole.index(b"tasks_done")),
    "truncated": lambda whole: whole[: len(whole) // 2],
    "empty": lambda whole: b"",
    "text": lambda whole: b"I am a checkpoint.",
    "foreign": lambda whole: safetensors.torch.save({"weight": torch.ones(3)}),
    "pickle": lambda whole: pickle.dumps({"weight": [1, 2, 3]}),
}


@pytest.mark.parametrize("kind", [*SPOILT, "missing"])
def test_a_damaged_checkpoint(refused, checkpoint, settings_file, tmp_path, kind):
    whole = checkpoint.read_bytes()
    checkpoint.unlink()
    if kind != "missing":
        checkpoint.write_bytes(SPOILT[kind](whole))
    out = tmp_path / "new"
    for words in (
        ["eval", checkpoint],
        ["sleep", checkpoint, "--out", out],
        ["train", settings_file("src"), "--task", 2, "--from", checkpoint, "--out", out],
    ):
        assert str(checkpoint) in refused(*words)


def test_resuming_from_damaged_checkpoints_only(refused, command, settings_file, tmp_path):
    """Nothing is thrown away in silence."""
    words = ["run", settings_file(), "--out", tmp_path / "run", "--no-figures"]
    command(*words)
    (tmp_path / "run" / "result.json").unlink()
    for path in RunFolder(tmp_path / "run").checkpoints():
        path.write_bytes(SPOILT["truncated"](path.read_bytes()))
    assert "damaged" in refused(*words, "--resume")


# -- train, sleep, eval ------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["0", "4", "99", "one"])
def test_a_task_that_is_not_there(refused, settings_file, tmp_path, task):
    message = refused("train", settings_file(), "--task", task, "--out", tmp_path / "c")
    assert "--task" in message


def test_a_later_task_without_the_one_before(refused, settings_file, tmp_path):
    assert "--from" in refused("train", settings_file(), "--task", 2, "--out", tmp_path / "c")


def test_the_wrong_task_before(refused, checkpoint, settings_file, tmp_path):
    words = ["--task", 3, "--from", checkpoint, "--out", tmp_path / "c"]
    assert "expected 2, got 1" in refused("train", settings_file("src"), *words)


def test_other_settings_than_the_checkpoint(refused, checkpoint, settings_file, tmp_path):
    words = ["--task", 2, "--from", checkpoint, "--out", tmp_path / "c"]
    message = refused("train", settings_file("src"), *words, "--set", "train.lr=0.1", "--seed", 4)
    assert "(seed, train.lr)" in message


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--steps", "-5"], "--steps"),
        (["--engine", "evnt"], "Did you mean 'event'"),
        (["--rule", "gatd"], "Did you mean 'gated'"),
        (["--set", "sleep.setps=3"], "Did you mean 'steps'"),
        (["--set", "sleep.thresholds=[1.0, 2.0]"], "sleep.thresholds"),
    ],
)
def test_a_night_that_cannot_be(refused, checkpoint, tmp_path, words, told):
    assert told in refused("sleep", checkpoint, "--out", tmp_path / "night", *words)


def test_a_checkpoint_evaluated_as_another_network(refused, checkpoint):
    message = refused("eval", checkpoint, "--set", "model.hidden=[5]")
    assert "does not fit" in message


# -- folders -----------------------------------------------------------------------------------


@pytest.fixture
def finished(command, settings_file, tmp_path):
    """The words of a run that has ended."""
    words = ["run", settings_file(), "--out", tmp_path / "run", "--no-figures"]
    assert command(*words)[0] == 0
    return words


def test_a_folder_that_holds_a_run(refused, finished):
    assert "--resume" in refused(*finished)


def test_resuming_with_other_settings(refused, finished):
    message = refused(*finished, "--resume", "--seed", 5, "--set", "train.lr=0.3")
    assert "(seed, train.lr)" in message


def test_two_runs_in_one_folder(refused, finished, tmp_path):
    """The other run is a process of its own, as locks are."""
    hold = (
        "import sys; from filelock import FileLock\n"
        "with FileLock(sys.argv[1]): print('held', flush=True); input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", hold, tmp_path / "run" / ".lock"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout.readline() == "held\n"
    try:
        assert "Another process" in refused(*finished, "--resume")
    finally:
        other.communicate("\n")
    assert other.returncode == 0


def test_a_damaged_result(refused, finished, tmp_path):
    (tmp_path / "run" / "result.json").write_text("{")
    assert "is not a result" in refused(*finished, "--resume")
