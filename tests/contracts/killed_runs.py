"""Kills runs at chosen and at random moments, resumes them and compares with runs left in peace.

Run by test_resume.py in a process of its own: python killed_runs.py FOLDER. The process imports
everything once and forks a child for every run, so a kill falls into the run and not into imports.
Each method is killed in every phase, at a moment of it drawn from a fixed seed, and a few times
after a random delay; a resumed run may be killed again. Prints one JSON list with an object for
each kill: method, phase, whether the kill came before the end, and what differs afterwards.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bioncl.cli.errors import run_command
from bioncl.cli.main import cli

SETTINGS = """
[stream]
name = "split"
data = "digits"
classes = [[0, 1], [2, 3], [4, 5]]
train_per_task = 200
[model]
name = "mlp"
hidden = [20, 16]
[train]
epochs = 3
batch_size = 20
lr = 0.2
momentum = 0.5
keep_optimizer = true
[sleep]
steps = 1200
sees = "current"
threads = 1
drive = { name = "mean" }
thresholds = [0.5]
rule = { name = "gated", inc = 0.01, dec = 0.01 }
"""
METHODS = {
    "naive": '[[methods]]\nname = "naive"\n',
    "rehearsal": '[[methods]]\nname = "rehearsal"\nmemory = 40\n',
    "src": '[[methods]]\nname = "src"\n',
}
DELAYS = 3

Die = Callable[[], None]


def in_train(original: Any, die: Die) -> Any:
    """At a batch."""

    def batches(learner: Any) -> Iterator[Any]:
        for batch in original(learner):
            die()
            yield batch

    return batches


def in_sleep(original: Any, die: Die) -> Any:
    """At a chunk of a night."""

    def watched(chunks: Any, advance: Any) -> Iterator[Any]:
        for chunk in original(chunks, advance):
            yield chunk
            die()

    return watched


def before(original: Any, die: Die) -> Any:
    """Before a call."""

    @functools.wraps(original)
    def call(*given: Any, **named: Any) -> Any:
        die()
        return original(*given, **named)

    return call


def after(original: Any, die: Die) -> Any:
    """After a call."""

    @functools.wraps(original)
    def call(*given: Any, **named: Any) -> Any:
        done = original(*given, **named)
        die()
        return done

    return call


def half_written(original: Any, die: Die) -> Any:
    """When half of a checkpoint is written."""

    def save_file(tensors: Any, path: Path, **named: Any) -> None:
        original(tensors, path, **named)
        whole = Path(path).read_bytes()
        Path(path).write_bytes(whole[: len(whole) // 2])
        die()
        Path(path).write_bytes(whole)

    return save_file


PHASES = {
    "train": ("bioncl.learning.loop", "batches", in_train),
    "sleep": ("bioncl.nights.night", "watched", in_sleep),
    "eval": ("bioncl.learning.learner", "evaluate", before),
    "trace before its renaming": ("bioncl.traces.hdf5_writer", "commit", before),
    "trace after its renaming": ("bioncl.traces.hdf5_writer", "commit", after),
    "checkpoint half written": ("bioncl.models.checkpoint", "save_file", half_written),
    "file before its renaming": ("bioncl.atomic", "commit", before),
    "file after its renaming": ("bioncl.atomic", "commit", after),
}


class Countdown:
    """Kills this process at the `left`-th call; with 0 it only counts."""

    def __init__(self, left: int = 0) -> None:
        """Start counting."""
        self.left, self.calls = left, 0

    def __call__(self) -> None:
        """Count one call."""
        self.calls += 1
        if self.calls == self.left:
            os.kill(os.getpid(), signal.SIGKILL)


def arm(phase: str, left: int = 0) -> Countdown:
    """Put a countdown into the code of `phase`, in this process."""
    module, name, wrap = PHASES[phase]
    place, countdown = importlib.import_module(module), Countdown(left)
    setattr(place, name, wrap(getattr(place, name), countdown))
    return countdown


def child(work: Callable[[], int], log: Path) -> int:
    """Fork; the child does `work`, its output going to `log`, and exits with what it returns."""
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
            code = work()
        finally:
            os._exit(code)
    return pid


def outcome(pid: int) -> int:
    """Wait for a child; its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def bioncl_run(settings: Path, out: Path, *more: str) -> int:
    """Call `bioncl run` in this process."""
    words = ["run", str(settings), "--out", str(out), "--no-figures", *more]
    return run_command(cli, words)


def reference(settings: Path, out: Path) -> dict[str, int]:
    """Run in peace; return how often each phase is passed."""
    counts = out.with_suffix(".counts")

    def work() -> int:
        countdowns = {phase: arm(phase) for phase in PHASES}
        code = bioncl_run(settings, out)
        counts.write_text(json.dumps({k: v.calls for k, v in countdowns.items()}))
        return code

    if outcome(child(work, out.with_suffix(".log"))) != 0:
        raise RuntimeError(out.with_suffix(".log").read_text())
    return dict(json.loads(counts.read_text()))


