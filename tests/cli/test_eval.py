"""`bioncl eval`: a checkpoint's accuracies are those that its run wrote down."""

import json

import pytest


@pytest.fixture
def run(command, settings_file, tmp_path):
    """The folder and the result of a run."""
    words = ["run", settings_file("src"), "--out", tmp_path / "run", "--no-figures", "--json"]
    return tmp_path / "run", json.loads(command(*words)[1])


def test_every_checkpoint_scores_as_its_run_did(command, run):
    folder, result = run
    for number, row in enumerate(result["accuracy"], start=1):
        path = folder / "checkpoints" / f"task-0{number}.safetensors"
        code, output, errors = command("eval", path, "--json")
        assert (code, errors) == (0, "")
        values = json.loads(output)
        assert values["accuracy"] == row
        assert values["accuracy_all"] == result["accuracy_all"][number - 1]
        assert values["tasks"] == ["classes 0, 1", "classes 2, 3", "classes 4, 5"]
        assert (values["method"], values["scenario"], values["seed"]) == ("src", "class", 0)


def test_the_table_has_a_line_for_each_task_and_one_for_all(command, run):
    folder, result = run
    code, output, _ = command("eval", folder / "checkpoints" / "task-03.safetensors")
    lines = output.splitlines()
    assert code == 0
    assert len(lines) == 5
    assert lines[1].split()[-1] == f"{100 * result['accuracy'][-1][0]:.1f}"
    assert lines[-1].split() == ["all", f"{100 * result['acc']:.1f}"]
