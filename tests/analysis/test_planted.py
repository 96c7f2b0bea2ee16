"""Replay planted at known times is found, and nothing is found where nothing was planted."""

from __future__ import annotations

import numpy as np
import pytest

from bioncl.analysis.decoders import centroid_decoder, logistic_decoder
from bioncl.analysis.decoding import decode
from bioncl.analysis.order import episodes, order_test, trend
from bioncl.analysis.replay import replay_scores
from bioncl.analysis.selectivity import top_reactivation
from bioncl.analysis.windows import regular_windows, window_counts

WIDTH = 200
PLAN = ((2, 400), (0, 1200), (1, 1400), (3, 2600), (2, 3400))
TRUTH = np.full(20, -1)
TRUTH[[first // WIDTH for _, first in PLAN]] = [label for label, _ in PLAN]


def counts_of(night):
    return window_counts(night.events, night.means.shape[1], regular_windows(night.steps, WIDTH))


@pytest.mark.parametrize("seed", range(3))
def test_windowed_scores_find_each_pattern_at_its_time(plant, seed):
    """Every planted (window, class) is significant and is the highest score of its window."""
    night = plant(seed, PLAN)
    found = replay_scores(counts_of(night), night.means, shuffles=1999)
    windows = np.flatnonzero(TRUTH >= 0)
    assert (found.correlation[windows].argmax(axis=1) == TRUTH[windows]).all()
    assert (found.q[windows, TRUTH[windows]] <= 0.05).all()
    assert found.z[windows, TRUTH[windows]].min() > 3


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", ["centroid", "logistic"])
def test_decoders_find_each_pattern_at_its_time(plant, seed, make):
    """The significant labels are the plan: all of it, and at most one window besides."""
    night = plant(seed, PLAN)
    decoder = (
        centroid_decoder(night.means)
        if make == "centroid"
        else logistic_decoder(night.activations, night.labels, 4)
    )
    found = decode(decoder, counts_of(night), shuffles=999).significant()
    planted = TRUTH >= 0
    assert (found[planted] == TRUTH[planted]).all()
    assert (found[~planted] >= 0).sum() <= 1


def test_an_unaligned_time_is_found_by_overlapping_windows(plant):
    """Replay that starts at step 1,330 has its peak in the window that starts nearest to it."""
    night = plant(0, [(1, 1330)])
    windows = regular_windows(night.steps, WIDTH, 10)
    scores = replay_scores(window_counts(night.events, 120, windows), night.means, shuffles=0)
    place, label = np.unravel_index(scores.correlation.argmax(), scores.correlation.shape)
    assert label == 1
    assert abs(windows[place, 0] - 1330) <= 50


@pytest.mark.parametrize("control", ["neurons", "time"])
def test_both_controls_find_a_strong_pattern(plant, control):
    """So the stricter control has power too."""
    night = plant(1, PLAN)
    found = decode(centroid_decoder(night.means), counts_of(night), 999, control)
    assert (found.significant()[TRUTH >= 0] == TRUTH[TRUTH >= 0]).all()


def test_shuffles_give_chance_level(plant):
    """Best scores of shuffled windows, with replay or without, are those of nights of noise."""
    night = plant(5, PLAN)
    shuffled = decode(centroid_decoder(night.means), counts_of(night), shuffles=200).chance
    noise = [plant(100 + seed) for seed in range(20)]
    scores = [centroid_decoder(each.means).scores(counts_of(each)).max(axis=1) for each in noise]
    assert shuffled[:, TRUTH >= 0].mean() == pytest.approx(np.mean(scores), abs=0.015)
    assert shuffled[:, TRUTH < 0].mean() == pytest.approx(np.mean(scores), abs=0.015)
    assert shuffled.std() == pytest.approx(np.std(scores), abs=0.015)


def test_at_most_five_per_cent_of_noise_nights_show_anything(plant):
    """200 nights without replay: corrected discoveries by decoder and by scores, and raw p."""
    decoder_nights = score_nights = 0
    raw = []
    for seed in range(200):
        night = plant(10_000 + seed, steps=2000, neurons=60)
        counts = counts_of(night)
        decoded = decode(centroid_decoder(night.means), counts, shuffles=199, seed=seed)
        scored = replay_scores(counts, night.means, shuffles=799, seed=seed)  # 40 tests
        decoder_nights += (decoded.significant() >= 0).any()
        score_nights += (scored.q <= 0.05).any()
        raw.append(decoded.p)
    assert decoder_nights <= 10
    assert score_nights <= 10
    p = np.concatenate(raw)
    assert 0.03 < (p <= 0.05).mean() <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / len(p))
    assert abs(p.mean() - 0.5) < 0.03


def test_busy_neurons_fool_the_control_of_identity_but_not_that_of_time(plant):
    """Neurons that fire all night and are active for everything look like replay of everything."""
    fooled = {"neurons": 0, "time": 0}
    for seed in range(20):
        night = plant(seed, spread=1.0, hubs=True)
        for control in fooled:
            found = decode(centroid_decoder(night.means), counts_of(night), 199, control, seed)
            fooled[control] += (found.significant() >= 0).any()
    assert fooled["neurons"] >= 15
    assert fooled["time"] <= 3


def test_top_neurons_tell_replayed_classes_from_others(plant):
    """Classes 0 and 1 are replayed often, 2 and 3 never."""
    night = plant(4, [(label, 400 * k + 200 * label) for k in range(10) for label in (0, 1)])
    counts = np.bincount(night.events[:, 1], minlength=120)
    found = top_reactivation(counts, night.means, top=24)
    assert (found.p[:2] <= 0.005).all()
    assert (found.p[2:] > 0.05).all()
    assert (found.top[:2] > found.others[:2]).all()


def test_the_order_and_drift_of_planted_replay_are_found(plant):
    """Classes take turns 0, 1, 2, 3, and class 0 comes only in the first half."""
    plan = [(k % 4, 200 * k) for k in range(20)]
    night = plant(6, plan)
    labels = decode(centroid_decoder(night.means), counts_of(night), shuffles=0).labels
    assert labels.tolist() == [label for label, _ in plan]
    order = order_test(labels, 4)
    assert order.information_p <= 0.005
    assert [order.transitions[k, (k + 1) % 4] for k in range(4)] == [5, 5, 5, 4]
    assert episodes(labels).length.tolist() == [1] * 20
    drifting = plant(7, [(k // 5, 200 * k) for k in range(20)])
    labels = decode(centroid_decoder(drifting.means), counts_of(drifting), shuffles=0).labels
    found = trend(labels.astype(float))
    assert found.rho > 0.9
    assert found.p <= 0.005
