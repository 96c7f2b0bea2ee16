"""Workers and drivers are killed while they work: the sweep ends with the same numbers.

Sweeps run in processes of their own, see killed_sweeps.py.
"""

import importlib.util
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

SCRIPT = Path(__file__).with_name("killed_sweeps.py")
TIMES = ("seconds",)
needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None,
    reason="needs Dask distributed (pip install 'bioncl[cluster]')",
)


def results(folder):
    """The results in a sweep by address, without their times."""
    found = {}
    for path in sorted((folder / "runs").iterdir()):
        values = json.loads((path / "result.json").read_text())
        found[path.name] = {key: v for key, v in values.items() if key not in TIMES}
    return found


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """A function that starts a sweep in the folder of this name; the results of one in peace."""
    root = tmp_path_factory.mktemp("sweeps")
    tables = {
        "stream": {"name": "split", "data": "digits", "classes": [[0, 1], [2, 3]]},
        "model": {"name": "mlp", "hidden": [16]},
        "train": {"epochs": 2, "batch_size": 20, "lr": 0.2},
        "methods": [{"name": "rehearsal", "memory": 40}],
    }
    (root / "settings.json").write_text(json.dumps(tables))

    def start(name, workers, kills=0):
        words = [str(root / "settings.json"), str(root / name), str(workers), str(kills)]
        command = [sys.executable, str(SCRIPT), *words]
        return root / name, subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    folder, process = start("peace", 0)
    process.communicate(timeout=120)
    return start, results(folder)


@needs_dask
@pytest.mark.parametrize("kills", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_a_killed_worker_costs_no_result(sweep, kills):
    """Every seed is told once, nothing has failed, and the numbers are those of peace.

    With ten kills, each outcome is followed by one, and the rest come while the sweep is repeated.
    """
    start, peace = sweep
    killed = round_ = 0
    while killed < kills:
        round_ += 1
        folder, process = start(f"worker{kills}-{round_}", 2, min(5, kills - killed))
        told, _ = process.communicate(timeout=300)
        lines = told.splitlines()
        done = sorted(line for line in lines if line.startswith("done"))
        assert done == [f"done {seed} " for seed in range(6)]
        killed += sum(line.startswith("killed") for line in lines)
        assert process.returncode == 0
        assert results(folder) == peace
    assert killed == kills


@needs_dask
@pytest.mark.slow
def test_a_run_that_kills_its_workers_fails_in_the_end(sweep):
    """The others are done all the same."""
    start, peace = sweep
    folder, process = start("deadly", 2, "deadly")
    told, _ = process.communicate(timeout=300)
    lines = sorted(told.splitlines())
    assert lines[0].startswith("done 0 Every worker that ran it died.")
    assert lines[1:] == [f"done {seed} " for seed in range(1, 6)]
    (broken,) = folder.glob("runs/*/error.json")
    broken.unlink()
    broken.parent.rmdir()
    found = results(folder)
    assert found == {name: peace[name] for name in found}
    assert len(found) == 5


def kill_driver(process, done):
    """Kill a driver after so many outcomes; return the processes that it had."""
    for _ in range(done):
        assert process.stdout.readline().startswith("done")
    mine = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    return mine


def test_a_killed_driver_goes_on_where_it_was(sweep):
    """What was done is not begun again."""
    start, peace = sweep
    folder, process = start("driver", 0)
    kill_driver(process, 2)
    before = len((folder / "begun").read_text().split())
    _, process = start("driver", 0)
    told, _ = process.communicate(timeout=120)
    assert [line.split()[1] for line in told.splitlines()] == list("012345")
    after = len((folder / "begun").read_text().split())
    assert after - before == 4
    assert results(folder) == peace


@needs_dask
@pytest.mark.slow
def test_a_driver_killed_ten_times_leaves_no_worker_and_loses_nothing(sweep):
    """Each kill comes after an outcome or right at the start; orphans end with their driver."""
    start, peace = sweep
    folder, known = None, 0
    for kill in range(10):
        folder, process = start("drivers", 2)
        orphans = kill_driver(process, min(known + kill % 2, 5))
        known = len(list(folder.glob("runs/*/result.json")))
        _, alive = psutil.wait_procs(orphans, timeout=30)
        assert alive == []
        time.sleep(0.1 * (kill % 3))
    _, process = start("drivers", 2)
    process.communicate(timeout=120)
    assert results(folder) == peace