def finish(settings: Path, out: Path) -> int:
    """Resume until the end; return the exit code."""
    return outcome(child(lambda: bioncl_run(settings, out, "--resume"), out.with_suffix(".log")))


def kill_in_phase(settings: Path, out: Path, phase: str, left: int, again: int) -> bool:
    """Kill at the `left`-th passage of `phase`, and once more at the `again`-th after resuming."""
    log = out.with_suffix(".log")

    def work(count: int, *more: str) -> int:
        arm(phase, count)
        return bioncl_run(settings, out, *more)

    code = outcome(child(lambda: work(left), log))
    outcome(child(lambda: work(again, "--resume"), log))
    return code == -signal.SIGKILL


def kill_after(settings: Path, out: Path, delay: float) -> bool:
    """Kill after `delay` seconds; return whether the run was still going on."""
    pid = child(lambda: bioncl_run(settings, out), out.with_suffix(".log"))
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)
    return outcome(pid) == -signal.SIGKILL


def differences(one: Path, other: Path) -> list[str]:
    """What differs between two finished runs, times apart; and what was left lying about."""
    found = [f"left over: {path}" for path in other.rglob("*") if "part" in path.suffix]
    found += ["left over: lock"] if (other / ".lock").exists() else []
    a, b = (json.loads((folder / "result.json").read_text()) for folder in (one, other))
    for values in (a, b):
        del values["seconds"]
    found += [f"result.json: {key}" for key in {*a, *b} if a.get(key) != b.get(key)]
    found += checkpoint_differences(one, other)
    return found + trace_differences(one / "trace.h5", other / "trace.h5")


def checkpoint_differences(one: Path, other: Path) -> list[str]:
    """Tensors of any checkpoint that are not equal bit for bit."""
    from bioncl.models.checkpoint import load

    found = []
    for path in sorted((one / "checkpoints").iterdir()):
        a, b = load(path).tensors, load(other / "checkpoints" / path.name).tensors
        found += [
            f"{path.name}: {name}"
            for name in {*a, *b}
            if name not in a or name not in b or not a[name].equal(b[name])
        ]
    return found


def trace_differences(one: Path, other: Path) -> list[str]:
    """Data sets of spikes and weights that are not equal bit for bit."""
    import h5py
    import numpy

    if not one.exists() and not other.exists():
        return []
    with h5py.File(one) as a, h5py.File(other) as b:
        names: list[str] = []
        a.visititems(lambda name, thing: names.append(name) if hasattr(thing, "dtype") else None)
        compared = [n for n in names if n.startswith("spikes/") or "/weights/" in n]
        found = [
            f"trace: {n}"
            for n in compared
            if n not in b or not numpy.array_equal(a[n][()], b[n][()])
        ]
        if not b["bioncl"].attrs["complete"] or set(a["bioncl/sleep"]) != set(b["bioncl/sleep"]):
            found.append("trace: nights")
        return found


def trial(method: str, folder: Path, dice: random.Random) -> Iterator[dict[str, Any]]:
    """Kill and resume runs of one method in every way."""
    settings = folder / f"{method}.toml"
    settings.write_text(SETTINGS + METHODS[method])
    peace = folder / f"{method}-peace"
    counts = reference(settings, peace)
    started = time.monotonic()
    finish(settings, folder / f"{method}-again")  # its time is what delays are drawn from
    lasts = time.monotonic() - started

    def end(phase: str, out: Path, killed: bool) -> dict[str, Any]:
        code = finish(settings, out)
        differ = differences(peace, out) if code == 0 else [out.with_suffix(".log").read_text()]
        return {"method": method, "phase": phase, "killed": killed, "differ": differ}

    for phase, count in counts.items():
        if count:
            out = folder / f"{method}-{phase.replace(' ', '-')}"
            left, later = dice.randint(1, count), dice.randint(1, count)
            yield end(phase, out, kill_in_phase(settings, out, phase, left, later))
    for number in range(DELAYS):
        out = folder / f"{method}-delay{number}"
        delay = dice.uniform(number, number + 1) / DELAYS * lasts
        yield end("any", out, kill_after(settings, out, delay))


def main() -> None:
    """Try all methods; see the module."""
    folder, dice = Path(sys.argv[1]), random.Random(20)
    # Everything is imported and compiled before the first fork.
    warm = folder / "warm.toml"
    warm.write_text(SETTINGS + METHODS["src"])
    descriptor = os.dup(1)
    os.dup2(2, 1)
    bioncl_run(warm, folder / "warm", "--quiet")
    os.dup2(descriptor, 1)
    print(json.dumps([found for method in METHODS for found in trial(method, folder, dice)]))


if __name__ == "__main__":
    main()
