"""result.json and the JSON on standard output: every key of the contract, in every scenario."""

import json
import re

import pytest

import bioncl
from bioncl.experiments.result import RunResult

KEYS = {
    "schema": int,
    "bioncl": str,
    "settings": dict,
    "stream": str,
    "scenario": str,
    "method": str,
    "seed": int,
    "device": str,
    "accuracy": list,
    "accuracy_all": list,
    "acc": float,
    "bwt": float,
    "fwt": float,
    "forgetting": float,
    "seconds": dict,
    "memory_bytes": dict,
}
ASLEEP = {"accuracy_awake": list, "trace": str}
IMAGE = 4 * 8 * 8  # bytes of one of the digits, float32
LABEL = 8  # bytes of an int64


def result_of(settings, folder, *methods, scenario="class", **tables):
    """The result.json of a run, as plain JSON."""
    made = settings(*methods, **tables)
    made["stream"]["scenario"] = scenario
    bioncl.run(made, out=folder)
    return json.loads((folder / "result.json").read_text())


@pytest.mark.parametrize("scenario", ["class", "domain", "task"])
@pytest.mark.parametrize("methods", [("naive",), ("src",)])
def test_every_key_and_type(settings, tmp_path, methods, scenario):
    values = result_of(settings, tmp_path, *methods, scenario=scenario)
    expected = KEYS | (ASLEEP if "src" in methods else {})
    assert {key: type(values[key]) for key in expected} == expected
    assert ("accuracy_awake" in values) == ("trace" in values) == ("src" in methods)
    assert values["schema"] == 1
    assert values["bioncl"] == bioncl.__version__
    assert values["stream"] == "split-digits"
    assert (values["scenario"], values["method"]) == (scenario, "+".join(methods))
    assert (values["seed"], values["device"]) == (0, "cpu")
    assert set(values["seconds"]) == {"train", "sleep", "eval"}
    assert all(seconds >= 0 for seconds in values["seconds"].values())
    for name in ("accuracy", *(["accuracy_awake"] if "src" in methods else [])):
        matrix = values[name]
        assert [len(row) for row in matrix] == [3, 3, 3]
        assert all(0 <= a <= 1 for row in matrix for a in row)
    assert len(values["accuracy_all"]) == 3
    if "src" in methods:
        assert (tmp_path / values["trace"]).is_file()


@pytest.mark.parametrize("scenario", ["class", "domain", "task"])
def test_acc_is_what_the_contract_says(settings, tmp_path, scenario):
    """On the whole test set, whose tasks differ in size; or the mean over tasks."""
    from sklearn.datasets import load_digits

    groups = [[0, 1], [2, 3], [8, 9]]
    values = result_of(settings, tmp_path, "src", scenario=scenario, stream={"classes": groups})
    last = values["accuracy"][-1]
    labels = load_digits(return_X_y=True)[1]
    held_out = [sum(round(0.2 * sum(labels == c)) for c in group) for group in groups]
    if scenario == "task":
        assert values["acc"] == pytest.approx(sum(last) / 3)
    else:
        whole = sum(a * n for a, n in zip(last, held_out, strict=True)) / sum(held_out)
        assert values["acc"] == pytest.approx(whole)
        assert values["acc"] == values["accuracy_all"][-1]


def test_backward_transfer_and_forgetting_from_the_matrix(settings, tmp_path):
    values = result_of(settings, tmp_path, "src")
    a = values["accuracy"]
    assert values["bwt"] == pytest.approx(sum(a[2][j] - a[j][j] for j in (0, 1)) / 2)
    best = [max(a[k][j] for k in range(j, 2)) for j in (0, 1)]
    assert values["forgetting"] == pytest.approx(sum(best[j] - a[2][j] for j in (0, 1)) / 2)


@pytest.mark.parametrize(
    ("methods", "sees", "stored"),
    [
        (("naive",), None, 0),
        (("src",), "current", 0),
        (("rehearsal",), None, 30 * (IMAGE + LABEL + LABEL)),
        (("src",), "all", 2 * 20 * (IMAGE + LABEL)),
        (("joint",), None, 2 * 20 * (IMAGE + LABEL)),
    ],
)
def test_memory_is_what_is_carried_to_the_next_task(settings, tmp_path, methods, sees, stored):
    """Examples with label, and with rehearsal their task; old data that is read counts too."""
    tables = settings(*methods, stream={"train_per_task": 20})
    if "rehearsal" in methods:
        tables["methods"][0]["memory"] = 30
    if sees:
        tables["sleep"]["sees"] = sees
    memory = bioncl.run(tables).values["memory_bytes"]
    assert set(memory) == {"stored_examples", "method_state"}
    assert memory["stored_examples"] == stored


def test_the_recorded_settings_give_the_same_run(settings, tmp_path):
    values = result_of(settings, tmp_path / "one", "rehearsal", "src")
    again = bioncl.run(values["settings"])
    assert again.values["accuracy"] == values["accuracy"]
    assert again.values["settings"] == values["settings"]


def test_standard_output_holds_one_json_object_and_nothing_else(command, settings_file, tmp_path):
    out = tmp_path / "run"
    code, output, errors = command(
        "run", settings_file("src"), "--out", out, "--json", "--no-figures"
    )
    assert (code, errors) == (0, "")
    values = json.loads(output)
    assert values == json.loads((out / "result.json").read_text())
    assert RunResult.read(out / "result.json").values == values


def test_progress_goes_to_standard_error(command, settings_file, tmp_path):
    words = ["run", settings_file("src"), "--out", tmp_path / "run", "--no-figures"]
    code, output, errors = command(*words)
    assert code == 0
    assert "tasks: 3/3" in errors
    assert "epochs" not in output
    assert re.search(r"^accuracy \d+\.\d %", output, re.MULTILINE)
    code, output, errors = command(*words[:3], tmp_path / "quiet", "--no-figures", "--quiet")
    assert (code, errors) == (0, "")
