"""MLflow: the server or folder that MLFLOW_TRACKING_URI names (extra: mlflow)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bioncl.atomic import write_text
from bioncl.errors import RunError, describe
from bioncl.experiments.tracking.measures import Measure, measures, parameters, run_name
from bioncl.traces.exports.optional import require

EXPERIMENT = "bioncl"
"""Where runs go unless MLFLOW_EXPERIMENT_NAME says otherwise."""

MARK = "mlflow-run.txt"
LONGEST = 500
"""Characters of a parameter that every MLflow server takes."""


class MLflow:
    """Logs a run once; a run that was logged is left as it is."""

    def __init__(self) -> None:
        """Import what it needs.

        Raises:
            UnsupportedError: It is not installed.
        """
        self._mlflow = require("mlflow", "mlflow")

    def log(self, values: Mapping[str, Any], out: Path) -> str:
        """See `Tracker`; settings become params, result.json an artifact.

        Raises:
            RunError: MLflow cannot keep it.
        """
        mark = out / MARK
        if mark.exists():
            return f"run {mark.read_text(encoding='utf-8').strip()} (logged before)"
        try:
            number = self._log(values, out)
        except (self._mlflow.exceptions.MlflowException, OSError) as error:
            hint = "The run itself is saved; check MLFLOW_TRACKING_URI and log it with --resume."
            what = f"MLflow cannot keep the run ({str(error).splitlines()[0]})"
            raise RunError(describe(what, hint=hint)) from error
        write_text(mark, f"{number}\n")
        return f"run {number} at {self._mlflow.get_tracking_uri()}"

    def _log(self, values: Mapping[str, Any], out: Path) -> str:
        client = self._mlflow.tracking.MlflowClient()
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        known = client.get_experiment_by_name(name)
        experiment = known.experiment_id if known else client.create_experiment(name)
        run = client.create_run(experiment, run_name=run_name(values), tags=_tags(values))
        number = str(run.info.run_id)
        entities = self._mlflow.entities
        given = [
            entities.Param(key, str(value)[:LONGEST]) for key, value in parameters(values).items()
        ]
        numbers = [_metric(entities, one) for one in measures(values)]
        for start in range(0, max(len(given), len(numbers)), 100):  # what one call may carry
            part = slice(start, start + 100)
            client.log_batch(number, metrics=numbers[part], params=given[part])
        if (out / "result.json").exists():
            client.log_artifact(number, str(out / "result.json"))
        client.set_terminated(number)
        return number


def _metric(entities: Any, one: Measure) -> Any:
    return entities.Metric(one.name, one.value, 0, one.step)


def _tags(values: Mapping[str, Any]) -> dict[str, str]:
    names = ("bioncl", "stream", "scenario", "method", "seed")
    return {name: str(values[name]) for name in names}
