"""From settings to a `RunConfig`: reading, extending, merging, overriding, checking."""

import copy
import pickle
import random
import tomllib
from dataclasses import replace

import pytest

from bioncl.errors import SettingsError
from bioncl.experiments import shipped
from bioncl.experiments.settings import load, merged, override

PUBLISHED = (
    "tadros2022-mnist",
    "tadros2022-fashion",
    "tadros2022-cifar10-features",
    "tadros2022-crossmodal",
    "tadros2022-patches",
    "agbld-mnist",
    "agbld-mnist-1200",
    "short-night-mnist",
    "short-night-fashion",
    "mnist-5k",
)


def shuffled(value, dice):
    """The same tables with their keys in another order."""
    if isinstance(value, dict):
        keys = dice.sample(sorted(value), len(value))
        return {key: shuffled(value[key], dice) for key in keys}
    return [shuffled(item, dice) for item in value] if isinstance(value, list) else value


def faults(tables, *overrides):
    """The lines of the message that refuses `tables`, without the first."""
    with pytest.raises(SettingsError) as refused:
        load(tables, overrides)
    return [line.strip() for line in str(refused.value).splitlines()[1:]]


# -- settings that ship ------------------------------------------------------------------------


@pytest.mark.parametrize("name", shipped.names())
def test_shipped_settings_resolve_and_survive_a_round_trip(name):
    config = load(name)
    assert config.general.title
    again = load(config.resolved)
    assert again.resolved == config.resolved
    assert load(shuffled(config.resolved, random.Random(1))).resolved == config.resolved


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_settings_sleep_and_have_their_partners(name):
    """A partner differs in how it learns, not in what it learns or with which network."""
    base = load(name)
    assert base.sleeps
    for partner in ("naive", "joint", "rehearsal"):
        other = load(f"{name}-{partner}")
        assert other.method_names == (partner,)
        assert other.model == base.model
        streams = [config.resolved["stream"] | {"train_per_task": 0} for config in (base, other)]
        assert streams[0] == streams[1]  # the published joint training sees all of the data


@pytest.mark.parametrize("name", ["convnet-fashion", "resnet-fashion"])
def test_networks_with_convolutions_sleep_and_have_their_partners(name):
    """The same stream and network; the joint partner trains afresh at the first learning rate."""
    base = load(name)
    assert base.method_names == ("src",)
    for partner in ("naive", "joint"):
        other = load(f"{name}-{partner}")
        assert other.method_names == (partner,)
        assert (other.model, other.stream) == (base.model, base.stream)
        assert replace(other.training, lr_decay=1.0) == replace(base.training, lr_decay=1.0)


def test_the_catalogue_has_every_file_with_a_title():
    found = shipped.catalogue()
    assert {item.name for item in found} == {p.stem for p in shipped.FOLDER.glob("*.toml")}
    assert all(item.title for item in found)


def test_an_unknown_name_gets_close_names_and_where_to_find_all():
    with pytest.raises(SettingsError) as refused:
        load("tadros2022-mnsit")
    text = str(refused.value)
    assert "Did you mean tadros2022-mnist, " in text
    assert "bioncl run --list" in text
    assert text.count("tadros2022") <= 4


# -- extends -----------------------------------------------------------------------------------


