"""Figure of loss and accuracy on the line from awake to asleep weights."""

from __future__ import annotations

from matplotlib.figure import Figure

from bioncl.experiments.line import NightLine
from bioncl.report import style


def line_figure(title: str, found: NightLine) -> Figure:
    """Left the loss, right the accuracy, of all tasks so far together and of each.

    Args:
        title: Heading of the figure.
        found: Of two points or more.
    """
    figure, (panels,) = style.panels(1, 2, 2.9)
    pairs = (
        (panels[0], found.line.loss, found.task_loss, "loss", 1),
        (panels[1], found.line.accuracy, found.task_accuracy, "accuracy (%)", 100),
    )
    for panel, together, each, what, scale in pairs:
        for task, values in enumerate(each.T):
            label = labels_of(len(found.tasks))[task]
            colour = style.age_colour("new" if label == "new task" else "old")
            panel.plot(found.line.alphas, scale * values, color=colour, lw=0.8, label=label)
        panel.plot(
            found.line.alphas, scale * together, "o-", ms=2.5, color=style.INK, label="all so far"
        )
        panel.set(xlabel="awake (0) to asleep (1)", ylabel=what)
    panels[1].set_ylim(-3, 103)
    panels[0].set_title(f"loss; barrier {found.barrier:.3g}")
    panels[1].set_title("accuracy on the test data")
    style.head(figure, title, panels[0])
    return figure


def labels_of(tasks: int) -> list[str | None]:
    """What the legend calls each task: the last is new, the old ones share one entry."""
    old: list[str | None] = ["old tasks", *[None] * tasks][: tasks - 1]
    return [*old, "new task"]
