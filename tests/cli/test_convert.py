"""`bioncl convert`: a checkpoint's twin for other libraries, and how faithful it is."""

import json

import pytest
import torch
from safetensors import safe_open

from bioncl.errors import UnsupportedError
from bioncl.experiments.single import score
from bioncl.progress import Silent
from bioncl.spiking.interchange.norse_module import load_norse
from bioncl.spiking.interchange.snntorch_module import load_snntorch
from bioncl.spiking.libraries import library


def load_nir(path):
    """With snntorch, which adds a state that we do not need."""
    return library("snntorch.import_nir").import_from_nir(library("nir").read(path))


LOADERS = {"snntorch": load_snntorch, "norse": load_norse, "nir": load_nir}
NEEDS = {"snntorch": ["snntorch"], "norse": ["norse.torch"], "nir": ["nir", "snntorch.import_nir"]}


def need(modules):
    try:
        for module in modules:
            library(module)
    except UnsupportedError as error:
        pytest.skip(str(error))


@pytest.fixture
def day(command, settings_file, tmp_path):
    """A checkpoint of the first two of three tasks."""
    path = settings_file("rehearsal", train={"epochs": 6})
    for task in (1, 2):
        start = ["--from", tmp_path / "day1"] if task == 2 else []
        words = ["train", path, "--task", task, *start, "--out", tmp_path / f"day{task}", "-q"]
        assert command(*words)[0] == 0
    return tmp_path / "day2"


def learnt(checkpoint):
    """The network, and all test data of the two tasks it has learnt."""
    _, learner = score(checkpoint, [], Silent())
    parts = [learner.stream.test(i) for i in (0, 1)]
    learner.model.eval().use_task(None)
    return learner.model, torch.cat([p.x for p in parts]), torch.cat([p.y for p in parts])


@pytest.mark.parametrize("to", LOADERS)
def test_the_written_twin_is_as_good_as_it_says(command, day, tmp_path, to):
    """Loaded by the other library and shown the test data, step after step."""
    need(NEEDS[to])
    out = tmp_path / "twin"
    words = ["convert", day, "--to", to, "--out", out, "--steps", 20, "--examples", 0, "--json"]
    code, output, errors = command(*words)
    told = json.loads(output)
    assert (code, errors) == (0, "")
    model, x, y = learnt(day)
    with torch.no_grad():
        logits = model(x)
        module, state, total = LOADERS[to](out), None, 0
        for now in range(1, 21):
            current, state = module(x, state)
            total = total + current
            if now in told["steps"]:
                place, choice = told["steps"].index(now), total.argmax(1)
                right = (choice == y).float().mean().item()
                alike = (choice == logits.argmax(1)).float().mean().item()
                assert told["accuracy_twin"][place] == pytest.approx(right, abs=1.5 / len(y))
                assert told["agreement"][place] == pytest.approx(alike, abs=1.5 / len(y))
    assert told["steps"] == [1, 2, 4, 8, 16, 20]
    assert told["examples"] == len(y)
    assert told["accuracy"] == pytest.approx((logits.argmax(1) == y).float().mean().item())
    assert told["accuracy"] > 0.8
    assert told["reset"] == ("zero" if to == "nir" else "subtract")
    assert told["file"] == str(out)


def test_the_mean_current_stands_for_the_logits(command, day, tmp_path):
    """In their units: what normalisation divides by is taken back at the output."""
    need(["snntorch"])
    words = ["convert", day, "--to", "snntorch", "--out", tmp_path / "twin", "--steps", 4]
    assert command(*words, "--gains", "max", "-q")[0] == 0
    model, x, _ = learnt(day)
    module, state, total = load_snntorch(tmp_path / "twin"), None, 0
    with torch.no_grad():
        for _ in range(400):
            current, state = module(x[:50], state)
            total = total + current
        logits = model(x[:50])
    assert (total / 400 - logits).abs().max() < 0.03 * logits.abs().max()


