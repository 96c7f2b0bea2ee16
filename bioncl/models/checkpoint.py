"""Checkpoints: tensors in safetensors, everything else in a JSON header, guarded by a SHA-256.

Loading reads numbers and JSON only; nothing in the file is ever executed. A file that was cut off,
altered or made by something else is refused with a clear error.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from bioncl.atomic import replacing
from bioncl.errors import CheckpointError, describe

FORMAT = "bioncl-checkpoint"
VERSION = 1


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        tensors: By name; "model.", "optimizer." and "method<i>." begin the names of a run's.
        header: JSON-able facts: settings, task, seed, versions, results so far.
    """

    tensors: Mapping[str, Tensor]
    header: Mapping[str, Any]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with `prefix`, without it."""
        return {k[len(prefix) :]: v for k, v in self.tensors.items() if k.startswith(prefix)}


def save(path: Path | str, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically.

    Raises:
        StorageError: It cannot be written; what stood at `path` is untouched.
    """
    tensors = {k: v.detach().cpu().contiguous() for k, v in checkpoint.tensors.items()}
    text = json.dumps(checkpoint.header, allow_nan=False)
    facts = {"format": FORMAT, "version": str(VERSION), "header": text}
    facts["sha256"] = _digest(tensors, facts)
    with replacing(path) as part:
        try:
            save_file(tensors, part, metadata=facts)
        except SafetensorError as error:  # the library reports a full disk this way
            raise OSError(str(error)) from error


def load(path: Path | str) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        CheckpointError: It is missing, damaged, foreign, or from a newer bioncl.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(describe(f"No checkpoint at {path}", hint="Check the path."))
    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata() or {}
            _check_format(path, facts)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    if _digest(tensors, facts) != facts.get("sha256"):
        raise _damaged(path, "its SHA-256 does not match")
    return Checkpoint(tensors, json.loads(facts["header"]))


def _check_format(path: Path, facts: Mapping[str, str]) -> None:
    if facts.get("format") != FORMAT or not {"version", "header"} <= facts.keys():
        hint = "Only checkpoints written by bioncl can be loaded."
        raise CheckpointError(describe(f"{path} is not a bioncl checkpoint", hint=hint))
    if int(facts["version"]) > VERSION:
        what = f"{path} was written by a newer bioncl"
        got = f"format {facts['version']}"
        raise CheckpointError(
            describe(what, expected=f"format {VERSION} or older", got=got, hint="Upgrade bioncl.")
        )


def _damaged(path: Path, reason: str) -> CheckpointError:
    hint = "Restore it from a copy, or repeat the run (an earlier task's checkpoint still works)."
    return CheckpointError(describe(f"Checkpoint {path} is damaged ({reason})", hint=hint))


def _digest(tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> str:
    digest = hashlib.sha256(f"{facts['version']}:{facts['header']}".encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).numpy().data)
    return digest.hexdigest()
