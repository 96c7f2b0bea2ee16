"""Print one table of the demonstration's runs, from their result.json files.

Usage: demo_table.py FOLDER, where FOLDER holds one folder a run.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

RUNS = {
    "without sleep": "mnist-5k-naive",
    "with sleep": "mnist-5k",
    "rehearsal": "mnist-5k-rehearsal",
    "joint": "mnist-5k-joint",
}
PICTURES = (".png", ".svg", ".html")


def row(label: str, result: dict[str, Any]) -> list[str]:
    """One line of the table: accuracies in per cent after the last task, time and memory."""
    tasks = "  ".join(f"{100 * accuracy:5.1f}" for accuracy in result["accuracy"][-1])
    seconds = sum(result["seconds"].values())
    stored = result["memory_bytes"]["stored_examples"]
    return [label, f"{100 * result['acc']:.1f}", tasks, f"{seconds:.1f}", f"{stored:,}"]


def table(rows: list[list[str]]) -> str:
    """The rows in columns, the first one to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for cells in rows:
        numbers = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        lines.append("  ".join([cells[0].ljust(widths[0]), *numbers]))
    return "\n".join(lines)


def files(folder: Path, result: dict[str, Any]) -> list[Path]:
    """The trace and the figures of one run."""
    trace = [folder / result["trace"]] if result.get("trace") else []
    return trace + sorted(path for path in folder.rglob("*") if path.suffix in PICTURES)


def main(out: Path) -> None:
    """Print the table of the runs in `out`, then where their traces and figures are."""
    results = {
        label: json.loads((out / name / "result.json").read_text(encoding="utf-8"))
        for label, name in RUNS.items()
    }
    head = ["", "accuracy %", "each task %", "seconds", "stored bytes"]
    print(table([head, *(row(label, result) for label, result in results.items())]))
    print("\nAccuracies on all test data, and on each task's, after the last task.")
    for label, name in RUNS.items():
        for path in files(out / name, results[label]):
            print(f"{label}: {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
