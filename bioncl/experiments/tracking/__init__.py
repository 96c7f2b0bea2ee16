"""A run's numbers in the tools that others watch their experiments with.

    result.json ─► measures ─► tensorboard | mlflow        (`bioncl run --track …`; extras)

Numbers are logged when the run is done, from its result: `measures` gives them their names, which
are those of result.json, and one module a tool hands them over. The step is the number of tasks
that were learnt.
"""

from __future__ import annotations

from bioncl.registry import Registry

_HERE = "bioncl.experiments.tracking"

TRACKERS = Registry(
    "tracker",
    {
        "tensorboard": (f"{_HERE}.tensorboard_log:TensorBoard", "event files in DIR/tensorboard"),
        "mlflow": (f"{_HERE}.mlflow_log:MLflow", "the server or folder of MLFLOW_TRACKING_URI"),
    },
)