def test_the_tables_tell_the_same_as_json(command, day, tmp_path):
    words = ["convert", day, "--to", "norse", "--out", tmp_path / "twin", "--steps", 8, "-q"]
    told = json.loads(command(*words, "--json")[1])
    code, output, errors = command(*words)
    assert (code, errors) == (0, "")
    lines = [line.split() for line in output.splitlines()]
    pairs = zip(told["accuracy_twin"], told["agreement"], strict=True)
    numbers = [[f"{100 * a:.1f}", f"{100 * b:.1f}"] for a, b in pairs]
    assert lines[1:5] == [[str(n), *row] for n, row in zip((1, 2, 4, 8), numbers, strict=True)]
    assert lines[5] == ["network", f"{100 * told['accuracy']:.1f}"]
    assert [line[0] for line in lines[7:-1]] == [p["name"] for p in told["populations"]]
    assert len(told["populations"]) == 2
    assert output.splitlines()[-1] == f"twin {tmp_path / 'twin'} (norse, reset subtract)"


@pytest.mark.parametrize("gains", ["max", "percentile", "published", "diehl"])
def test_each_kind_of_gains_converts(command, day, tmp_path, gains):
    """After 64 steps the twin decides as the network does nine times out of ten."""
    words = ["convert", day, "--to", "snntorch", "--out", tmp_path / "twin", "--gains", gains]
    told = json.loads(command(*words, "--steps", 64, "--examples", 100, "--json")[1])
    assert (told["gains"], told["examples"]) == (gains, 100)
    assert told["agreement"][-1] > 0.9
    assert all(0 < p["relative"] < 0.5 for p in told["populations"])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--to", "nir", "--reset", "subtract"], "cannot say reset 'subtract'"),
        (["--to", "onnx"], "onnx"),
        (["--to", "norse", "--gains", "mean"], "mean"),
        (["--to", "norse", "--steps", "0"], "0"),
        (["--to", "norse", "--set", "data.size=huge"], "data.size"),
    ],
)
def test_wrong_wishes_are_refused_and_the_file_kept(command, day, tmp_path, words, reason):
    if "nir" in words:
        need(["nir"])
    out = tmp_path / "twin"
    out.write_text("kept")
    code, output, errors = command("convert", day, "--out", out, *words)
    assert (code, output) == (2, "")
    assert reason in errors
    assert out.read_text() == "kept"


def test_a_missing_checkpoint_is_refused(command, tmp_path):
    words = ["convert", tmp_path / "none", "--to", "norse", "--out", tmp_path / "twin"]
    code, _, errors = command(*words)
    assert code == 2
    assert "No checkpoint at" in errors


def test_a_twin_is_no_checkpoint_to_go_on_from(command, day, tmp_path):
    assert command("convert", day, "--to", "norse", "--out", tmp_path / "twin", "-q")[0] == 0
    code, _, errors = command("eval", tmp_path / "twin")
    assert code == 2
    assert "settings" in errors


def test_a_full_disk_leaves_the_old_file(command, day, tmp_path, monkeypatch):
    """The twin cannot be renamed into place: exit code 1, and the file as it was."""
    out = tmp_path / "twin"
    out.write_text("kept")

    def full(part, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bioncl.atomic.commit", full)
    code, _, errors = command("convert", day, "--to", "norse", "--out", out, "-q")
    assert code == 1
    assert "No space left" in errors
    assert out.read_text() == "kept"
    assert not list(tmp_path.glob("*.part"))


def test_signed_spikes_change_the_comparison_and_not_the_file(command, day, tmp_path):
    """No format can tell a library to take spikes back."""
    told = []
    for name, flag in (("plain", []), ("signed", ["--signed"])):
        words = ["convert", day, "--to", "snntorch", "--out", tmp_path / name, "--json", *flag]
        code, output, _ = command(*words)
        assert code == 0
        told.append(json.loads(output))
    assert [one["signed"] for one in told] == [False, True]
    assert told[0]["populations"] != told[1]["populations"]
    with (
        safe_open(tmp_path / "plain", "pt") as plain,
        safe_open(tmp_path / "signed", "pt") as signed,
    ):
        assert plain.metadata() == signed.metadata()
        names = plain.keys()
        assert names == signed.keys()
        for name in names:
            assert torch.equal(plain.get_tensor(name), signed.get_tensor(name))
