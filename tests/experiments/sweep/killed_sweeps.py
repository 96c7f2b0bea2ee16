"""A sweep in a process of its own, for test_kills.py to kill.

python killed_sweeps.py SETTINGS.json FOLDER WORKERS [KILLS]: runs six seeds with that many worker
processes (0: in this one), and prints "done SEED ERROR" for each outcome. It kills KILLS of its own
workers while they work, each after an outcome, and prints "killed PID" for each. With KILLS
"deadly" seed 0 kills whoever runs it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import psutil

from bioncl.experiments.sweep.engine import run_jobs
from bioncl.experiments.sweep.jobs import Job, plan
from bioncl.experiments.sweep.work import Outcome, run_job
from bioncl.experiments.sweep.workers import Inline, Local

SEEDS = 6
PAUSE = 0.4


def slowly(job: Job, out: Path, retry_failed: bool) -> Outcome:
    """Do the job and leave some time in which it can be killed; say where it was done."""
    with (out / "begun").open("a") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(PAUSE)
    return run_job(job, out, retry_failed)


def deadly(job: Job, out: Path, retry_failed: bool) -> Outcome:
    """The same, but seed 0 ends the process."""
    if job.seed == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return slowly(job, out, retry_failed)


def main(settings: str, folder: str, workers: str, kills: str = "0") -> None:
    """Run the sweep."""
    out, left = Path(folder), 0 if kills == "deadly" else int(kills)
    work = deadly if kills == "deadly" else slowly
    out.mkdir(parents=True, exist_ok=True)
    jobs = plan(json.loads(Path(settings).read_text()), range(SEEDS))

    def done(job: Job, outcome: Outcome) -> None:
        nonlocal left
        print("done", job.seed, outcome.error, flush=True)
        if left:
            left -= 1
            kill_one(out)

    run_jobs(jobs, Local(int(workers)) if int(workers) else Inline(), out, done, work=work)


def kill_one(out: Path) -> None:
    """Kill the worker that has begun a job most lately."""
    time.sleep(PAUSE / 2)
    begun = [int(line) for line in (out / "begun").read_text().split()]
    mine = {child.pid for child in psutil.Process().children(recursive=True)}
    pid = next(pid for pid in reversed(begun) if pid in mine)
    os.kill(pid, signal.SIGKILL)
    print("killed", pid, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
