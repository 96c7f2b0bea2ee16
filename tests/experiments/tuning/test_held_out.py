"""Nothing is chosen on test data: each lock on its own, and the whole by what it finds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy
import pytest

import bioncl
from bioncl.errors import SettingsError, UnsupportedError
from bioncl.experiments.settings import load
from bioncl.experiments.sweep.jobs import Job
from bioncl.experiments.tuning.held_out import check_job, check_stream, held_out
from bioncl.experiments.tuning.plan import Choosing, make_plan
from bioncl.experiments.tuning.search import run_trial
from bioncl.experiments.tuning.tune import tune
from bioncl.progress import Silent
from bioncl.streams.labelled.loader import make_loader
from bioncl.streams.source import DataSource
from bioncl.streams.split import Split
from bioncl.streams.stream import Stream

LR = {"train.lr": {"low": 0.003, "high": 0.03, "log": True}}


def test_settings_are_judged_on_training_data(tables):
    held = held_out(tables(), [], 0.25)
    assert held.config.data.evaluate_on == "validation"
    assert held.config.data.validation == 0.25
    assert held.asked.data.evaluate_on == "test"
    assert held.asked.data.validation == 0


def test_what_the_settings_hold_out_themselves_stays(tables):
    held = held_out(tables(data={"validation": 0.1, "validation_seed": 7}), [], 0.25)
    assert (held.config.data.validation, held.config.data.validation_seed) == (0.1, 7)


@pytest.mark.parametrize("way", ["file", "set"])
def test_settings_that_name_the_test_data_are_refused(tables, way):
    data = {"evaluate_on": "test"}
    given = tables(data=data) if way == "file" else tables()
    sets = [] if way == "file" else [("data.evaluate_on", "test")]
    with pytest.raises(SettingsError, match="best.toml runs on the test"):
        make_plan(given, LR, Choosing(), sets)


@pytest.mark.parametrize(
    "data", [{}, {"validation": 0.2}, {"validation": 0.2, "evaluate_on": "test"}]
)
def test_a_run_on_test_data_is_no_trial(tables, tmp_path, data):
    """Whoever made the job: nothing is computed."""
    job = Job.of(load(tables(data=data)))
    with pytest.raises(SettingsError, match="held-out training data"):
        check_job(job.tables)
    with pytest.raises(SettingsError, match="held-out training data"):
        run_trial(job, tmp_path, False)
    assert list(tmp_path.iterdir()) == []


def test_a_stream_that_holds_nothing_out_is_refused(tables):
    """The toy, whose test data is its training data."""
    toy = tables(model={"name": "mlp", "hidden": [8]})
    toy["stream"] = {"name": "patches"}
    with pytest.raises(UnsupportedError, match="not judged on the training data"):
        check_stream(held_out(toy, [], 0.2).config, Silent())


@dataclass(frozen=True)
class OwnTest:
    """A builder that reads the test data past the source, as a careless plug-in might."""

    def build(self, source: DataSource, seed: int) -> Stream:
        inner = Split("digits", classes=((0, 1),))
        test = make_loader("digits").load(source.places).test
        honest = inner.build(source, seed)

        def build(index):
            return replace(honest.task(index), test=test)

        return replace(honest, build=build, _tests={}, _groups={})


@dataclass(frozen=True)
class NoSource:
    """A builder that takes no notice of the source that it is given."""

    def build(self, source: DataSource, seed: int) -> Stream:
        return Split("digits", classes=((0, 1),)).build(DataSource(), seed)


@pytest.mark.parametrize("builder", [OwnTest(), NoSource()])
def test_a_builder_that_hands_out_test_data_is_refused(tables, builder):
    config = held_out(tables(), [], 0.2).config
    with pytest.raises(UnsupportedError, match="not judged on the training data"):
        check_stream(replace(config, stream=builder), Silent())


def features(folder, labels_of_train, test):
    """Settings of a stream of two tasks from a file: x [240, 40] in four well-parted classes."""
    generator = numpy.random.default_rng(0)
    classes = numpy.arange(240) % 4
    x = numpy.eye(40)[classes] + generator.random((240, 40)) / 2
    y = labels_of_train(classes, generator)
    folder.mkdir(exist_ok=True)
    content = dict(zip(("X_test", "y_test"), test(x, y), strict=True))
    numpy.savez(folder / "mine.npz", X_train=x, y_train=y, **content)
    data = {"name": "features", "path": str(folder / "mine.npz")}
    return {
        "stream": {"name": "split", "data": data, "classes": [[0, 1], [2, 3]]},
        "model": {"name": "mlp", "hidden": [64]},
        "train": {"epochs": 60, "batch_size": 20, "lr": 0.01, "optimizer": "adam"},
        "methods": [{"name": "joint"}],
    }


def shuffled(classes, generator):
    return generator.permutation(classes)


def same(x, y):
    return x, y


def test_shuffled_labels_leave_validation_at_chance(tmp_path):
    """The test part repeats the training part: whoever looked at it would do far better.

    48 examples are held out, of four classes: 0.25 ± 0.06 by chance, and the best of a few trials
    is a little above that.
    """
    tables = features(tmp_path / "data", shuffled, same)
    found = tune(make_plan(tables, LR, Choosing(seeds=1)), tmp_path / "out", trials=4)
    assert found.best[0].values["accuracy"] < 0.5
    # the same settings on that test part: the network has learnt it by heart
    assert bioncl.run(tables, seed=1000).acc > 0.8


def test_true_labels_are_found_on_validation(tmp_path):
    """The same search with labels that mean something: so chance above was no accident."""
    tables = features(tmp_path / "data", lambda classes, _: classes, same)
    found = tune(make_plan(tables, LR, Choosing(seeds=1)), tmp_path / "out", trials=2)
    assert found.best[0].values["accuracy"] > 0.9


def test_no_trial_depends_on_test_data(tmp_path, rows):
    """Two files differ in their test part alone; one has none at all. The trials are the same."""
    found = []
    for name, test in [("a", same), ("b", lambda x, y: (1 - x[:9], y[:9]))]:
        tables = features(tmp_path / name, lambda classes, _: classes, test)
        tune(make_plan(tables, LR, Choosing(seeds=1)), tmp_path / f"out-{name}", trials=2)
        found.append(rows(tmp_path / f"out-{name}"))
    with numpy.load(tmp_path / "b" / "mine.npz") as file:
        train = {key: file[key] for key in ("X_train", "y_train")}
    numpy.savez(tmp_path / "b" / "mine.npz", **train)
    tune(make_plan(tables, LR, Choosing(seeds=1)), tmp_path / "out-c", trials=2)
    assert found[0] == found[1] == rows(tmp_path / "out-c")
