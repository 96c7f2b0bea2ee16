"""`bioncl trace`: each command on a recorded run, its numbers against plain NumPy on the arrays."""

import json

import h5py
import numpy as np
import pytest

from bioncl.cli.errors import run_command
from bioncl.cli.main import cli
from bioncl.traces import Spikes
from bioncl.traces.hdf5_writer import TraceFile

STEPS = 300
LAYERS = ["input", "hidden1", "hidden2", "output"]


@pytest.fixture
def silent(tmp_path):
    """A night in which a layer of three neurons never fires, with awake activations."""
    file = TraceFile(tmp_path / "silent.h5", [("input", 4), ("output", 3)], settings={})
    weights = [np.zeros((3, 4))]
    with file.night(0, task=0, steps=8) as recorder:
        codes = np.eye(3, dtype=np.float16)
        recorder.arrays({"awake/classes": np.arange(2), "awake/labels": np.array([0, 0, 1])})
        recorder.arrays({"awake/means/output": codes[:2], "awake/before/output": codes})
        recorder.arrays({"awake/means/input": np.zeros((2, 4), np.float16)})
        recorder.spikes(0, 0, Spikes.from_raster(np.ones((8, 4), bool)))
        recorder.spikes(1, 0, Spikes.from_raster(np.zeros((8, 3), bool)))
        recorder.weights(["output"], weights, weights)
        recorder.arrays({"awake/after/output": np.zeros_like(codes)})
    return tmp_path / "silent.h5"


def test_info_tells_layers_nights_and_accuracies(path, trace, shown):
    found = shown("info", path, "--json")
    assert found["layers"] == {"input": 64, "hidden1": 20, "hidden2": 16, "output": 10}
    assert found["bytes"] == path.stat().st_size
    assert found["complete"]
    assert [night["recorded"] for night in found["nights"]] == [STEPS, STEPS]
    with h5py.File(path, locking=False) as file:
        total = {name: len(file[f"spikes/{name}/node_ids"]) for name in LAYERS}
    for name in LAYERS:
        assert sum(night["spikes"][name] for night in found["nights"]) == total[name]
    last = found["nights"][1]
    assert last["rates_hz"]["input"] == pytest.approx(last["spikes"]["input"] / 64 / 0.3)
    assert last["facts"]["accuracy_all_after"] == trace.nights[1].facts["accuracy_all_after"]
    assert [night["index"] for night in shown("info", path, "--night", 0, "--json")["nights"]] == [
        0
    ]
    text = shown("info", path)
    assert "split, digits, src" in text
    assert "settings custom" in text
    assert found["name"] == "custom"


def test_raster_counts_the_spikes_of_the_window_and_draws(path, trace, tmp_path, shown):
    words = ["--night", 0, "--layer", "input", "--from", 50, "--to-step", 90]
    found = shown("raster", path, *words, "--out", tmp_path, "--format", "svg", "--json")
    events = trace.spikes("input", 0)
    inside = (events[:, 0] >= 50) & (events[:, 0] < 90)
    assert found["layers"] == {"input": {"spikes": int(inside.sum())}}
    assert (found["night"], found["from"], found["to_step"]) == (0, 50, 90)
    assert found["figures"] == [str(tmp_path / "raster-night0.svg")]
    text = (tmp_path / "raster-night0.svg").read_text(encoding="utf-8")
    assert "steps 50 to 89" in text
    assert "hidden1" not in text


def test_rates_are_those_of_the_spikes(path, trace, shown):
    found = shown("rates", path, "--json", "--window", 60)["layers"]
    assert list(found) == LAYERS
    events, hidden = trace.spikes("hidden2", 1), found["hidden2"]
    raster = np.zeros((STEPS, 16))
    raster[events[:, 0], events[:, 1]] = 1
    assert hidden["rates_hz"] == pytest.approx((raster.sum(0) / 0.3).tolist())
    assert hidden["silent"] == np.mean(raster.sum(0) == 0)
    gaps = [np.diff(np.flatnonzero(column)) for column in raster.T]
    cv = [one.std() / one.mean() for one in gaps if len(one) > 1]
    assert hidden["mean_cv"] == pytest.approx(np.mean(cv))
    windows = raster.reshape(5, 60, 16).sum(1)[:, raster.sum(0) > 0]
    assert hidden["mean_fano"] == pytest.approx(np.mean(windows.var(0) / windows.mean(0)))


