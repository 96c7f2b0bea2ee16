"""What is minimised, and how outputs become decisions.

| output | loss | decision |
|---|---|---|
| softmax | cross-entropy, mean over the batch | largest logit |
| relu | ½‖y − a‖², a = ReLU(z), mean over the batch | largest a, the first of equal ones |

With "relu" the gradient at z is a − y: the derivative of the output ReLU is left out, as published
for Sleep Replay Consolidation. If all outputs are silent, the first one wins.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, one_hot

from bioncl.models.backbone import Output


def loss(output: Output, logits: Tensor, labels: Tensor) -> Tensor:
    """Mean loss of `logits` [n, outputs] against `labels` int64 [n]."""
    if output == "softmax":
        return cross_entropy(logits, labels)
    active = logits + (torch.relu(logits) - logits).detach()  # ReLU forward, identity backward
    wanted = one_hot(labels, logits.shape[1]).to(logits.dtype)
    return 0.5 * (active - wanted).square().sum(1).mean()


def decide(output: Output, logits: Tensor) -> Tensor:
    """The chosen output of each row of `logits` [n, outputs]: int64 [n]."""
    return (torch.relu(logits) if output == "relu" else logits).argmax(1)


def distillation(logits: Tensor, wanted: Tensor, temperature: float) -> Tensor:
    """T² · KL(softmax(wanted/T) ‖ softmax(logits/T)), mean over the batch (Hinton et al. 2015).

    T² keeps the gradient's size as T grows. Up to a constant, KL is the cross-entropy that some
    papers write; it is 0 where the two agree.

    Args:
        logits: What is trained [n, outputs].
        wanted: Logits to come near to, of the same shape.
        temperature: T; larger values make more of small probabilities.
    """
    soft = [(z / temperature).log_softmax(1) for z in (logits, wanted)]
    divergence = kl_div(soft[0], soft[1], log_target=True, reduction="batchmean")
    return temperature**2 * divergence
