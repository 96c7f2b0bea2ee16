"""`bioncl eval`: accuracy of a checkpoint."""

from __future__ import annotations

from pathlib import Path

import click

from bioncl.cli.options import data_dir_option, json_option, print_json, print_table, quiet_option
from bioncl.cli.settings_options import parse_sets, set_option


@click.command("eval")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@set_option
@data_dir_option
@json_option
@quiet_option
def evaluate(
    checkpoint: Path, sets: tuple[str, ...], data_dir: Path | None, as_json: bool, quiet: bool
) -> None:
    """Accuracy of a checkpoint on each task, and on all test data.

    Stream and network are those that the checkpoint was made with. If its settings hold data out
    for validation, --set data.evaluate_on=validation scores on that.
    """
    from bioncl.cli.progress import reporter
    from bioncl.experiments.single import score

    given = [("data.dir", str(data_dir))] if data_dir else []
    config, learner = score(checkpoint, [*parse_sets(sets), *given], reporter(quiet or as_json))
    scores, stream = learner.scores(), learner.stream
    names = [stream.task(i).name for i in range(len(stream))]
    if as_json:
        print_json(
            {
                "stream": stream.name,
                "scenario": stream.scenario,
                "method": "+".join(config.method_names),
                "seed": config.general.seed,
                "tasks": names,
                "accuracy": scores.tasks,
                "accuracy_all": scores.all,
            }
        )
        return
    rows = [(name, f"{100 * a:.1f}") for name, a in zip(names, scores.tasks, strict=True)]
    print_table([("TASK", "ACCURACY %"), *rows, ("all", f"{100 * scores.all:.1f}")])
