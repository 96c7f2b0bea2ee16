"""TensorBoard: event files below the folder of the run (extra: tensorboard)."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bioncl.atomic import storage_errors
from bioncl.experiments.tracking.measures import FINAL, measures, parameters
from bioncl.traces.exports.optional import require

FOLDER = "tensorboard"


class TensorBoard:
    """Writes DIR/tensorboard anew; `tensorboard --logdir` on a folder of runs shows them all."""

    def __init__(self) -> None:
        """Import what it needs.

        Raises:
            UnsupportedError: It is not installed.
        """
        require("tensorboard", "tensorboard")
        self._writer = require("torch.utils.tensorboard", "tensorboard").SummaryWriter

    def log(self, values: Mapping[str, Any], out: Path) -> str:
        """See `Tracker`; settings become hparams, with the final measures beside them."""
        folder = out / FOLDER
        with storage_errors(folder):
            shutil.rmtree(folder, ignore_errors=True)  # a second log would draw every line twice
            with self._writer(str(folder)) as writer:
                for name, step, value in measures(values):
                    writer.add_scalar(name, value, step)
                final = {
                    f"hparam/{key}": values[key] for key in FINAL if values.get(key) is not None
                }
                writer.add_hparams(parameters(values), final, run_name=".")
        return str(folder)
