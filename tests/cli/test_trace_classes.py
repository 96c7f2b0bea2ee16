"""Commands about classes, replay and decoders: their numbers against plain NumPy on the arrays."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix

STEPS = 300


def test_classes_count_output_spikes(path, trace, shown, tmp_path):
    """The last window is shorter; classes that no task has brought yet are neither old nor new."""
    found = shown("classes", path, "--window", 70, "--json", "--out", tmp_path)
    events = trace.spikes("output", 1)
    raster = np.zeros((STEPS, 10), int)
    raster[events[:, 0], events[:, 1]] = 1
    assert raster.any()
    assert found["spikes"] == raster.sum(0).tolist()
    assert found["windows"] == [[0, 70], [70, 140], [140, 210], [210, 280], [280, 300]]
    assert found["counts"] == [raster[a:b].sum(0).tolist() for a, b in found["windows"]]
    assert found["rates_hz"] == pytest.approx((raster.sum(0) / 0.3).tolist())
    assert found["share"] == pytest.approx((raster.sum(0) / raster.sum()).tolist())
    assert found["ages"] == ["old", "old", "new", "new", *["–"] * 6]
    assert found["figures"] == [str(tmp_path / "classes-night1.png")]
    part = shown("classes", path, "--from", 100, "--to-step", 200, "--json")
    assert part["spikes"] == raster[100:200].sum(0).tolist()
    assert shown("classes", path).splitlines()[3].split()[:2] == ["2", "new"]


def test_confusion_is_that_of_the_test_data(path, trace, shown, tmp_path):
    found = shown("confusion", path, "--json", "--out", tmp_path, "--format", "svg")
    before, after = (trace.array(f"confusion/{when}", 1) for when in ("before", "after"))
    assert (found["before"], found["after"]) == (before.tolist(), after.tolist())
    labels, decisions = np.argwhere(after >= 0).T
    everyone = np.repeat(labels, after.ravel()), np.repeat(decisions, after.ravel())
    np.testing.assert_array_equal(confusion_matrix(*everyone, labels=range(10)), after)
    assert found["all_after"] == pytest.approx(np.mean(everyone[0] == everyone[1]))
    assert found["all_after"] == pytest.approx(trace.nights[1].facts["accuracy_all_after"])
    own = everyone[1][everyone[0] == 1]
    assert found["accuracy_after"][1] == pytest.approx(np.mean(own == 1))
    wrong = np.bincount(own[own != 1], minlength=10)
    assert found["wrong_after"][1] == (wrong.argmax() if wrong.any() else -1)
    assert found["accuracy_before"][9] is None
    text = (tmp_path / "confusion-night1.svg").read_text(encoding="utf-8")
    assert f"after the night: {100 * found['all_after']:.1f} % right" in text
    rows = shown("confusion", path).splitlines()
    assert [row.split()[0] for row in rows[1:]] == ["0", "1", "2", "3", "all"]


def test_order_is_that_of_the_decoded_windows(path, shown, tmp_path):
    words = ["--window", 20, "--shuffles", 300, "--layer", "hidden2", "--layer", "hidden1"]
    found = shown("order", path, *words, "--json", "--out", tmp_path)
    replayed = shown("replay", path, *words, "--json")["layers"]
    for name, one in found["layers"].items():
        decoded = replayed[name]["decoded"]
        assert one["decoded"] == decoded
        sequence = [label for label in decoded if label >= 0]
        follows = np.zeros((4, 4), int)
        for first, second in pairwise(sequence):
            follows[first, second] += 1
        assert one["test"]["transitions"] == follows.tolist()
        for label in range(4):
            own = np.flatnonzero(np.array(decoded) == label)
            runs = int((np.diff(own) > 1).sum()) + 1 if len(own) else 0
            assert one["episodes"][label] == runs
            assert one["first"][label] == (20 * own[0] if runs else -1)
            if runs:
                assert one["dwell"][label] == pytest.approx(20 * len(own) / runs)
                assert one["centre"][label] == pytest.approx(20 * own.mean() + 10)
    assert any(label >= 0 for one in found["layers"].values() for label in one["decoded"])
    assert "hidden2: 15 windows" in shown("order", path, *words)


def test_reactivation_counts_the_spikes_of_the_most_active(path, trace, shown, tmp_path):
    words = ["--top", 5, "--shuffles", 50]
    found = shown("reactivation", path, *words, "--json", "--out", tmp_path)["layers"]
    assert list(found) == ["hidden1", "hidden2"]
    counts, one = trace.counts("hidden2", 1), found["hidden2"]
    means, labels = trace.array("awake/means/hidden2", 1), trace.array("awake/labels", 1)
    active = trace.array("awake/before/hidden2", 1).astype(float)
    for label in range(4):
        top = set(sorted(range(16), key=lambda n, at=means[label]: (-at[n], n))[:5])
        others = [counts[n] for n in range(16) if n not in top]
        assert one["by_class"]["top"][label] == pytest.approx(np.mean([counts[n] for n in top]))
        assert one["by_class"]["others"][label] == pytest.approx(np.mean(others))
        examples = [
            counts[np.argsort(-row, kind="stable")[:5]].mean() for row in active[labels == label]
        ]
        assert one["by_example"]["mean"][label] == pytest.approx(np.mean(examples))
    assert one["mean"] == pytest.approx(counts.mean())
    assert one["ages"] == ["old", "old", "new", "new"]
    half = shown("reactivation", path, *words, "--from", 150, "--json")["layers"]["hidden2"]
    late = np.bincount(trace.spikes("hidden2", 1, 150)[:, 1], minlength=16)
    assert half["mean"] == pytest.approx(late.mean())
    assert "±" in shown("reactivation", path, *words)


def test_decode_reads_sleep_as_scikit_learn_does(path, trace, shown, tmp_path):
    words = ["--window", 50, "--shuffles", 20, "--layer", "hidden2"]
    found = shown("decode", path, *words, "--json", "--out", tmp_path)
    one = found["layers"]["hidden2"]
    labels = trace.array("awake/labels", 1)
    patterns = standardised(trace.array("awake/before/hidden2", 1).astype(float))
    usable = np.isfinite(patterns).all(1)
    model = LogisticRegression(max_iter=10_000).fit(patterns[usable], labels[usable])
    counts = np.zeros((6, 16))
    for step, neuron in trace.spikes("hidden2", 1):
        counts[step // 50, neuron] += 1
    expected = model.predict_proba(standardised(counts))
    np.testing.assert_allclose(one["probabilities"], expected, atol=1e-5)
    assert one["best"] == expected.argmax(1).tolist()
    assert one["confidence"] == pytest.approx(expected.max(1).tolist(), abs=1e-5)
    assert one["mean_probability"] == pytest.approx(expected.mean(0).tolist(), abs=1e-5)
    sure = np.array(one["decoded"])
    assert set(sure) <= {-1, *one["best"]}
    assert one["share"] == [np.mean(sure == label) for label in range(4)]
    assert 0.5 < one["awake_accuracy"] <= 1.0
    assert found["how"]["decoder"] == "logistic"


def test_decode_by_centroids_is_as_likely_as_the_correlation_says(path, trace, shown):
    words = ["--window", 150, "--shuffles", 5, "--layer", "hidden1", "--decoder", "centroid"]
    one = shown("decode", path, *words, "--json")["layers"]["hidden1"]
    labels = trace.array("awake/labels", 1)
    active = trace.array("awake/before/hidden1", 1).astype(float)
    means = np.array([active[labels == label].mean(0) for label in range(4)])
    counts = np.bincount(trace.spikes("hidden1", 1, 150)[:, 1], minlength=20)
    scores = np.array([np.corrcoef(counts, m)[0, 1] for m in means - means.mean(0)])
    odds = np.exp(np.sqrt(19) * scores)
    assert one["probabilities"][1] == pytest.approx((odds / odds.sum()).tolist())


def standardised(rows):
    """Each row z-scored over neurons, as the decoder sees it."""
    with np.errstate(invalid="ignore"):
        return (rows - rows.mean(1, keepdims=True)) / rows.std(1, keepdims=True)
