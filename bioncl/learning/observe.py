"""What a recorded night notes about the network around it: activations awake, before and after.

The data is gone when a trace is read, so a few training examples of every class seen so far go in
with their activations in every layer, and the class means of more of them.

    awake/classes            int64 [classes]
    awake/means/<layer>      float32 [classes, width], before the night, over MEAN_EXAMPLES a class
    awake/labels             int64 [examples]
    awake/before/<layer>     float16 [examples, width]
    awake/after/<layer>      float16 [examples, width]
    confusion/before, after  int64 [label, decision], on the test data
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bioncl.learning.evaluation import Scores
from bioncl.learning.learner import Learner
from bioncl.models.backbone import Backbone
from bioncl.streams.stream import Examples, joined

MEAN_EXAMPLES = 100
Arrays = dict[str, NDArray[Any]]


def sample(learner: Learner, per_class: int) -> Examples:
    """The first `per_class` training examples of each class seen so far, class by class."""
    parts: dict[int, list[Examples]] = {}
    for index in range(learner.task.index + 1):
        train = learner.stream.task(index).train
        for label in train.y.unique().tolist():
            chosen = (train.y == label).nonzero().flatten()[:per_class]
            parts.setdefault(label, []).append(train.select(chosen))
    return joined([joined(parts[label]).first(per_class) for label in sorted(parts)])


def layer_activations(model: Backbone, examples: Examples) -> Arrays:
    """Activations of the input and every layer: float32 [n, width] by name."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        found = model.activations(examples.x.to(device))
    model.train(was_training)
    arrays = {"input": examples.x.flatten(1).numpy()}
    return arrays | {n: a.cpu().numpy() for n, a in zip(model.layers, found, strict=True)}


def before_night(learner: Learner, scores: Scores) -> Arrays:
    """What to note before the night."""
    many = sample(learner, max(MEAN_EXAMPLES, learner.observed))
    classes = many.y.unique()
    means = {
        f"awake/means/{name}": np.stack([a[(many.y == c).numpy()].mean(0) for c in classes])
        for name, a in layer_activations(learner.model, many).items()
    }
    few = sample(learner, learner.observed)
    facts = {"awake/classes": classes.numpy(), "awake/labels": few.y.numpy()}
    return facts | means | _examples(learner, few, "before") | _confusion(scores, "before")


def after_night(learner: Learner, scores: Scores) -> Arrays:
    """What to note after the night, for the same examples."""
    few = sample(learner, learner.observed)
    return _examples(learner, few, "after") | _confusion(scores, "after")


def _examples(learner: Learner, few: Examples, when: str) -> Arrays:
    arrays = layer_activations(learner.model, few)
    return {f"awake/{when}/{name}": a.astype(np.float16) for name, a in arrays.items()}


def _confusion(scores: Scores, when: str) -> Arrays:
    return {f"confusion/{when}": np.array(scores.confusion, np.int64)}