def write(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_extends_a_shipped_name():
    base, own = load("mnist-5k"), load({"extends": "mnist-5k", "train": {"epochs": 1}})
    assert own.training.epochs == 1
    assert own.training.lr == base.training.lr
    assert own.stream == base.stream


def test_extends_files_beside_and_through_a_chain(tmp_path, monkeypatch):
    """Paths start at the file that names them, not at the working directory."""
    below = tmp_path / "below"
    below.mkdir()
    write(below, "root.toml", '[stream]\nname="split"\n[[methods]]\nname="naive"\n[train]\nlr=0.5')
    write(below, "middle.toml", 'extends = "root.toml"\n[train]\nepochs = 7')
    top = write(tmp_path, "top.toml", 'extends = "below/middle.toml"\nseed = 4')
    monkeypatch.chdir("/")
    config = load(top)
    assert (config.general.seed, config.training.epochs, config.training.lr) == (4, 7, 0.5)
    assert config.name == "top"


def test_a_circle_of_files_is_refused(tmp_path):
    write(tmp_path, "a.toml", 'extends = "b.toml"')
    write(tmp_path, "b.toml", 'extends = "a.toml"')
    with pytest.raises(SettingsError, match="circle"):
        load(tmp_path / "a.toml")


def test_a_missing_base_is_named(tmp_path):
    path = write(tmp_path, "a.toml", 'extends = "mnist-5"')
    with pytest.raises(SettingsError, match=r"extends: No settings 'mnist-5'.*mnist-5k"):
        load(path)


def test_broken_toml_tells_the_line(tmp_path):
    path = write(tmp_path, "a.toml", "seed = 1\nlr = = 3\n")
    with pytest.raises(SettingsError, match="line 2"):
        load(path)


# -- merging -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "over", "expected"),
    [
        ({"t": {"a": 1, "b": 2}}, {"t": {"b": 3}}, {"t": {"a": 1, "b": 3}}),
        ({"t": {"name": "x", "a": 1}}, {"t": {"a": 2}}, {"t": {"name": "x", "a": 2}}),
        ({"t": {"name": "x", "a": 1}}, {"t": {"name": "x", "b": 2}}, None),
        ({"t": {"name": "x", "a": 1}}, {"t": {"name": "y"}}, {"t": {"name": "y"}}),
        ({"l": [1, 2]}, {"l": [3]}, {"l": [3]}),
        ({"t": 1}, {"t": {"a": 1}}, {"t": {"a": 1}}),
        ({"t": {"a": {"b": 1}}}, {"t": {"a": {"c": 2}}}, {"t": {"a": {"b": 1, "c": 2}}}),
    ],
)
def test_tables_merge_unless_they_name_another_thing(base, over, expected):
    expected = expected or {"t": {"name": "x", "a": 1, "b": 2}}
    kept = copy.deepcopy((base, over))
    assert merged(base, over) == expected
    assert (base, over) == kept


# -- --set -------------------------------------------------------------------------------------


def test_override_reaches_tables_and_places_in_lists():
    tables = {"train": {"lr": 1}, "methods": [{"name": "a"}, {"name": "b", "m": 1}]}
    override(tables, "train.lr", 2)
    override(tables, "methods.1.m", 5)
    override(tables, "new.table.key", True)
    assert tables == {
        "train": {"lr": 2},
        "methods": [{"name": "a"}, {"name": "b", "m": 5}],
        "new": {"table": {"key": True}},
    }


@pytest.mark.parametrize("key", ["methods.1.memory", "methods.first.memory", "methods.-1.memory"])
def test_a_place_that_is_not_there_is_refused(settings, key):
    with pytest.raises(SettingsError, match="a place from 0 to 0"):
        load(settings(), [(key, 1)])


def test_a_key_that_leads_into_a_value_is_refused(settings):
    with pytest.raises(SettingsError, match=r"train\.lr is a value"):
        load(settings(), [("train.lr.x", 1)])


@pytest.mark.parametrize("turned", [False, True])
def test_a_new_name_drops_the_settings_of_the_old_one_whatever_the_order(settings, turned):
    tables = settings("src")
    tables["sleep"]["rule"] = {"name": "sigmoid", "inc": 0.1, "dec": 0.1, "slope": 3.0}
    changes = [("sleep.rule.name", "constant"), ("sleep.rule.inc", 1.0), ("sleep.rule.dec", 2.0)]
    config = load(tables, reversed(changes) if turned else changes)
    assert config.resolved["sleep"]["rule"] == {"name": "constant", "inc": 1.0, "dec": 2.0}


