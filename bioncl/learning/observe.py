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


class Observation:
    """What is noted around one night; made before it, since sampling goes through all old data."""

    def __init__(self, learner: Learner) -> None:
        """Choose the examples: of each class seen so far the first `learner.observed`."""
        self._learner = learner
        self._many = sample(learner, max(MEAN_EXAMPLES, learner.observed))
        self._few = first_of_each(self._many, learner.observed)

    def before(self, scores: Scores) -> Arrays:
        """What to note before the night."""
        y = self._many.y.numpy()
        classes = np.unique(y)
        means = {
            f"awake/means/{name}": np.stack([a[y == c].mean(0) for c in classes])
            for name, a in layer_activations(self._learner.model, self._many).items()
        }
        facts = {"awake/classes": classes, "awake/labels": self._few.y.numpy()}
        return facts | means | self._examples("before") | _confusion(scores, "before")

    def after(self, scores: Scores) -> Arrays:
        """What to note after the night, for the same examples."""
        return self._examples("after") | _confusion(scores, "after")

    def _examples(self, when: str) -> Arrays:
        arrays = layer_activations(self._learner.model, self._few)
        return {f"awake/{when}/{name}": a.astype(np.float16) for name, a in arrays.items()}


def sample(learner: Learner, per_class: int) -> Examples:
    """The first `per_class` training examples of each class seen so far, class by class."""
    earlier = [learner.stream.task(index).train for index in range(learner.task.index)]
    parts = [first_of_each(train, per_class) for train in (*earlier, learner.task.train)]
    return first_of_each(joined(parts), per_class)


def first_of_each(examples: Examples, count: int) -> Examples:
    """The first `count` examples of each class, class by class."""
    places = [(examples.y == c).nonzero().flatten()[:count] for c in examples.y.unique()]
    return examples.select(torch.cat(places))


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


def _confusion(scores: Scores, when: str) -> Arrays:
    return {f"confusion/{when}": np.array(scores.confusion, np.int64)}
