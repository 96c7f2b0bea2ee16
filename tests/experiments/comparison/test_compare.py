"""A whole comparison in this process: files, going on, and what is refused before anything runs."""

import csv
import json

import pytest

from bioncl.errors import InputError, UnsupportedError
from bioncl.experiments.comparison.compare import compare
from bioncl.experiments.comparison.contenders import contender, together
from bioncl.experiments.comparison.files import can_write_parquet, run_records, write_csv
from bioncl.experiments.sweep.workers import Inline
from bioncl.progress import Silent


@pytest.fixture
def three(settings_file):
    """Naive, rehearsal, and one that diverges."""
    paths = [
        settings_file(name="naive.toml"),
        settings_file("rehearsal", name="memory.toml"),
        settings_file(name="wild.toml", train={"lr": 1e30}),
    ]
    return together([contender(str(path), range(2)) for path in paths])


def read(path):
    """Records of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_tables_hold_every_run_and_those_that_failed(three, tmp_path):
    """Against the result.json of each run; a run that failed has its error and no numbers."""
    out = tmp_path / "out"
    found = compare(three, Inline(), out)
    assert found.failed == 2
    rows = read(out / "results.csv")
    assert [(row["settings"], row["seed"]) for row in rows] == [
        (name, str(seed)) for name in ("naive", "memory", "wild") for seed in (0, 1)
    ]
    for row in rows[:4]:
        result = json.loads((out / "runs" / row["address"] / "result.json").read_text())
        assert row["status"] == "done"
        for key in ("acc", "bwt", "fwt", "forgetting", "learning_accuracy"):
            assert float(row[key]) == result[key]
        assert float(row["bytes"]) == sum(result["memory_bytes"].values())
        assert float(row["stored_examples"]) == result["stored_examples"]
        assert float(row["training_steps"]) == result["training_steps"] > 0
        assert row["command"].startswith("bioncl run ")
        assert row["error"] == ""
    for row in rows[4:]:
        assert row["status"] == "failed"
        assert "diverged" in row["error"]
        assert row["acc"] == ""
        error = json.loads((out / "runs" / row["address"] / "error.json").read_text())
        assert "Traceback" in error["traceback"]
    naive, memory, wild = read(out / "summary.csv")
    assert float(memory["difference"]) == pytest.approx(
        float(memory["acc_mean"]) - float(naive["acc_mean"])
    )
    assert (naive["difference"], wild["acc_mean"], wild["failed"]) == ("", "", "2")


def test_stored_examples_are_those_in_memory(three, tmp_path):
    """Rehearsal keeps 200, and three tasks have more; naive keeps none."""
    found = compare(three[:2], Inline(), tmp_path / "out")
    naive, memory = found.rows
    assert naive.estimates["stored_examples"].mean == 0
    assert memory.estimates["stored_examples"].mean == 200


def test_a_folder_is_used_again_with_more_settings_and_seeds(three, settings_file, tmp_path):
    """Runs that are there stay as they are; tables are about the latest call."""
    out = tmp_path / "out"
    compare(three[:1], Inline(), out)
    results = list(out.glob("runs/*/result.json"))
    stamps = [path.stat().st_mtime_ns for path in results]
    more = together(
        [contender(str(settings_file("rehearsal", name="memory.toml")), range(3)),
         contender(str(settings_file(name="naive.toml")), range(3))]
    )  # fmt: skip
    compare(more, Inline(), out)
    assert [path.stat().st_mtime_ns for path in results] == stamps
    assert len(list(out.glob("runs/*/result.json"))) == 6
    assert [row["settings"] for row in read(out / "summary.csv")] == ["memory", "naive"]


def test_failed_runs_are_run_again_only_when_asked_to(three, tmp_path):
    out = tmp_path / "out"
    compare(three[2:], Inline(), out)
    errors = list(out.glob("runs/*/error.json"))
    stamps = [path.stat().st_mtime_ns for path in errors]
    compare(three[2:], Inline(), out)
    assert [path.stat().st_mtime_ns for path in errors] == stamps
    compare(three[2:], Inline(), out, retry_failed=True)
    assert all(path.stat().st_mtime_ns > was for path, was in zip(errors, stamps, strict=True))


def test_a_folder_with_something_else_is_refused(three, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="holds something else than a comparison"):
        compare(three, Inline(), out)
    assert [path.name for path in out.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"stream": {"data": "mnist"}, "data": {"download": False}}, InputError),
        ({"methods": [{"name": "packnet"}]}, UnsupportedError),
    ],
)
def test_what_cannot_run_is_refused_before_anything_runs(
    three, settings_file, tmp_path, monkeypatch, change, error
):
    monkeypatch.delenv("BIONCL_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    bad = contender(str(settings_file(name="bad.toml", **change)), range(2))
    with pytest.raises(error, match="^bad: "):
        compare(together([*three, bad]), Inline(), tmp_path / "out")
    with pytest.raises(InputError, match="baseline 'x' is not compared"):
        compare(three, Inline(), tmp_path / "out", baseline="x")
    assert not (tmp_path / "out").exists()


class Notes(Silent):
    """Keeps what it was told."""

    def __init__(self):
        """Start with nothing."""
        self.told = []

    def note(self, text):
        """Keep a line."""
        self.told.append(text)


def test_parquet_holds_the_same_as_csv_or_its_absence_is_told(three, tmp_path):
    out, notes = tmp_path / "out", Notes()
    found = compare(three, Inline(), out, progress=notes)
    if not can_write_parquet():
        assert not (out / "results.parquet").exists()
        assert any("pip install 'bioncl[frames]'" in line for line in notes.told)
        return
    from pyarrow import parquet

    assert parquet.read_table(out / "results.parquet").to_pylist() == run_records(found)


def test_csv_keeps_awkward_texts(tmp_path):
    """Commas, quotes, line ends and what is not known come back."""
    record = {"a": 'x, "y"\nz', "b": None, "c": 0.1}
    write_csv(tmp_path / "t.csv", [record])
    assert read(tmp_path / "t.csv") == [{"a": 'x, "y"\nz', "b": "", "c": "0.1"}]