def test_overrides_leave_what_was_handed_in_alone(settings):
    tables, night = settings("src"), {"steps": 5}
    kept = copy.deepcopy((tables, night))
    config = load(tables, [("sleep", night), ("sleep.steps", 7)])
    assert config.resolved["sleep"]["steps"] == 7
    assert (tables, night) == kept


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("seed", -1, "seed: expected at least 0, got -1"),
        ("seed", "one", 'seed: expected a whole number, got "one"'),
        ("seed", 2**63, f"seed: expected less than {2**63}, got {2**63}"),
        ("device", "gpu", 'device: expected "cpu" or "cuda", got "gpu"'),
        ("train.epochs", "two", 'train.epochs: expected a whole number or a list, got "two"'),
        ("train.epochs", -1, "train.epochs: expected at least 0 or a list, got -1"),
        ("train.epochs", True, "train.epochs: expected a whole number or a list, got true"),
        ("train.epochs", 2.5, "train.epochs: expected a whole number or a list, got 2.5"),
        ("train.lr", "fast", 'train.lr: expected a number, got "fast"'),
        ("train.lr", 0, "train.lr: expected more than 0.0, got 0"),
        ("train.lr", float("nan"), "train.lr: expected a finite number, got NaN"),
        ("train.lr", float("inf"), "train.lr: expected a finite number, got Infinity"),
        ("train.momentum", 1.0, "train.momentum: expected less than 1.0, got 1.0"),
        ("train.keep_optimizer", 1, "train.keep_optimizer: expected true or false, got 1"),
        ("train", 5, "train: expected a table, got 5"),
        ("model.hidden", 5, "model.hidden: expected a list, got 5"),
        ("stream.data", 5, "stream.data: expected text or a table, got 5"),
        ("stream", "digits", 'stream: expected a table such as { name = "split" }, got "digits"'),
        ("stream.scenario", "clas", 'expected "task", "domain" or "class", got "clas"'),
        ("sleep.steps", [5, -2], "sleep.steps[1]: expected at least 0, got -2"),
        ("sleep.thresholds", [], "sleep.thresholds: expected at least 1 in the list, got []"),
        (
            "sleep.drive",
            "mean",
            'sleep.drive: expected a table such as { name = "mean" }, got "mean"',
        ),
        ("sleep.gains", {"name": "fixed", "values": ["a"]}, "sleep.gains.values[0]: expected a nu"),
        ("sleep.rule.name", "gatd", "Unknown rule 'gatd'. Did you mean 'gated'?"),
        ("sleep.engine", "evnt", "sleep.engine: unknown engine \"evnt\". Did you mean 'event'?"),
        ("methods.0.name", "nave", "methods[0].name: Unknown method 'nave'. Did you mean 'naive'?"),
        ("methods.0.memory", 5, "methods[0].memory: unknown key. It has no settings."),
        ("methods", [], "methods: expected at least one method."),
        ("model.name", 5, "model.name: expected a name, got 5. Known: "),
        ("train.batchsize", 5, "train.batchsize: unknown key. Did you mean 'batch_size'? Known: "),
        ("trian.lr", 5, "trian: unknown key. Did you mean 'train'? Known: "),
        ("extends", "mnist-5k", "extends: is read before --set; write it into a settings file"),
        ("title", "x" * 1000 + "!", None),
        ("train.lr", "x" * 1000, f'train.lr: expected a number, got "{"x" * 79}…'),
    ],
)
def test_one_fault_gets_one_line_with_its_path(settings, key, value, line):
    if line is None:
        load(settings(), [(key, value)])
        return
    found = faults(settings(), (key, value))
    assert len(found) == 1
    assert line in found[0]
    assert found[0].startswith(key.replace(".0", "[0]").split(".")[0])


def test_all_faults_are_told_at_once(settings):
    found = faults(
        settings("src"),
        ("train.batch_size", 0),
        ("train.nonsense", 1),
        ("model.name", "mpl"),
        ("sleep.rule.inc", -1),
        ("methods.0.name", "scr"),
        ("seeed", 3),
    )
    paths = [line.partition(":")[0] for line in found]
    assert sorted(paths) == [
        "methods[0].name",
        "model.name",
        "seeed",
        "sleep.rule.inc",
        "train.batch_size",
        "train.nonsense",
    ]


def test_missing_parts_are_told():
    found = faults({"sleep": {"rule": {"name": "gated"}}})
    assert "sleep.rule.inc: missing" in found
    assert any(line.startswith("stream.name: missing. Known: ") for line in found)
    assert any(line.startswith("methods: expected at least one") for line in found)


# -- the result --------------------------------------------------------------------------------


def test_a_config_is_picklable_both_ways(settings):
    config = load(settings("rehearsal", "src"), [("methods.0.memory", 7)])
    again = pickle.loads(pickle.dumps(config))
    assert again.resolved == config.resolved
    assert again.methods[0].memory == 7
    assert (again.stream, again.model, again.training) == (
        config.stream,
        config.model,
        config.training,
    )


def test_the_order_of_keys_does_not_matter(settings):
    tables = settings("rehearsal", "src")
    assert load(shuffled(tables, random.Random(0))).resolved == load(tables).resolved


def test_a_file_and_its_tables_are_the_same(settings_file):
    path = settings_file("src", name="mine.toml")
    from_file = load(path)
    from_tables = load(tomllib.loads(path.read_text()))
    assert from_file.resolved == from_tables.resolved
    assert (from_file.name, from_tables.name) == ("mine", "custom")