def test_replay_correlates_windows_with_class_means(path, trace, tmp_path, shown):
    words = ["--window", 50, "--shuffles", 20, "--layer", "hidden2", "--templates", "means"]
    found = shown("replay", path, *words, "--json", "--out", tmp_path)
    hidden = found["layers"]["hidden2"]
    assert hidden["windows"] == [[50 * i, 50 * i + 50] for i in range(6)]
    assert hidden["classes"] == [0, 1, 2, 3]
    events, means = trace.spikes("hidden2", 1), trace.array("awake/means/hidden2", 1)
    scores = np.array(hidden["scores"]["correlation"], np.float64)
    for window in range(6):
        of_window = events[events[:, 0] // 50 == window, 1]
        counts = np.bincount(of_window, minlength=16)
        expected = [np.corrcoef(counts, mean)[0, 1] for mean in means]
        np.testing.assert_allclose(scores[window], expected, atol=1e-6)
        assert hidden["best"][window] == np.argmax(expected)
    np.testing.assert_allclose(hidden["mean_score"], scores.mean(0))
    np.testing.assert_allclose(hidden["mean_z"], scores.mean(0) * np.sqrt(15))
    assert hidden["tasks"]["new"] == [False, False, True, True]
    assert hidden["tasks"]["old_score"] == pytest.approx(scores[:, :2].mean())
    decoded = [np.mean(np.array(hidden["decoded"]) == label) for label in range(4)]
    assert hidden["share"] == decoded
    assert found["figures"] == [str(tmp_path / "replay-night1.png")]


def test_replay_with_specific_templates_takes_away_what_classes_share(path, trace, shown):
    words = ["--window", 150, "--shuffles", 1, "--layer", "hidden2", "--from", 150]
    hidden = shown("replay", path, *words, "--json")["layers"]["hidden2"]
    assert hidden["windows"] == [[150, 300]]
    means = trace.array("awake/means/hidden2", 1).astype(np.float64)
    counts = np.bincount(trace.spikes("hidden2", 1, 150)[:, 1], minlength=16)
    expected = [np.corrcoef(counts, mean)[0, 1] for mean in means - means.mean(0)]
    np.testing.assert_allclose(hidden["scores"]["correlation"], [expected], atol=1e-6)


def test_replay_repeats_with_its_seed_and_shows_no_input(path, shown):
    words = ["--window", 30, "--shuffles", 20]
    assert shown("replay", path, *words) == shown("replay", path, *words, "--seed", 0)
    assert list(shown("replay", path, *words, "--json")["layers"]) == LAYERS[1:]


def test_sparseness_is_that_of_the_examples(path, trace, tmp_path, shown):
    words = ["--layer", "hidden1", "--json", "--out", tmp_path]
    found = shown("sparseness", path, *words)
    labels = trace.array("awake/labels", 1)
    for when in ("before", "after"):
        code = found["layers"]["hidden1"][when]
        active = trace.array(f"awake/{when}/hidden1", 1).astype(np.float64)
        assert code["active"] == pytest.approx((active > 0).mean())
        kept = active[active.any(axis=1)]
        dense = kept.mean(1) ** 2 / (kept**2).mean(1)
        assert code["treves_rolls"] == pytest.approx(dense.mean())
        hoyer = (np.sqrt(20) - kept.sum(1) / np.sqrt((kept**2).sum(1))) / (np.sqrt(20) - 1)
        assert code["hoyer"] == pytest.approx(hoyer.mean())
        first, second = active[labels == 0], active[labels == 3]
        whole = np.corrcoef(first[first.std(1) > 0], second[second.std(1) > 0])[
            : (first.std(1) > 0).sum(), (first.std(1) > 0).sum() :
        ]
        assert code["correlations"][0][3] == pytest.approx(whole.mean())
    assert len(found["figures"]) == 1


def test_weights_are_counted(path, trace, tmp_path, shown):
    found = shown("weights", path, "--json", "--out", tmp_path)["layers"]
    assert list(found) == LAYERS[1:]
    delta, before = trace.weights("output", 1), trace.weights("output", 1, "before")
    output = found["output"]
    assert output["change"]["up"] == (delta > 0).sum()
    assert output["change"]["down"] == (delta < 0).sum()
    assert output["change"]["unchanged"] == (delta == 0).sum()
    assert output["change"]["mean"] == pytest.approx(delta.mean())
    for when, matrix in (("before", before), ("after", before + delta)):
        values = np.linalg.svd(matrix.astype(np.float64), compute_uv=False)
        rank = (values**2).sum() / values[0] ** 2
        assert output[f"stable_rank_{when}"] == pytest.approx(rank, rel=1e-5)
    assert output["old_rows"]["classes"] == [0, 1]
    assert output["old_rows"]["down"] == (delta[:2] < 0).sum()
    assert output["new_rows"]["mean"] == pytest.approx(delta[2:4].mean())
    assert found["hidden1"]["old_rows"] is None


def test_compare_sets_two_nights_side_by_side(path, trace, shown):
    words = ["--window", 30, "--shuffles", 5]
    found = shown("compare", path, *words, "--json")["nights"]
    assert [side["night"] for side in found] == [1, 0]
    for side in found:
        index = side["night"]
        assert side["accuracy_after"] == trace.nights[index].facts["accuracy_all_after"]
        assert side["layers"]["hidden1"]["spikes"] == len(trace.spikes("hidden1", index))
        down = (trace.weights("hidden1", index) < 0).sum()
        assert side["layers"]["hidden1"]["down"] == down
    same = shown("compare", path, path, "--other-night", 1, *words, "--json")["nights"]
    assert same[0] == same[1] == found[0]
    lines = shown("compare", path, *words).splitlines()
    (row,) = [line for line in lines if line.startswith("hidden1  spikes")]
    spikes = [side["layers"]["hidden1"]["spikes"] for side in found]
    assert row.split()[2:] == [f"{count:,}" for count in spikes]


SHORT = {"replay": ["--window", 2], "order": ["--window", 2], "decode": ["--window", 2]}


@pytest.mark.parametrize(
    "command",
    [
        *("info", "rates", "replay", "order", "reactivation", "decode", "sparseness"),
        *("weights", "groups"),
    ],
)
def test_a_silent_layer_has_dashes_and_no_warnings(silent, tmp_path, command, shown):
    """Warnings are errors in the tests; of what is undefined there is null in JSON."""
    words = [silent] if command == "info" else [silent, "--layer", "output", "--out", tmp_path]
    words += SHORT.get(command, [])
    assert "NaN" not in json.dumps(shown(command, *words, "--json"))
    text = shown(command, *words)
    assert "nan" not in text
    assert "–" in text


def test_a_silent_layer_decodes_as_nothing(silent, shown):
    found = shown("replay", silent, "--window", 2, "--shuffles", 5, "--json")["layers"]["output"]
    assert found["scores"]["correlation"] == [[None, None]] * 4
    assert found["best"] == found["decoded"] == [-1] * 4
    assert found["order"]["information"] is None


def test_weights_say_when_those_before_are_missing(silent, tmp_path, shown):
    text = shown("weights", silent, "--out", tmp_path, "--format", "svg")
    assert "trace.weights_before" in text
    found = shown("weights", silent, "--json")
    assert not found["weights_before"]
    assert found["layers"]["output"]["stable_rank_before"] is None
    assert found["layers"]["output"]["change"]["unchanged"] == 12
    assert "does not hold" in (tmp_path / "weights-night0.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["replay", "sparseness"])
def test_without_awake_activations_the_setting_is_named(tmp_path, capsys, command):
    file = TraceFile(tmp_path / "bare.h5", [("input", 2), ("output", 2)], settings={})
    with file.night(0, task=0, steps=4) as recorder:
        recorder.spikes(0, 0, Spikes.from_raster(np.ones((4, 2), bool)))
        recorder.spikes(1, 0, Spikes.from_raster(np.ones((4, 2), bool)))
    assert run_command(cli, ["trace", command, str(tmp_path / "bare.h5")]) == 2
    assert "trace.examples" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rates", "--night", "7"], "expected 0, 1, got 7"),
        (["rates", "--layer", "hiden1"], "Did you mean 'hidden1'"),
        (["rates", "--from", "300"], "steps within 0 to 300"),
        (["rates", "--from", "9", "--to-step", "9"], "got 9 to 9"),
        (["replay"], "expected at most 300 steps, got 500"),
        (["weights", "--layer", "nosuch"], "has no layer 'nosuch'"),
        (["raster"], "Missing option '--out'"),
        (["rates", "--format", "gif"], "gif"),
        (["compare", "--night", "0"], "--other-night"),
        (["repla"], "No such command 'repla'"),
    ],
)
def test_wrong_options_end_with_2(path, capsys, words, message):
    assert run_command(cli, ["trace", words[0], str(path), *words[1:]]) == 2
    found = capsys.readouterr()
    assert message in found.err
    assert found.out == ""


def test_a_file_that_is_no_trace_ends_with_2(tmp_path, capsys):
    (tmp_path / "x.h5").write_text("no")
    assert run_command(cli, ["trace", "info", str(tmp_path / "x.h5")]) == 2
    assert run_command(cli, ["trace", "info", str(tmp_path / "none.h5")]) == 2
    assert "There is no trace" in capsys.readouterr().err
