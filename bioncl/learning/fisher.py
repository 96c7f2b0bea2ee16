"""The diagonal of the Fisher information of a network, from gradients of single examples.

    true        F_i = mean_x Σ_c p(c|x) (∂ log p(c|x) / ∂θ_i)²    all classes, exactly
    empirical   F_i = mean_x (∂ log p(y|x) / ∂θ_i)²               y the label
    predicted   F_i = mean_x (∂ log p(ĉ|x) / ∂θ_i)²               ĉ the likeliest class

"true" is what Kirkpatrick et al. 2017 define; Hsu et al. 2018 compute "predicted". A network with
"relu" outputs, trained with squared error, stands for a normal distribution of variance 1 around
its outputs: the sum over classes becomes the sum over outputs of squared gradients of the outputs.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from bioncl.learning.importance import Named, Rate, Rated, importance
from bioncl.learning.learner import Learner
from bioncl.models.backbone import Output
from bioncl.seeding import torch_generator
from bioncl.streams.stream import Examples, Task

FisherKind = Literal["true", "empirical", "predicted"]


def fisher_of(learner: Learner, task: Task, kind: FisherKind, samples: int) -> Named:
    """Diagonal Fisher information of the learner's network on the training data of `task`.

    Args:
        learner: Whose network.
        task: Whose data; where the scenario tells the task, its outputs alone compete.
        kind: Which one.
        samples: Examples drawn at random; 0 takes all.
    """
    model = learner.model
    model.use_task(task.index if learner.stream.scenario == "task" else None)
    examples = drawn(task.train, samples, learner.seed, task.index)
    return importance(model, examples, rate_of(kind, model.output), power=2, device=learner.device)


def drawn(examples: Examples, samples: int, seed: int, task: int) -> Examples:
    """`samples` different ones of `examples`, or all for 0; the same for the same seed and task."""
    if not 0 < samples < len(examples):
        return examples
    generator = torch_generator(seed, "importance", task)
    return examples.select(torch.randperm(len(examples), generator=generator)[:samples])


def rate_of(kind: FisherKind, output: Output) -> Rate:
    """What the Fisher information of this kind differentiates."""
    if kind == "true":
        return every_class if output == "softmax" else every_output
    likelihood = log_probability if output == "softmax" else log_density

    def rate(logits: Tensor, labels: Tensor, competing: Tensor) -> Rated:
        chosen = labels if kind == "empirical" else logits.detach().argmax(1)
        values = likelihood(logits, chosen)
        return values, torch.ones_like(values)

    return rate


def every_class(logits: Tensor, labels: Tensor, competing: Tensor) -> Rated:
    """Log probabilities of all competing classes, weighted by the probabilities."""
    values = logits.log_softmax(1)[:, competing]
    return values, values.detach().exp()


def every_output(logits: Tensor, labels: Tensor, competing: Tensor) -> Rated:
    """All competing outputs, with weight 1."""
    values = logits[:, competing]
    return values, torch.ones_like(values)


def log_probability(logits: Tensor, chosen: Tensor) -> Tensor:
    """Logarithm of the probability of the `chosen` classes [n], as [n, 1]."""
    return logits.log_softmax(1).gather(1, chosen[:, None])


def log_density(logits: Tensor, chosen: Tensor) -> Tensor:
    """Minus half the squared error of the `chosen` classes [n], as [n, 1]."""
    active = logits + (logits.relu() - logits).detach()
    wanted = one_hot(chosen, logits.shape[1]).to(logits.dtype)
    return -0.5 * (active - wanted).square().sum(1, keepdim=True)
